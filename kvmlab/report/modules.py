"""The `Modules linked in:` list with the taint letters of each module, over as many records as it takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from kvmlab.report.records import Module, ModuleList
from kvmlab.text.span import Span

_HEADER = re.compile(r"Modules linked in:(?P<rest>.*)", re.DOTALL)
_UNLOADED_HEADER = re.compile(r"Unloaded tainted modules:(?P<rest>.*)", re.DOTALL)
# Enterprise kernels of 2.6 put each letter into brackets of its own, `zfs(P)(U)`.
_FLAGS = r"(?:\([A-Z]{0,16}[+-]?\)){0,4}"
_NAME = re.compile(rf"(?P<name>[A-Za-z0-9_][\w-]{{0,63}})(?P<flags>{_FLAGS})(?::\d{{1,10}})?")
_LAST = re.compile(r"\[last unloaded: ?(?P<name>[\w-]*)[^\]]*\]?")
_CONTINUATION = re.compile(
    rf"(?:[A-Za-z0-9_][\w-]{{0,63}}{_FLAGS}(?::\d{{1,10}})?(?:[ \t]+|$))*"
    # A pager cuts long lines and puts `>` into the last column.
    r"(?:\[last unloaded:[^\]]*\]?|[\w-]{0,64}>)?[ \t]*"
)
# What kernels to 3.8 print before or behind the list, `CPU 2`, and what a cut leaves of the line behind it.
_CPU_ALONE = re.compile(r"CPU \d{1,5}|[A-Z]{1,3}")


def match_modules(text: str) -> str | None:
    """What stands behind `Modules linked in:`; None if the line is another one."""
    found = _HEADER.match(text)
    return None if found is None else found["rest"]


def match_unloaded(text: str) -> str | None:
    """What stands behind `Unloaded tainted modules:` (5.19 and later); None if the line is another one."""
    found = _UNLOADED_HEADER.match(text)
    return None if found is None else found["rest"]


def is_continuation(text: str) -> bool:
    """Whether a line holds nothing but module names, so that it can continue the list of the record before.

    >>> is_continuation(" pinctrl_alderlake"), is_continuation("Hardware name: QEMU")
    (True, False)
    """
    stripped = text.strip()
    if _CPU_ALONE.fullmatch(stripped):
        return False
    return bool(stripped) and (_CONTINUATION.fullmatch(stripped) is not None)


def parse_modules(records: Sequence[tuple[str, Span]], unloaded: Sequence[str] = ()) -> ModuleList:
    """The list from the texts behind its header and from its continuation records.

    Args:
        records: the texts with their spans; the first is what stands behind the header.
        unloaded: texts of the `Unloaded tainted modules:` record.

    >>> span = Span(0, 0, 1, 1)
    >>> parse_modules([(" klab(OE) kvm_amd kvm [last unloaded: klab(OE)]", span), (" drm", span)]).names
    ('klab', 'kvm_amd', 'kvm', 'drm')
    """
    modules: list[Module] = []
    per_record: list[int] = []
    unparsed: list[str] = []
    last: str | None = None
    span = records[0][1]
    for text, where in records:
        span |= where
        if found := _LAST.search(text):
            last = found["name"] or None
            text = text[: found.start()] + " " + text[found.end() :]
        names, strange = _names(text)
        modules += names
        unparsed += strange
        per_record.append(len(names))
    tainted: list[Module] = []
    for text in unloaded:
        if found := _LAST.search(text):
            last = found["name"] or None
            text = text[: found.start()]
        names, strange = _names(text)
        tainted += names
        unparsed += strange
    return ModuleList(tuple(modules), last, tuple(per_record), span, tuple(tainted), tuple(unparsed))


@lru_cache(maxsize=64)  # the lists of reports of one boot are the same
def _names(text: str) -> tuple[tuple[Module, ...], tuple[str, ...]]:
    """The modules that a text names, and the words that are no names."""
    names, strange = [], []
    for word in text.split():
        if found := _NAME.fullmatch(word):
            names.append(Module(found["name"], found["flags"].replace(")(", "").strip("()")))
        else:
            strange.append(word)
    return tuple(names), tuple(strange)
