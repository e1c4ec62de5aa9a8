"""The pool explorer as widgets: kernels, memory and requests in; strip, orders and pools over time out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts.table import table
from kvmlab.inquiry.ttm_scene import FRAGMENTATION, POOL_CONTENT
from kvmlab.kernel.ttm import PRESETS
from kvmlab.memory.workload import graphics_objects, workloads
from kvmlab.widgets.live import Live, Pane, button
from kvmlab.widgets.pool_explorer import CACHINGS, PoolExplorer

if TYPE_CHECKING:
    import ipywidgets

MEMORY: Final = ("64MiB", "256MiB", "1GiB")
ALONE: Final = "none"


def pool_view(explorer: PoolExplorer) -> Live:
    """The pool explorer with its controls.

    Args:
        explorer: the controller.
    """
    import ipywidgets

    panes = {name: Pane(name) for name in ("pool", "strip", "orders", "history", "buffers", "page-pool")}

    def draw() -> None:
        panes["pool"].show_text(explorer.words())
        panes["page-pool"].show_text(explorer.page_pool())
        panes["buffers"].show_table(table(explorer.df_buffers(), caption="Live buffers"))
        for name, picture in (
            ("strip", explorer.figure()),
            ("orders", explorer.orders()),
            ("history", explorer.history()),
        ):
            if picture is None:
                panes[name].show_text("nothing was asked for yet" if name == "history" else "no buffer is live")
            else:
                panes[name].show_figure(picture)

    explorer.watch(draw)
    draw()
    rows = [_scene(explorer), _requests(explorer), _workloads(explorer)]
    shown = ipywidgets.VBox([*rows, *(pane.widget for pane in panes.values())])
    return Live(shown, explorer.figure, f"pool explorer: {explorer.words()}")


def _scene(explorer: PoolExplorer) -> ipywidgets.Widget:
    """Which kernels, and the memory that they begin with; a change does again all that was done."""
    import ipywidgets

    releases = tuple(dict.fromkeys((explorer.release, *PRESETS)))
    second = explorer.sides[1].release if len(explorer.sides) > 1 else ALONE
    sizes = tuple(dict.fromkeys((explorer.memory, *MEMORY)))
    controls = {
        "release": _drop("kernel", releases, explorer.release),
        "beside": _drop("beside it", tuple(dict.fromkeys((ALONE, second, *PRESETS))), second),
        "memory": _drop("memory", sizes, explorer.memory),
        "fragmentation": _drop("fragmentation", tuple(FRAGMENTATION), explorer.scene.fragmentation),
        "free_share": ipywidgets.FloatSlider(
            value=explorer.scene.free_share,
            min=0.1,
            max=0.9,
            step=0.1,
            readout_format=".0%",
            description="free",
            continuous_update=False,
        ),
        "pool_content": _drop("in the pools", tuple(POOL_CONTENT), explorer.scene.pool_content),
    }

    def changed(name: str, value: Any) -> None:
        explorer.set(**{name: None if name == "beside" and value == ALONE else value})

    for name, control in controls.items():
        control.observe(lambda change, name=name: changed(name, change["new"]), names="value")
    return ipywidgets.HBox(list(controls.values()), layout={"flex_flow": "row wrap"})


def _requests(explorer: PoolExplorer) -> ipywidgets.Widget:
    """Buffers to fill, to look at and to give back, and the shrinker."""
    import ipywidgets

    pages = ipywidgets.BoundedIntText(value=8100, min=1, max=1 << 24, description="pages")
    sizes = {"a size of ...": 0} | {f"{o.name} ({o.pages:,} pages)": o.pages for o in graphics_objects().values()}
    common = ipywidgets.Dropdown(options=sizes, value=0, description="size of")
    caching = _drop("caching", CACHINGS, CACHINGS[0])
    which = ipywidgets.BoundedIntText(value=0, min=0, max=10_000, description="buffer")

    def take(change: dict[str, Any]) -> None:
        if change["new"]:
            pages.value = change["new"]

    common.observe(take, names="value")
    buttons = [
        button("Fill", lambda: explorer.alloc(pages.value, caching.value), tooltip="fill a buffer of so many pages"),
        button("Show", lambda: explorer.choose(which.value), tooltip="draw this buffer"),
        button("Free", lambda: explorer.free(which.value), tooltip="give this buffer back"),
        button("Shrink", lambda: explorer.shrink(1 << 24), tooltip="let the shrinker empty the pools"),
        button("Begin again", explorer.begin_again, tooltip="forget all that was done"),
    ]
    parts = [pages, common, caching, buttons[0], which, *buttons[1:]]
    return ipywidgets.HBox(parts, layout={"flex_flow": "row wrap"})


def _workloads(explorer: PoolExplorer) -> ipywidgets.Widget:
    """A workload for so many allocations."""
    import ipywidgets

    names = tuple(sorted(workloads()))
    name = _drop("workload", names, names[0])
    steps = ipywidgets.BoundedIntText(value=100, min=1, max=2000, description="allocations")
    run = button("Run", lambda: explorer.run(name.value, steps.value), tooltip="run it on every kernel shown")
    return ipywidgets.HBox([name, steps, run], layout={"flex_flow": "row wrap"})


def _drop(label: str, options: tuple[str, ...], value: str) -> ipywidgets.Dropdown:
    import ipywidgets

    return ipywidgets.Dropdown(
        options=options,
        value=value,
        description=label,
        style={"description_width": "initial"},
        layout={"width": "auto"},
    )
