"""Where the log text stands within a text: blocks of kernel lines, apart from prose."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kvmlab.text.scan import BLANK, FIELD, FRAGMENT, KERNEL, PLAIN, PROMPT, SHAPE, Scan

# A prompt, then everything from the first kernel line to the last before the next prompt, and what follows it closely.
_LOG = re.compile(rb"(?:\$_*)?[KS](?:[KSNPFD_]*[KSND])?P*")


def log_blocks(scan: Scan, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Blocks of a text that is a log: only a shell prompt starts a new one.

    Lines without a kernel prefix between kernel lines belong to the block, and so do those right below it: whether
    they are the rest of a wrapped line is decided later.
    """
    for match in _LOG.finditer(scan.kinds, first - 1, last):
        yield match.start() + 1, match.end()


def mail_blocks(scan: Scan, first: int, last: int, *, spread: bool = False) -> Iterator[tuple[int, int]]:
    """Blocks among prose: a paragraph of prose ends a block, and so does another quote depth.

    Args:
        scan: the kinds of rows.
        first, last: where to look.
        spread: whether lines right above a block without prefixes belong to it, as in a bare log.
    """
    floor = first
    for start, stop in _blocks(scan, first, last):
        begin = start
        if spread and scan.kinds.find(KERNEL, start - 1, stop) < 0:
            while begin > floor and scan.kinds[begin - 2] == PLAIN:
                begin -= 1
        yield begin, stop
        floor = stop + 1


def _blocks(scan: Scan, first: int, last: int) -> Iterator[tuple[int, int]]:
    kinds = scan.kinds
    start = anchor = prompt = 0
    plain = blank = False
    for number in range(first, last + 1):
        kind = kinds[number - 1]
        if start and scan.depth(number) != scan.depth(anchor) and kind != BLANK:
            yield start, _tail(scan, anchor, last)
            start = prompt = 0
        if kind in (KERNEL, SHAPE, FRAGMENT):
            if start and plain and blank:
                yield start, _tail(scan, anchor, last)
                start = 0
            start = start or prompt or number
            anchor, prompt, plain, blank = number, 0, False, False
        elif kind == FIELD:
            anchor = number if start else anchor
        elif kind == PROMPT:
            if start:
                yield start, _tail(scan, anchor, last)
                start = 0
            prompt = number
        elif kind == BLANK:
            blank = True
        else:
            plain = True
            prompt = 0
    if start:
        yield start, _tail(scan, anchor, last)


def _tail(scan: Scan, anchor: int, last: int) -> int:
    # Plain lines right below the last kernel line may be the rest of it.
    while anchor < last and scan.kinds[anchor] == PLAIN and scan.depth(anchor + 1) == scan.depth(anchor):
        anchor += 1
    return anchor
