"""Files of names and numbers: /proc/meminfo, /proc/vmstat, module parameters, and the lab's single counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.malformed import Malformed, numbered, u64, unquoted

if TYPE_CHECKING:
    import pandas as pd

MEMINFO = re.compile(r"([A-Za-z][\w()]{0,63}): +([0-9]{1,20})(?: (kB))?$")
VMSTAT = re.compile(r"([a-z]\w{0,63}) ([0-9]{1,20})$")


@dataclass(frozen=True, slots=True)
class Counters:
    """Named numbers.

    Args:
        values: number by name, in the order of the text; the unit is `unit`.
        unit: `kB` in meminfo (but for the counts of huge pages), None in vmstat.
        malformed: the lines that are no such pair.
    """

    values: Mapping[str, int]
    unit: str | None
    malformed: tuple[Malformed, ...] = ()

    def df_counters(self) -> pd.DataFrame:
        """One row a counter: name, value uint64."""
        import pandas as pd

        frame = pd.DataFrame(list(self.values.items()), columns=["name", "value"])
        return frame.astype({"name": "str", "value": "uint64"})


def _parse(text: str | bytes, pattern: re.Pattern[str], unit: str | None, expected: str) -> Counters:
    values: dict[str, int] = {}
    malformed: list[Malformed] = []
    for number, line in numbered(text):
        plain = unquoted(line)
        found = pattern.match(plain)
        value = None if found is None else u64(found[2])
        if found is not None and value is not None:
            values[found[1]] = value
        elif plain:
            malformed.append(Malformed(number, line, f"expected {expected}."))
    return Counters(values, unit, tuple(malformed))


def parse_meminfo(text: str | bytes) -> Counters:
    """Read /proc/meminfo (kB; the `HugePages_*` lines are counts).

    Args:
        text: the file.

    >>> parse_meminfo("MemTotal:         972060 kB\\n").values
    {'MemTotal': 972060}
    """
    return _parse(text, MEMINFO, "kB", "`Name:  N kB`")


def parse_vmstat(text: str | bytes) -> Counters:
    """Read /proc/vmstat.

    Args:
        text: the file.

    >>> parse_vmstat("nr_free_pages 231865\\n").values
    {'nr_free_pages': 231865}
    """
    return _parse(text, VMSTAT, None, "`name N`")


@dataclass(frozen=True, slots=True)
class Count:
    """A file with one number: its `value`, None (and its lines in `malformed`) if it holds something else."""

    value: int | None
    malformed: tuple[Malformed, ...] = ()

    def df_count(self) -> pd.DataFrame:
        """One row: value UInt64."""
        import pandas as pd

        return pd.DataFrame({"value": pd.array([self.value], dtype="UInt64")})


def parse_count(text: str | bytes) -> Count:
    """Read a file that holds one number only (the lab's `*extra_puts.txt`: puts that were injected).

    Args:
        text: the file.

    >>> parse_count("141").value
    141
    """
    lines = [(number, unquoted(line)) for number, line in numbered(text[:256])]
    value = u64(lines[0][1]) if len(lines) == 1 else None
    if value is None:
        return Count(None, tuple(Malformed(n, line, "expected one number in the whole file.") for n, line in lines))
    return Count(value)
