"""Which entries of a call trace count for a signature, and under which name: the table `data/frame_rules.toml`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files

from kvmlab.kernel.functions import plain_symbol

_MAX_SYMBOL = 256


class Does(StrEnum):
    """What a rule makes of a symbol."""

    SKIP = "skip"
    INLINE = "inline"
    GENERIC = "generic"
    RENAME = "rename"
    LOOK = "look"
    ENTRY = "entry"


@dataclass(frozen=True, slots=True)
class FrameRule:
    """One row of the table.

    Args:
        name: name of the row.
        does: what it makes of a symbol.
        pattern: the whole symbol, without suffixes.
        sample: a symbol that it matches; run as a test.
        why: reason, for people.
        source: where the functions are known from.
        to: new name, for `RENAME`.
    """

    name: str
    does: Does
    pattern: str
    sample: str
    why: str
    source: str
    to: str = ""
    regex: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "does", Does(self.does))
        object.__setattr__(self, "regex", re.compile(self.pattern))


@dataclass(frozen=True, slots=True)
class CanonicalFrame:
    """What a symbol is in a signature.

    Args:
        name: its name there, None if it is left out.
        rule: the rule that decided it, None if no rule knows it.
    """

    name: str | None
    rule: FrameRule | None

    @property
    def interesting(self) -> bool:
        """Whether it can name a family: it is in the signature, and it is not generic."""
        return self.name is not None and (self.rule is None or self.rule.does is not Does.GENERIC)


@cache
def frame_rules() -> tuple[FrameRule, ...]:
    """All rows of the table, in the order in which they are tried.

    >>> frame_rules()[0].does.value
    'skip'
    """
    return _rows("rule")


def _rows(table: str) -> tuple[FrameRule, ...]:
    text = files("kvmlab.inquiry").joinpath("data", "frame_rules.toml").read_text(encoding="utf-8")
    return tuple(FrameRule(**row) for row in tomllib.loads(text)[table])


@cache
def stall_rules() -> tuple[FrameRule, ...]:
    """The rows that tell how the kernel came to look at a CPU that is stuck.

    >>> [rule.does.value for rule in stall_rules()]
    ['look', 'entry']
    """
    return _rows("stall")


@lru_cache(maxsize=8192)
def canonical_frame(symbol: str) -> CanonicalFrame:
    """What a symbol is in a signature: suffixes removed, skipped or renamed by the table.

    Args:
        symbol: as a call trace prints it.

    >>> canonical_frame("__x64_sys_ioctl").name, canonical_frame("bad_page.cold").name
    ('sys_ioctl', 'bad_page')
    >>> canonical_frame("do_syscall_64").name is None, canonical_frame("do_wp_page.isra.0").interesting
    (True, True)
    """
    # Old powerpc builds print the code symbol of a function with a dot before it.
    plain = plain_symbol(symbol[:_MAX_SYMBOL].removeprefix("."))
    for rule in frame_rules():
        found = rule.regex.fullmatch(plain)
        if found is None:
            continue
        if rule.does in (Does.SKIP, Does.INLINE):
            return CanonicalFrame(None, rule)
        name = found.expand(rule.to) if rule.does is Does.RENAME else plain
        return CanonicalFrame(name, rule)
    return CanonicalFrame(plain, None)
