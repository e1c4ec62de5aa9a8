"""Storms that the kernel lab recorded: puts that a module injected, bad pages, and the groups they came in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kvmlab.capture.shelf import CaptureSet, ShippedRun

if TYPE_CHECKING:
    import pandas as pd


def df_storms(runs: Iterable[ShippedRun]) -> pd.DataFrame:
    """The storms of the lab: puts that were injected, bad pages that followed, and the groups they came in.

    The module's log holds every call of bad_page(); the kernel prints at most 60 a minute.

    Args:
        runs: runs of the lab; those without a module's log of a storm give no rows.

    Returns:
        kernel, run, injected, vcpus Int64, puts, bad_pages, printed int64, groups (text, `6 x 30 by drain`), ended
        (text: how the vCPUs ended).
    """
    import pandas as pd

    cells = []
    for run in runs:
        captures = run.open()
        if "storm/log.jsonl" not in captures:
            continue
        log = captures.read("storm/log.jsonl").value.df_log()
        groups = bad_page_groups(log)
        walked = (
            [r for _, r in captures.read("storm/storm.jsonl").value.records] if "storm/storm.jsonl" in captures else []
        )
        vcpus = next((r["storm"].get("vcpus") for r in walked if isinstance(r.get("storm"), dict)), None)
        ended = Counter(_ending(r) for r in walked if "ret" in r)
        cells.append(
            (
                run.release, run.run, run.injected, vcpus, int((log["event"] == "stale_put").sum()),
                int((log["event"] == "bad_page").sum()), _printed(captures), groups_text(groups),
                ", ".join(f"{n} {how}" for how, n in ended.items()),
            )
        )  # fmt: skip
    names = ["kernel", "run", "injected", "vcpus", "puts", "bad_pages", "printed", "groups", "ended"]
    return pd.DataFrame(cells, columns=names).astype({"vcpus": "Int64"})


def _ending(row: dict[str, Any]) -> str:
    return "to the end" if row.get("ret") == 0 else f"errno {row.get('errno')}"


def _printed(captures: CaptureSet) -> int:
    member = next((p for p in ("storm/dmesg.txt", "storm/dmesg.txt.gz") if p in captures.members), None)
    if member is None:
        return 0
    from kvmlab.capture.opening import open_capture

    return bytes(open_capture(captures.members[member]()).data).count(b"BUG: Bad page state in process")


def bad_page_groups(log: pd.DataFrame) -> list[tuple[bool, list[int]]]:
    """Calls of bad_page() that belong to one pass over a folio batch.

    Neighbours are in one group if CPU, task, reason and stack are the same and no batch was moved between them.

    Args:
        log: as `LabRecords.df_log` returns it.

    Returns:
        For each group whether a drain of a batch is in its stack, and its pfns in order.
    """
    groups: list[tuple[bool, list[int]]] = []
    open_: dict[Any, tuple[Any, int]] = {}
    moves: Counter[Any] = Counter()
    columns = (log[name].tolist() for name in ("event", "cpu", "pid", "reason", "stack", "pfn"))
    for event, cpu, pid, reason, stack, pfn in zip(*columns, strict=True):
        if event == "folio_batch_move_lru":
            moves[cpu] += 1
        elif event == "bad_page":
            key = (pid, reason, stack, moves[cpu])
            if cpu not in open_ or open_[cpu][0] != key:
                open_[cpu] = key, len(groups)
                groups.append(("folio_batch_move_lru" in stack, []))
            groups[open_[cpu][1]][1].append(int(pfn))
    return groups


def groups_text(groups: Iterable[tuple[bool, list[int]]]) -> str:
    """Sizes of groups, counted: `6 x 30 by drain, 1 x 1 directly`.

    >>> groups_text([(True, [1, 2]), (True, [3, 4]), (False, [5])])
    '2 x 2 by drain, 1 x 1 directly'
    """
    counted = Counter((len(pfns), drain) for drain, pfns in groups)
    return (
        ", ".join(f"{n} x {size} {'by drain' if drain else 'directly'}" for (size, drain), n in counted.items())
        or "none"
    )
