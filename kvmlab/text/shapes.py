"""What lines of a kernel report look like when nothing stands in front of them: the table `shape_rows` and its engine.

Used to find log text that has no timestamps, and to tell a new line from the rest of a wrapped one. A shape says
nothing about what a line means; that is read elsewhere.
"""

from __future__ import annotations

import re

from kvmlab.text.shape_rows import SHAPES

# Blanks, and the brackets that log viewers and mailers leave in front.
_LEAD = r"[ \t]*(?:\*\*|[-*] )?"
_ANY = re.compile(_LEAD + "(?:" + "|".join(f"(?:{shape.pattern})" for shape in SHAPES) + ")")
_EACH = tuple((shape.name, re.compile(_LEAD + f"(?:{shape.pattern})")) for shape in SHAPES)
_REACH = 400


def has_shape(text: str, start: int = 0) -> bool:
    """Whether the line from offset `start` on looks like one of a kernel report.

    >>> has_shape(" ? __seccomp_filter+0x32f/0x500"), has_shape("However launching KVM guests keeps")
    (True, False)
    """
    return _ANY.match(text, start, start + _REACH) is not None


def shape_of(text: str) -> str | None:
    """Name of the first shape that a line has.

    >>> shape_of("page dumped because: nonzero mapcount")
    'page_dumped'
    """
    for name, pattern in _EACH:
        if pattern.match(text, 0, _REACH):
            return name
    return None
