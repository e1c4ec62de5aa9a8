"""The page as kernels to 2.6.28 printed it before the BUG of a mapcount that went negative: a line for each field."""

from __future__ import annotations

import re

from kvmlab.report.numbers import pointer

BEGINS = ("page pfn = ", "page->flags = ", "page->count = ", "page->mapping = ")
_FIELD = re.compile(r"page(?: |->)(?P<key>pfn|flags|count|mapping) = (?P<value>0x[0-9a-f]{1,16}|[0-9a-f]{1,16})")


def match_page_field(text: str) -> dict[str, int] | None:
    """One field of the page; None if the line is another one.

    Args:
        text: the message, blanks around it removed.

    >>> match_page_field("page->flags = 8001003c"), match_page_field("page->count = ffffffff")
    ({'flags': 2147549244}, {'refcount': -1})
    """
    found = _FIELD.fullmatch(text)
    value = None if found is None else pointer(found["value"])
    if found is None or value is None:
        return None
    if found["key"] != "count":
        return {found["key"]: value}
    # Printed as the unsigned number that its 32 bits are.
    return {"refcount": value - (1 << 32) if 1 << 31 <= value < 1 << 32 else value}
