"""/sys/kernel/debug/page_owner_stacks/show_stacks: how many base pages each allocation stack holds now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.malformed import Malformed, numbered, u64
from kvmlab.capture.page_owner import read_stack_line

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class StackCount:
    """One stack of page_owner_stacks: how many base pages it holds now."""

    line: int
    pages: int
    stack: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnerStacks:
    """All of /sys/kernel/debug/page_owner_stacks/show_stacks: `stacks` in order, and what is `malformed`."""

    stacks: tuple[StackCount, ...]
    malformed: tuple[Malformed, ...] = ()

    def df_stacks(self) -> pd.DataFrame:
        """One row a stack: line int64, pages uint64 (base pages that it holds), stack (text, innermost first)."""
        import pandas as pd

        cells = [(s.line, s.pages, " < ".join(s.stack)) for s in self.stacks]
        frame = pd.DataFrame(cells, columns=["line", "pages", "stack"])
        return frame.astype({"line": "int64", "pages": "uint64", "stack": "str"})


def parse_owner_stacks(text: str | bytes) -> OwnerStacks:
    """Read page_owner_stacks/show_stacks: stack lines, then `nr_base_pages: N`.

    Args:
        text: the file.

    Source: mm/page_owner.c stack_print() (6.12); capture of 6.12.

    >>> parse_owner_stacks(" prep_new_page+0xed/0x130\\nnr_base_pages: 2\\n").stacks[0].pages
    2
    """
    stacks: list[StackCount] = []
    malformed: list[Malformed] = []
    frames: list[str] = []
    first = 0
    for number, line in numbered(text):
        plain = line.lstrip("> \t").rstrip()
        if not plain:
            continue
        frame = read_stack_line(line)
        pages = u64(plain.removeprefix("nr_base_pages: ")) if plain.startswith("nr_base_pages: ") else None
        if frame is not None:
            first = first or number
            frames.append(frame)
        elif pages is not None and frames:
            stacks.append(StackCount(first, pages, tuple(frames)))
            frames, first = [], 0
        else:
            malformed.append(Malformed(number, line, "expected a stack and then `nr_base_pages: N`."))
    if frames:
        malformed.append(Malformed(first, frames[0], "a stack without `nr_base_pages: N` at the end of the file."))
    return OwnerStacks(tuple(stacks), tuple(malformed))
