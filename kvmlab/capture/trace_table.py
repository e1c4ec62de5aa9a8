"""The table that both trace engines fill: one row an event line, columns of numbers, strings held once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kvmlab.capture.malformed import Malformed

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

# Columns of the table. Codes point into `strings`, -1 is "not printed".
COLUMNS = (
    "line",
    "t",
    "cpu",
    "pid",
    "tgid",
    "comm",
    "latency",
    "system",
    "event",
    "form",
    "at",
    "body",
    "body_end",
    "stack",
)


@dataclass(frozen=True, slots=True)
class TraceTable:
    """Event lines as columns.

    Args:
        columns: int64 arrays by name. `line` is the number of the line; `t` nanoseconds; `comm`, `latency`, `system`
            and `event` are codes into `strings`; `form` is the index of the body's form in the event table, -1 if it
            has none; `at` is where the row's stored fields begin in `values`; `body` and `body_end` are byte offsets;
            `stack` is a code into `stacks`.
        values: the stored fields of all bodies, u64; negative numbers as two's complement, texts as codes.
        strings: every text once.
        stacks: every stack once, symbols innermost first.
        malformed: lines that are neither events nor furniture, and events whose body has no known form.
        other: number of header, comment and blank lines.
        joined: number of lines that were put together with the line before (a mail had wrapped them).
        lost: events that the tracer says it lost; a lower bound.
    """

    columns: dict[str, I64]
    values: U64
    strings: tuple[str, ...]
    stacks: tuple[tuple[str, ...], ...] = ()
    malformed: tuple[Malformed, ...] = ()
    other: int = 0
    joined: int = 0
    lost: int = 0

    def __len__(self) -> int:
        return len(self.columns["line"])


@dataclass(slots=True)
class Interner:
    """Texts to codes, in the order of their first appearance."""

    codes: dict[str, int] = field(default_factory=dict)

    def code(self, text: str | None) -> int:
        """The code of a text, -1 for None."""
        if text is None:
            return -1
        return self.codes.setdefault(text, len(self.codes))

    def texts(self) -> tuple[str, ...]:
        """All texts in the order of their codes, decoded: they are held as Latin-1."""
        return tuple(text.encode("latin-1").decode("utf-8", "backslashreplace") for text in self.codes)
