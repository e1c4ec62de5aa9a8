"""Puts wrapped lines of a log block together again: which lines continue the one above, and how."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kvmlab.text.names import Names
from kvmlab.text.pairs import pair_of
from kvmlab.text.quotes import peel
from kvmlab.text.scan import ELISION, FRAGMENT, KERNEL, PLAIN, SHAPE, Scan, clean
from kvmlab.text.width import Candidate, Width, width_of

_FOLLOWS = re.compile(rb"(?<=[KSPN])[SPN]")
# Beyond this many pieces nothing is one record of a kernel log.
MAX_PIECES = 64
_TELLING = 200


@dataclass(frozen=True, slots=True)
class Link:
    """Why a row continues the one above: `columns`, `words`, `flowed` (`delsp`: its last blank goes) or `fragment`."""

    kind: str
    reason: str
    certain: bool = True
    delsp: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The continuation lines of a block, by number, and how it was wrapped."""

    links: dict[int, Link]
    width: Width | None


def plan_joins(scan: Scan, first: int, last: int, *, mail: bool) -> Plan:
    """Decide which lines of the block `first` to `last` continue the line above.

    Args:
        scan: the kinds of lines.
        first, last: line numbers of the block.
        mail: whether the text is a mail, where a mailer may have wrapped lines.
    """
    kinds = scan.kinds
    prefixed = kinds.find(KERNEL, first - 1, last) >= 0
    candidates: list[Candidate] = []
    links: dict[int, Link] = {}
    pieces = margin = 0
    record = ""
    for match in _FOLLOWS.finditer(kinds, first - 1, last):
        number = match.start() + 1
        if number == first or scan.depth(number) != scan.depth(number - 1):
            continue
        if kinds[number - 1] == FRAGMENT:
            links[number] = Link("fragment", "netconsole sent the message in fragments")
            continue
        text = scan.content(number)
        if ELISION.match(text, 0, 100):
            continue
        upper = scan.content(number - 1)
        if kinds[number - 2] == KERNEL:
            lead = scan.prefix(upper)
            margin = lead.end if lead else 0
        if margin > 8 and len(text) - len(text.lstrip(" ")) == margin:
            # dmesg puts the further lines of one printk record right below its first, prefix left blank.
            continue
        starts_record = kinds[number - 2] == KERNEL or not candidates or candidates[-1].number != number - 1
        if starts_record or not candidates[-1].paired:
            prefix = scan.prefix(upper) if kinds[number - 2] == KERNEL else None
            record, pieces = upper[prefix.end :] if prefix else upper, 0
        padding = lost_padding(upper) if kinds[number - 2] == KERNEL else 0
        pieces += 1
        paired = pieces < MAX_PIECES and pair_of(record, upper, text) is not None
        whole = len(clean(scan.lines.text(number - 1))) if scan.quoted else len(upper)
        first_word = len(text.split(None, 1)[0])
        candidates.append(
            Candidate(number, len(upper) + padding, whole + padding, first_word, paired, upper.endswith(" "))
        )
    # In bare text of no mail only halves of kernel lines show that it was wrapped.
    telling = candidates if prefixed or mail else [c for c in candidates if c.paired]
    width = width_of(telling, lambda whole: _longest(scan, first, last, whole), _apart(scan, telling))
    flowed = sum(c.above_blank for c in candidates) >= 3
    for c in candidates:
        # What stands below a line that is no log text is none either.
        if prefixed and kinds[c.number - 2] == PLAIN and c.number - 1 not in links:
            continue
        flow = scan.flows[c.number - 2] if scan.flows and c.above_blank else 0
        if flow and (prefixed or kinds[c.number - 1] != SHAPE):
            links[c.number] = Link("flowed", "the line above ends in a soft line break", delsp=flow == 2)
        elif link := _link(c, width, prefixed, kinds[c.number - 1] == SHAPE, flowed):
            links[c.number] = link
    return Plan(links, width)


def _link(c: Candidate, width: Width | None, prefixed: bool, shape: bool, flowed: bool) -> Link | None:
    if width and width.kind == "columns":
        missing = width.columns - (c.above_whole if width.whole else c.above)
        if missing in (0, 1, 2) and (prefixed or not shape or c.paired):
            return Link("columns", f"the line above fills the {width.columns} columns of the wrap", width.certain)
        if c.paired:
            return Link(
                "columns", "the two lines are halves of one by their contents; blanks before the wrap were lost"
            )
        return None
    if c.paired:
        return Link("words", "the two lines are halves of one by their contents")
    if c.above_blank and flowed and (prefixed or not shape):
        return Link("flowed", "the line above ends in the blank that marks a soft line break")
    if width and width.kind == "words" and (prefixed or not shape) and c.above + 1 + c.first_word > width.columns:
        return Link(
            "words", f"its first word would not have fitted into the {width.columns} columns above", width.certain
        )
    return None


_PADDING = re.compile(r"\s*\[( *\d+)\.\d{6}\]")


def lost_padding(line: str) -> int:
    """Blanks that a kernel timestamp has lost: the seconds are padded to five columns.

    >>> lost_padding("[ 1.000000] x"), lost_padding("[    1.000000] x"), lost_padding("[252080.141632] x")
    (3, 0, 0)
    """
    match = _PADDING.match(line)
    return max(0, 5 - len(match[1])) if match else 0


def _apart(scan: Scan, candidates: list[Candidate]) -> int:
    """Positive if most breaks fall between words, negative if they do not, judged by the words that stand elsewhere."""
    seams = [(scan.content(c.number - 1), scan.content(c.number)) for c in candidates[:_TELLING]]
    names = Names().also(piece for seam in seams for piece in seam)
    # A blank at the break explains itself.
    tally = sum(names.apart(upper, lower) for upper, lower in seams if upper[-1:] != " " and lower[:1] != " ")
    return 2 * tally - len(seams)


def _longest(scan: Scan, first: int, last: int, whole: bool) -> int:
    longest = 0
    starts = scan.lines.starts
    for number in range(first, last + 1):
        # Bytes bound characters from above, so most lines need no decoding.
        if starts[number] - starts[number - 1] > longest and scan.kinds[number - 1] in (KERNEL, SHAPE, PLAIN):
            text = clean(scan.lines.text(number))
            longest = max(longest, len(text if whole or not scan.quoted else peel(text)[1]))
    return longest
