"""The controllers alone, without any browser."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.capture import read_capture
from kvmlab.charts.pfn_map import EmptyMap
from kvmlab.inquiry.pfn_ranges import pfn_ranges
from kvmlab.inquiry.pfn_runs import PfnRun
from kvmlab.inquiry.replay import Replay, replay, same_events
from kvmlab.kvm.policies import find_policy
from kvmlab.report.log import Log, read_log
from kvmlab.widgets.family_browser import FamilyBrowser, NoFamilies
from kvmlab.widgets.live import STATIC_MIME
from kvmlab.widgets.log_loader import LogLoader
from kvmlab.widgets.pfn_browser import PfnBrowser
from kvmlab.widgets.replay_player import ReplayPlayer
from kvmlab.widgets.views import loader_view, workbench_view
from kvmlab.widgets.workbench import Workbench
from tests.charts.figures import check_figure, check_told

RAW = Path(__file__).resolve().parents[2] / "data" / "2024-07-31-kvm-bad-page-state" / "raw.txt"
PFNS = st.lists(st.integers(0, (1 << 40) - 1), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def log() -> Log:
    return read_log(RAW)


@pytest.fixture(scope="module")
def replays(log: Log) -> dict[str, Replay]:
    return same_events(replay(log.bad_pages[0]), [find_policy(p) for p in ("c_69", "d")])


@pytest.fixture
def player(replays: dict[str, Replay]) -> ReplayPlayer:
    return ReplayPlayer(replays, source="case")


class TestReplayPlayer:
    def test_it_walks_and_stops_at_the_ends(self, player: ReplayPlayer) -> None:
        player.back()
        assert player.position == 1
        player.forward()
        assert player.step.action == "early check"
        player.go_to(10_000)
        assert player.position == len(player.steps)
        player.forward()
        assert player.step.number == len(player.steps)

    def test_marks_lead_to_the_stray_put_and_then_to_the_bad_page(self, player: ReplayPlayer) -> None:
        player.next_mark()
        assert player.step.stray_put
        assert "marks: stray put" in player.words()
        player.next_mark()
        assert player.step.bad_pages
        assert "_refcount 0, mapcount 1; held by PTE" in player.words()

    def test_a_policy_can_be_chosen_and_an_unknown_one_is_not_taken(self, player: ReplayPlayer) -> None:
        assert player.policies == ("c_69", "d")
        player.choose("d")
        player.next_mark()
        assert player.position == len(player.steps), "nothing goes wrong under d"
        player.choose("e")
        assert player.policy == "d"

    def test_the_picture_shows_the_position(self, player: ReplayPlayer) -> None:
        player.go_to(13)
        told = check_figure(player.figure())
        (box,) = [s for s in told["layout"]["shapes"] if s.get("name") == "position"]
        assert (box["x0"], box["x1"]) == (12.5, 13.5)
        assert "2 policies" in check_figure(player.twin())["layout"]["title"]["text"]

    def test_watchers_are_told_until_they_stop(self, player: ReplayPlayer) -> None:
        seen: list[int] = []
        stop = player.watch(lambda: seen.append(player.position))
        player.forward()
        player.forward()
        stop()
        player.forward()
        assert seen == [2, 3]


class TestPfnBrowser:
    def test_a_selection_leads_to_reports_and_their_lines(self, log: Log) -> None:
        browser = PfnBrowser.of_log(log, source="case")
        browser.select(0xFB1700, 0xFB1600)
        assert browser.selection == PfnRun(0xFB1600, 0xFB1700)
        assert browser.df_selected()["pfn"].tolist() == [0xFB1665]
        lines = browser.log_lines()
        assert "BUG: Bad page state in process CPU 0/KVM pfn:fb1665" in lines[0]
        assert lines[0].split()[0] == "7"
        assert "selected 0xfb1600 to 0xfb1700: 1 page, 1 report" in browser.words()
        browser.clear()
        assert browser.df_selected().empty
        check_figure(browser.figure())

    def test_owners_of_the_selection_are_shown(self, log: Log) -> None:
        owners = pd.DataFrame({"pfn": [0xFB1665, 5], "comm": ["qemu", "init"]}).astype({"pfn": "uint64"})
        browser = PfnBrowser(pfn_ranges([0xFB1665, 5]), owners=owners)
        assert browser.df_owners() is None
        browser.select(0, 100)
        chosen = browser.df_owners()
        assert chosen is not None
        assert chosen["comm"].tolist() == ["init"]

    def test_from_terabytes_to_a_page(self) -> None:
        browser = PfnBrowser(pfn_ranges([0, 0xFB1665, (1 << 30) + 7]))
        while browser.view.pages > 64:
            before = browser.view.pages
            browser.closer()
            assert browser.view.pages < before
        assert browser.ranges.between(browser.view.first, browser.view.last).pages == 1
        check_figure(browser.figure())
        browser.back()
        assert browser.view.pages > 64
        browser.whole()
        assert browser.view == PfnRun(0, (1 << 30) + 7)

    def test_an_empty_stretch_is_not_taken(self) -> None:
        browser = PfnBrowser(pfn_ranges([0, 100_000]))
        browser.zoom(1_000, 2_000)
        assert browser.view == PfnRun(0, 100_000)
        browser.zoom(0, 2_000)
        browser.pan(1.0)
        assert browser.view == PfnRun(0, 2_000), "there is nothing further on"

    @settings(deadline=None, max_examples=60)
    @given(
        PFNS, st.lists(st.sampled_from(["closer", "back", "whole", "left", "right", "zoom"]), max_size=12), st.data()
    )
    def test_whatever_is_done_there_is_a_page_in_view(
        self, pfns: list[int], moves: list[str], data: st.DataObject
    ) -> None:
        browser = PfnBrowser(pfn_ranges(pfns))
        for move in moves:
            if move == "zoom":
                browser.zoom(data.draw(st.integers(0, 1 << 40)), data.draw(st.integers(0, 1 << 40)))
            elif move in ("left", "right"):
                browser.pan(-0.5 if move == "left" else 0.5)
            else:
                getattr(browser, move)()
            assert browser.ranges.between(browser.view.first, browser.view.last).pages >= 1
            assert browser.words()

    def test_nothing_to_browse_is_refused(self) -> None:
        with pytest.raises(EmptyMap, match="there is no pfn to browse"):
            PfnBrowser(pfn_ranges([]))


class TestLogLoader:
    def test_paths_and_uploads_feed_it(self) -> None:
        loader = LogLoader(str(RAW))
        assert loader.words().endswith("raw.txt: 2 reports, 1 bad page")
        loader.load_bytes("copy.gz", gzip.compress(RAW.read_bytes()))
        assert loader.words() == "copy.gz: 2 reports, 1 bad page"

    @pytest.mark.parametrize("bad", ["no/such/file", "/"])
    def test_what_goes_wrong_is_a_sentence_and_the_log_stays(self, bad: str) -> None:
        loader = LogLoader(str(RAW))
        loader.load(bad)
        assert loader.error
        assert loader.words() == loader.error
        assert loader.log is not None
        loader.load(str(RAW))
        assert loader.error is None

    @settings(deadline=None, max_examples=50)
    @given(st.binary(max_size=300))
    def test_no_upload_makes_it_raise(self, data: bytes) -> None:
        loader = LogLoader()
        loader.load_bytes("upload", data)
        assert loader.words()


class TestFamilyBrowser:
    def test_the_largest_family_comes_first_and_is_shown(self, log: Log) -> None:
        browser = FamilyBrowser([log, log], source="twice")
        assert browser.family.count == 2
        assert "Bad page state" in " ".join(browser.labels())
        browser.choose(99)
        assert browser.chosen == len(browser.families) - 1
        browser.choose(next(i for i, f in enumerate(browser.families) if "Bad page" in f.title))
        assert browser.df_members()["log"].tolist() == [0, 1]
        assert browser.df_members()["pfn"].tolist() == [0xFB1665, 0xFB1665]
        picture = browser.figure()
        assert picture is not None
        check_figure(picture)

    def test_logs_without_reports_are_refused(self) -> None:
        with pytest.raises(NoFamilies, match="no report"):
            FamilyBrowser([read_log(b"[    1.000000] usb 1-1: new device\n")])


class TestPfnBrowserOfCaptures:
    def test_a_page_leads_to_its_owner_and_to_the_lines_that_name_it(self, root: Path) -> None:
        folder = root / "data" / "captures" / "6.12.117-klab" / "page-owner" / "base"
        owners = read_capture(folder / "page_owner_head.txt.gz")
        browser = PfnBrowser.of_capture(owners)
        record = next(r for r in owners.value.records if r.order >= 2)
        assert record.pfn is not None
        browser.select(record.pfn + 1, record.pfn + 1)
        held = browser.df_owners()
        assert held is not None
        # The page lies inside a block: its owner is the one of the block.
        assert held["pfn"].tolist() == [record.pfn]
        assert held["comm"].tolist() == [record.comm]
        assert browser.log_lines()[0].split()[0] == str(record.line)
        check_figure(browser.figure())

    def test_owners_of_one_file_stand_beside_the_reports_of_another(self, log: Log, root: Path) -> None:
        owners = pd.DataFrame({"pfn": pd.array([0xFB1664, None], "UInt64"), "order": [1, 0], "comm": ["qemu", "x"]})
        browser = PfnBrowser.of_log(log, owners=owners)
        browser.select(0xFB1665, 0xFB1665)
        held = browser.df_owners()
        assert held is not None
        assert held["comm"].tolist() == ["qemu"]

    def test_a_terabyte_is_zoomed_to_a_page(self) -> None:
        ranges = pfn_ranges([5, 0xFB1665, 1 << 30], source="made up", kernel="6.12")
        browser = PfnBrowser(ranges)
        assert browser.view.pages > 1 << 28
        while browser.view.pages > 64:
            before = browser.view.pages
            browser.closer()
            assert browser.view.pages < before
        assert browser.figure().data[0].z.shape[1] * browser.figure().data[0].z.shape[0] >= 64
        assert "A cell is 1 page" in browser.figure().layout.meta["caption"]


class TestWorkbench:
    def test_a_loaded_log_feeds_every_view(self) -> None:
        bench = Workbench()
        seen: list[str] = []
        bench.watch(lambda: seen.append(bench.words()))
        bench.loader.load(str(RAW))
        assert bench.families is not None
        assert bench.player is not None
        assert bench.pfns is not None
        assert bench.pfns.view.first <= 0xFB1665 <= bench.pfns.view.last
        assert seen[-1].endswith("views: families, pfns, replay")

    def test_a_log_that_cannot_be_read_leaves_the_views_as_they_are(self) -> None:
        bench = Workbench(LogLoader(str(RAW)))
        before = (bench.families, bench.pfns, bench.player)
        bench.loader.load("no/such/file")
        assert (bench.families, bench.pfns, bench.player) == before

    def test_a_clean_log_feeds_none(self) -> None:
        bench = Workbench()
        bench.loader.load_bytes("quiet", b"[    1.000000] usb 1-1: new device\n")
        assert (bench.families, bench.pfns, bench.player) == (None, None, None)
        assert "the log holds no report" in bench.words()

    def test_an_exported_page_shows_what_there_is(self) -> None:
        bench = Workbench()
        assert STATIC_MIME not in workbench_view(bench)._repr_mimebundle_()
        bench.loader.load(str(RAW))
        bundle = workbench_view(bench)._repr_mimebundle_()
        check_told(bundle[STATIC_MIME])
        assert bundle["text/plain"].startswith("workbench: ")

    def test_the_pages_follow_the_loader_and_the_tabs_stay(self) -> None:
        bench = Workbench()
        tabs = next(part for part in workbench_view(bench).widget.children if hasattr(part, "titles"))
        assert tabs.titles == ("Families", "Pfns", "Replay")
        pages = tabs.children
        tabs.selected_index = 1
        empty = [page.children for page in pages]
        bench.loader.load(str(RAW))
        fed = [page.children for page in pages]
        assert all(old != new for old, new in zip(empty, fed, strict=True))
        bench.loader.load("no/such/file")
        assert [page.children for page in pages] == fed
        bench.loader.load_bytes("quiet", b"[    1.000000] usb 1-1: new device\n")
        assert [page.children for page in pages] != fed
        assert (tabs.children, tabs.selected_index) == (pages, 1)


def test_a_loader_alone_says_on_an_exported_page_what_it_holds() -> None:
    loader = LogLoader()
    loader.load_bytes("dmesg", b"[    1.000000] BUG: Bad page state in process qemu  pfn:fb1665\n")
    view = loader_view(loader)
    bundle = view._repr_mimebundle_()
    assert bundle["text/plain"] == "log loader: dmesg: 1 report, 1 bad page (live in JupyterLab)"
    assert STATIC_MIME not in bundle
    view.widget.close_all()
