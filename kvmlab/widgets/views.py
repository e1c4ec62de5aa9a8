"""The controllers as widgets: replay player, pfn and family browsers, log loader, workbench. Only words to calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kvmlab.charts.table import table
from kvmlab.widgets.family_browser import FamilyBrowser
from kvmlab.widgets.live import Live, Pane, button
from kvmlab.widgets.log_loader import LogLoader
from kvmlab.widgets.pfn_browser import MOST_ROWS, PfnBrowser
from kvmlab.widgets.replay_player import ReplayPlayer
from kvmlab.widgets.workbench import Workbench

if TYPE_CHECKING:
    import ipywidgets


PLAY_MS = 900
"""Time that a step stays while the player plays, ms."""


def replay_view(player: ReplayPlayer) -> Live:
    """The replay player: a slider for the step (arrow keys), play, buttons, the step in words, the page, its life.

    Args:
        player: the controller.
    """
    import ipywidgets

    slider = ipywidgets.IntSlider(
        value=player.position, min=1, max=len(player.steps), description="step", layout={"width": "60%"}
    )
    policy = ipywidgets.Dropdown(options=player.policies, value=player.policy, description="policy")
    play = ipywidgets.Play(
        value=player.position, min=1, max=len(player.steps), interval=PLAY_MS, description="play", show_repeat=False
    )
    words, scene, picture = Pane("step"), Pane("scene"), Pane("life")

    def draw() -> None:
        slider.max = play.max = len(player.steps)
        slider.value = play.value = player.position
        policy.value = player.policy
        words.show_text(player.words())
        scene.show_figure(player.scene())
        picture.show_figure(player.figure())

    for control in (slider, play):
        control.observe(lambda change: _if_new(player.position, change["new"], player.go_to), "value")
    policy.observe(lambda change: _if_new(player.policy, change["new"], player.choose), "value")
    player.watch(draw)
    draw()
    buttons = ipywidgets.HBox(
        [
            play,
            button("Back", player.back, tooltip="one step back"),
            button("Forward", player.forward, tooltip="one step on"),
            button("Next mark", player.next_mark, tooltip="on to the next stray put or bad page"),
        ]
    )
    box = ipywidgets.VBox([ipywidgets.HBox([slider, policy]), buttons, words.widget, scene.widget, picture.widget])
    return Live(box, player.twin, f"replay player: {len(player.steps)} steps (live in JupyterLab)")


def pfn_view(browser: PfnBrowser) -> Live:
    """The pfn browser: the map (drag to zoom in), buttons for the same by keyboard, a selection and its log lines.

    Args:
        browser: the controller.
    """
    import ipywidgets

    from kvmlab.widgets.map_figure import MapFigure

    picture = MapFigure(browser)
    words, alt, reports, lines = Pane("view"), Pane("alt"), Pane("reports"), Pane("lines")
    first = ipywidgets.Text(description="from pfn", placeholder="0xfb1600")
    last = ipywidgets.Text(description="to pfn", placeholder="0xfb16ff")

    def draw() -> None:
        words.show_text(browser.words())
        picture.draw()
        alt.show_words(picture.alt)
        reports.show_table(table(browser.df_selected(), caption="Reports of the selection"))
        owners = browser.df_owners()
        told = "\n".join(browser.log_lines()) or "select a stretch to see its lines of the log"
        lines.show_text(told if owners is None or owners.empty else f"{told}\n\n{table(owners, rows=MOST_ROWS)}")

    def select() -> None:
        pfns = [_pfn(first.value), _pfn(last.value)]
        if pfns[0] is None or pfns[1] is None:
            words.show_text("a pfn is a hex number such as 0xfb1665")
        else:
            browser.select(pfns[0], pfns[1])

    def select_view() -> None:
        browser.select(browser.view.first, browser.view.last)

    browser.watch(draw)
    draw()
    moves = ipywidgets.HBox(
        [
            button("Closer", browser.closer, tooltip="a quarter of the view, around the page next to its middle"),
            button("Back", browser.back, tooltip="the view before"),
            button("All", browser.whole, tooltip="all pages"),
            button("Lower", lambda: browser.pan(-0.5), tooltip="half a view towards lower pfns"),
            button("Higher", lambda: browser.pan(0.5), tooltip="half a view towards higher pfns"),
        ]
    )
    choice = ipywidgets.HBox(
        [
            first,
            last,
            button("Select", select, tooltip="select the stretch between the two pfns"),
            button("Select view", select_view, tooltip="select what is in view"),
            button("Clear", browser.clear, tooltip="select nothing"),
        ]
    )
    box = ipywidgets.VBox([words.widget, moves, picture.widget, alt.widget, choice, reports.widget, lines.widget])
    return Live(box, browser.twin, f"pfn browser: {browser.words()} (live in JupyterLab)")


def family_view(browser: FamilyBrowser) -> Live:
    """The family browser: a list, the chosen family in words, its stack beside the others, its members.

    Args:
        browser: the controller.
    """
    import ipywidgets

    chooser = ipywidgets.Select(
        options=[(label, i) for i, label in enumerate(browser.labels())],
        value=browser.chosen,
        description="family",
        rows=min(8, len(browser.families)),
        layout={"width": "90%"},
    )
    words, picture, members = Pane("family"), Pane("stacks"), Pane("members")

    def draw() -> None:
        chooser.value = browser.chosen
        words.show_text(browser.words())
        drawn = browser.figure()
        if drawn is None:
            picture.show_text("no report of these families holds a stack")
        else:
            picture.show_figure(drawn)
        members.show_table(table(browser.df_members(), caption="Its reports"))

    chooser.observe(lambda change: _if_new(browser.chosen, change["new"], browser.choose), "value")
    browser.watch(draw)
    draw()
    box = ipywidgets.VBox([chooser, words.widget, picture.widget, members.widget])
    return Live(box, browser.figure, f"family browser: {len(browser.families)} families")


def loader_view(loader: LogLoader) -> Live:
    """The log loader: a path or an upload, and a sentence on what came of it, which is all that an exported page shows.

    Args:
        loader: the controller; watch it to be told of a new log.
    """
    import ipywidgets

    path = ipywidgets.Text(description="path", placeholder="dmesg.txt, mail.eml, log.gz", layout={"width": "60%"})
    upload = ipywidgets.FileUpload(description="Upload a log", multiple=False)
    words = Pane("loaded")

    def uploaded(change: dict[str, Any]) -> None:
        for file in change["new"]:
            loader.load_bytes(file["name"], bytes(file["content"]))

    upload.observe(uploaded, "value")
    load = button("Load", lambda: loader.load(path.value), tooltip="read the file at this path")
    loader.watch(lambda: words.show_text(loader.words()))
    words.show_text(loader.words())
    box = ipywidgets.VBox([ipywidgets.HBox([path, load, upload]), words.widget])
    return Live(box, lambda: None, f"log loader: {loader.words()} (live in JupyterLab)")


def workbench_view(bench: Workbench) -> Live:
    """The loader above the views that its log feeds, one tab each; a new log changes the pages, never the chosen tab.

    Args:
        bench: the controller.
    """
    import ipywidgets

    words = Pane("bench")
    pages = {name: ipywidgets.VBox() for name in ("Families", "Pfns", "Replay")}
    # The tabs are made once: a Tab whose children are replaced forgets, page by page, which of them was chosen.
    tabs = ipywidgets.Tab(children=tuple(pages.values()), titles=tuple(pages))
    shown: list[object] = []

    def draw() -> None:
        parts = [bench.families, bench.pfns, bench.player]
        if not shown or any(part is not old for part, old in zip(parts, shown, strict=True)):
            shown[:] = parts
            for page, made in zip(pages.values(), _pages(bench), strict=True):
                page.children = (made,)
        # Last, because whoever reads these words takes the pages for ready.
        words.show_text(bench.words())

    box = ipywidgets.VBox([loader_view(bench.loader).widget, words.widget, tabs])
    bench.watch(draw)
    draw()
    return Live(box, bench.twin, f"workbench: {bench.words()} (live in JupyterLab)")


def _pages(bench: Workbench) -> tuple[ipywidgets.Widget, ...]:
    """A page for each tab, with a sentence on it where the log has nothing for it."""
    return (
        _sentence("no report is loaded, so there is no family")
        if bench.families is None
        else family_view(bench.families).widget,
        _sentence("no report that is loaded names a pfn") if bench.pfns is None else pfn_view(bench.pfns).widget,
        _sentence("no bad page is loaded that the model can replay")
        if bench.player is None
        else replay_view(bench.player).widget,
    )


def _sentence(text: str) -> ipywidgets.Widget:
    pane = Pane("nothing")
    pane.show_text(text)
    return pane.widget


def _if_new(held: object, wanted: Any, act: Any) -> None:
    """Pass a change of a widget on, unless it is the echo of our own."""
    if wanted != held:
        act(wanted)


def _pfn(text: str) -> int | None:
    """A pfn as people type it, with or without 0x; None if it is none."""
    digits = text.strip().lower().removeprefix("0x")
    try:
        return int(digits, 16) if len(digits) <= 13 else None
    except ValueError:
        return None
