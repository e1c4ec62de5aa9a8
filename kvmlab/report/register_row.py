"""A row of the table of register lines: how the values of a line are written, with a sample that is run as a test."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

HEX = r"[0-9a-f]{1,16}"
SYMBOL = r"[A-Za-z_.$][\w.$:<> ]{0,300}?\+0x[0-9a-f]{1,16}/0x[0-9a-f]{1,16}(?: \[[\w -]{1,110}\])?"


class How(StrEnum):
    """How the values of a line are written."""

    PAIRS = "name and value, several times"
    ROW = "name of the first register, then values"
    STATE = "a state word; begins a block"
    TEXT = "no values that are kept"


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """One row.

    Args:
        arch: architecture.
        how: how the values are written.
        pattern: for `PAIRS` one pair (groups `name`, `value`, and `seg`, `sel` where there are segments); for `ROW` the
            line (groups `name`, `first`, `values`); for `STATE` the line (groups `name`, `value`); for `TEXT` the line.
        sample: a line of it.
        regex: the pattern for the whole line.
    """

    arch: str
    how: How
    pattern: str
    sample: str
    pair: re.Pattern[str] = field(init=False, repr=False, compare=False)
    regex: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pair", re.compile(self.pattern))
        whole = rf"(?:{self.pattern}\s*+)++" if self.how is How.PAIRS else self.pattern
        object.__setattr__(self, "regex", re.compile(whole))
