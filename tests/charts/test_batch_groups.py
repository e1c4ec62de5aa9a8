"""Groups of bad pages as a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmlab.charts.batch_groups import MOST_GROUPS, NoGroups, df_batch_groups, plot_batch_groups
from kvmlab.report.log import read_log
from tests.charts.figures import check_figure
from tests.charts.sample import frame, report


def test_a_real_storm_shows_thirty_at_a_time(shared: Path) -> None:
    log = read_log(shared / "captures" / "6.12.117+deb12-amd64" / "bad" / "kvmbad_lruoff.dmesg.txt")
    told = check_figure(plot_batch_groups(df_batch_groups(log.reports, source="storm")))
    assert told["layout"]["title"]["text"] == "60 bad pages came in 3 groups, 30 in the largest"
    texts = [a["text"] for a in told["layout"]["annotations"]]
    assert any(t.startswith("30 pages in 9 runs") for t in texts)
    assert "a batch of this kernel holds 31 folios" in texts


def test_neighbours_in_memory_share_a_shade() -> None:
    reports = [report(frame("bad_page", 1), pfn=p, index=i) for i, p in enumerate([10, 11, 20, 19, 30])]
    picture = plot_batch_groups(df_batch_groups(reports))
    places = [set(trace.x) for trace in picture.data]
    assert {1, 2} <= places[0] or {1, 2} <= places[1]
    assert {3, 4} <= places[0] or {3, 4} <= places[1]
    assert not any({1, 3} <= shade for shade in places)
    check_figure(picture)


def test_many_groups_are_cut_and_it_is_said() -> None:
    reports = [report(frame(f"f{i}", 1), pfn=i, index=i) for i in range(MOST_GROUPS + 5)]
    picture = plot_batch_groups(df_batch_groups(reports))
    assert sum(len(t.x) for t in picture.data) == MOST_GROUPS
    assert "5 more pages are not drawn" in picture.layout.meta["caption"]


def test_no_bad_page_is_refused() -> None:
    with pytest.raises(NoGroups, match="no bad page with a pfn"):
        df_batch_groups([report(pfn=None)])
