"""The lines of a page dump that hold bits with names: flags and page type, as printed, nothing is decoded here."""

from __future__ import annotations

import re

from kvmlab.report.numbers import decimal_number, hex_number
from kvmlab.report.records import PrintedFlags, PrintedPageType
from kvmlab.text.span import Span

_FLAGS = re.compile(
    r"(?:(?P<prefix>anon|ksm) )?(?:page )?flags: ?(?P<value>0x[0-9a-f]{1,16}|0)(?:\((?P<names>[^()]*)\)?)?"
    r"(?P<cma> CMA)?.*"
)
_BARE_FLAGS = re.compile(r"(?P<value>0x[0-9a-f]{1,16})\((?P<names>[^()]*)\)(?P<cma> CMA)?")
_BAD_FLAGS = re.compile(r"bad because of flags: ?(?P<rest>.*)")
_TYPE = re.compile(r"page_type: (?P<value>(?:0x)?[0-9a-f]{1,8})\((?P<names>.*)\)?")
_DECIMAL_FIELDS = frozenset({"section", "node", "zone"})


def match_flags(text: str, span: Span, bare: bool = False) -> PrintedFlags | None:
    """The flags line as printed; bits are not decoded.

    Args:
        text: the message.
        span: where it stands.
        bare: whether the text is the number and its names alone (`0x14(referenced|dirty)`).

    >>> flags = match_flags("anon flags: 0x17ffff000080024(uptodate|active|swapbacked|zone=2)", Span(0, 0, 1, 1))
    >>> flags.prefix, flags.names, dict(flags.fields)
    ('anon', ('uptodate', 'active', 'swapbacked'), {'zone': 2})
    """
    found = _BARE_FLAGS.fullmatch(text) if bare else _FLAGS.fullmatch(text)
    value = None if found is None else hex_number(found["value"])
    if found is None or value is None:
        return None
    names, fields, unnamed = [], {}, 0
    for word in (found["names"] or "").split("|"):
        key, equals, number = word.partition("=")
        if equals:
            shown = decimal_number(number) if key in _DECIMAL_FIELDS else hex_number(number)
            if shown is not None:
                fields[key] = shown
        elif word.startswith("0x"):
            unnamed |= hex_number(word) or 0
        elif word:
            names.append(word.strip())
    prefix = None if bare else found["prefix"]
    return PrintedFlags(value, tuple(names), fields, unnamed, prefix, found["cma"] is not None, span)


def match_bad_flags(text: str) -> str | None:
    """What stands behind `bad because of flags:` (to 5.6); None if the line is another one."""
    found = _BAD_FLAGS.fullmatch(text)
    return None if found is None else found["rest"]


def match_page_type(text: str, span: Span) -> PrintedPageType | None:
    """The `page_type:` line: the whole word (6.4 to 6.11) or its top byte (6.12 and later).

    >>> match_page_type("page_type: f0(buddy)", Span(0, 0, 1, 1)).top_byte
    True
    """
    found = _TYPE.fullmatch(text)
    if found is None or (value := hex_number(found["value"])) is None:
        return None
    names = tuple(word for word in found["names"].rstrip(")").split("|") if word)
    if found["names"].startswith("(null)"):
        names = ("(null)",)
    return PrintedPageType(value, names, span, top_byte=not found["value"].startswith("0x"))
