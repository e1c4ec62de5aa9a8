"""What tools/mm/page_owner_sort makes of page_owner: equal allocations counted together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.malformed import Malformed, numbered, u64
from kvmlab.capture.page_owner import HEAD, OwnerRecord, read_record, read_stack_line

if TYPE_CHECKING:
    import pandas as pd

COUNT = re.compile(r"([0-9]{1,20}) times(?:, ([0-9]{1,20}) pages)?(?:, (.{0,999}?))?:?$")
_CULLED = re.compile(r"(PID|TGID|task_comm_name|allocated by|free_ts|ts)[: ]{1,2}([^,]{0,255})")


@dataclass(frozen=True, slots=True)
class OwnerGroup:
    """Allocations that page_owner_sort found equal.

    Args:
        line: number of its first line.
        times: how many there are.
        pages: how many pages they hold; None in old versions of the tool.
        record: the text that they share, read as a record; None with `--cull`.
        culled: the fields that `--cull` kept, by the names that the tool prints.
        stack: symbols, innermost first.
    """

    line: int
    times: int
    pages: int | None
    record: OwnerRecord | None
    culled: tuple[tuple[str, str], ...]
    stack: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SortedOwners:
    """All of a page_owner_sort output: `groups` in order, and the lines that are `malformed`."""

    groups: tuple[OwnerGroup, ...]
    malformed: tuple[Malformed, ...] = ()

    def df_groups(self) -> pd.DataFrame:
        """One row a group: line int64, times uint64, pages UInt64, order Int64, gfp UInt64, comm, stack (text)."""
        import pandas as pd

        cells = [
            (
                g.line,
                g.times,
                g.pages,
                None if g.record is None else g.record.order,
                None if g.record is None else g.record.gfp,
                dict(g.culled).get("task_comm_name") if g.record is None else g.record.comm,
                " < ".join(g.stack),
            )
            for g in self.groups
        ]
        frame = pd.DataFrame(cells, columns=["line", "times", "pages", "order", "gfp", "comm", "stack"], dtype=object)
        types = {"line": "int64", "times": "uint64", "pages": "UInt64", "order": "Int64", "gfp": "UInt64"}
        return frame.astype(types | {"comm": "str", "stack": "str"})


def parse_sorted_owners(text: str | bytes) -> SortedOwners:
    """Read the output of page_owner_sort, with and without `--cull`.

    Args:
        text: the file.

    Source: tools/mm/page_owner_sort.c (6.12); public samples of 2005 and 5.10.

    >>> text = "849698 times:\\nPage allocated via order 3, mask 0x4052c0(GFP_NOWAIT)\\n __alloc_pages+0x11d/0x290\\n"
    >>> group = parse_sorted_owners(text).groups[0]
    >>> group.times, group.record.order, group.stack
    (849698, 3, ('__alloc_pages+0x11d/0x290',))
    """
    groups: list[OwnerGroup] = []
    malformed: list[Malformed] = []
    lines: list[tuple[int, str]] = []
    for number, line in numbered(text):
        plain = line.lstrip("> \t").rstrip()
        if COUNT.match(plain):
            groups += _group(lines)
            lines = [(number, plain)]
        elif plain and lines:
            lines.append((number, plain))
        elif plain:
            malformed.append(Malformed(number, line, "expected `N times, M pages:` first."))
    groups += _group(lines)
    return SortedOwners(tuple(groups), tuple(malformed))


def _group(lines: list[tuple[int, str]]) -> list[OwnerGroup]:
    found = COUNT.match(lines[0][1]) if lines else None
    if found is None:
        return []
    pages = None if found[2] is None else u64(found[2])
    record = read_record(lines[1:]) if len(lines) > 1 and lines[1][1].startswith(HEAD) else None
    culled = tuple((m[1], m[2].strip()) for m in _CULLED.finditer(found[3] or ""))
    frames = tuple(f for _, text in lines[1:] if (f := read_stack_line(text)) is not None)
    kept = None if isinstance(record, str) else record
    return [OwnerGroup(lines[0][0], u64(found[1]) or 0, pages, kept, culled, frames)]
