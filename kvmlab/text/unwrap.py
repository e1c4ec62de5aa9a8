"""Puts wrapped lines of a log block together again: which lines continue the one above, and how."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from kvmlab.text.clean import ELISION, clean
from kvmlab.text.names import Names
from kvmlab.text.pairs import pair_of
from kvmlab.text.quotes import peel
from kvmlab.text.rewrap import is_row_of_names
from kvmlab.text.scan import FRAGMENT, KERNEL, PLAIN, SHAPE, Scan
from kvmlab.text.width import LONG_SHARE, SLACK, Candidate, Width, full_width, terminal_width, width_of

_FOLLOWS = re.compile(rb"(?<=[KSPN])[SPN]")
# Beyond this many pieces nothing is one record of a kernel log.
MAX_PIECES = 64
# A further record of a module list, and how many rows a list has.
_LIST, _LIST_RECORDS = "Modules linked in:", 24
_NAMES = re.compile(r"(?: [\w-]+(?:\([A-Z]+[+-]?\))?){3,}$")
# Mailers wrap at no less than this.
_NARROW = 60
# And leave no shorter line above a long word.
_NARROWEST = 48
# How many candidates, and how many rows, are looked at to judge a block.
_TELLING, _SAMPLE = 200, 4000
# The share of messages that end in a blank by which blanks are known to be at the end of all.
_PADDED = 0.6


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
    """Decide which rows of the block `first` to `last` continue the row above.

    Args:
        scan: the kinds of rows.
        first, last: row numbers of the block.
        mail: whether the text is a mail, where a mailer may have wrapped lines.
    """
    kinds = scan.kinds
    prefixed = kinds.find(KERNEL, first - 1, last) >= 0
    lengths = _Lengths(scan, first, last)
    links: dict[int, Link] = {}
    candidates = list(_candidates(scan, first, last, lengths, links))
    # In bare text of no mail only halves of kernel lines show that it was wrapped.
    telling = candidates if prefixed or mail else [c for c in candidates if c.paired]
    width = None if prefixed or mail else terminal_width(candidates, lengths.longest)
    if width is None and not prefixed:
        loose = [c for c in candidates if kinds[c.number - 1] == PLAIN]
        width = full_width(loose, lengths.longest, _apart(scan, loose))
    width = width or width_of(telling, lengths.longest, _apart(scan, telling), lengths.share_longer)
    flowed = sum(c.above_blank for c in candidates) >= 3 and not lengths.padded()
    for c in candidates:
        # What stands below a line that is no log text is none either.
        if prefixed and kinds[c.number - 2] == PLAIN and c.number - 1 not in links:
            continue
        flow = scan.flows[c.number - 2] if scan.flows and c.above_blank else 0
        if flow and (prefixed or kinds[c.number - 1] != SHAPE):
            links[c.number] = Link("flowed", "the line above ends in a soft line break", delsp=flow == 2)
        elif link := _link(c, width, prefixed, kinds[c.number - 1] == SHAPE, flowed):
            links[c.number] = link
    _cap(links)
    return Plan(links, width)


# How a program's message on the console begins, a ruled heading, what a test suite or a decoder writes: the rest of
# a kernel line does not look like that.
_PROGRAM = re.compile(
    r"[a-z][\w.-]{1,31}\[\d{1,7}\]: |[-=*]{10,60} ?\w{3,20} ?[-=*]{10,}$|={8,60}$"
    r"|[\w.-]{1,60}(?: {1,12}\d{1,6} {1,4}|:\d{1,6}: )T(?:PASS|FAIL|INFO|BROK|CONF|WARN) {0,3}: "
    r"|All code$|Code starting with the faulting instruction"
)


def _candidates(scan: Scan, first: int, last: int, lengths: _Lengths, links: dict[int, Link]) -> Iterator[Candidate]:
    """Rows that may continue the row above; those that do so for certain go into `links` at once."""
    kinds = scan.kinds
    record, pieces, margin, again = "", 0, 0, False
    before: Candidate | None = None
    for match in _FOLLOWS.finditer(kinds, first - 1, last):
        number = match.start() + 1
        if number == first or scan.depth(number) != scan.depth(number - 1):
            continue
        if kinds[number - 1] == FRAGMENT:
            links[number] = Link("fragment", "netconsole sent the message in fragments")
            continue
        text = scan.content(number)
        if ELISION.match(text, 0, 100) or _PROGRAM.match(text, 0, 100):
            continue
        upper = scan.content(number - 1)
        prefix = scan.prefix(upper) if kinds[number - 2] == KERNEL else None
        if kinds[number - 2] == KERNEL:
            margin = prefix.end if prefix else 0
        lead = len(text) - len(text.lstrip(" "))
        if margin > 8 and lead >= margin:
            # dmesg puts the further lines of one printk record right below its first, prefix left blank.
            continue
        if kinds[number - 2] == KERNEL or before is None or before.number != number - 1 or not before.paired:
            record, pieces, again = upper[prefix.end :] if prefix else upper, 0, False
            if _NAMES.match(record) and _in_list(scan, first, number - 2):
                record = f"{_LIST}{record}"
        pieces += 1
        first_word = len(text.split(None, 1)[0])
        # Both lines may stand behind the same blanks, as in an indented quotation.
        common = min(lead, len(upper) - len(upper.lstrip(" ")))
        pair = pair_of(record, upper, text[common:]) if pieces < MAX_PIECES else None
        if pair == "module names" and (
            len(upper) + first_word < _NARROW or lengths.share_longer(len(upper) + SLACK) > LONG_SHARE
        ):
            # Any word could be a module's name: only a line that had no room for it can go on with it, or one that
            # is what a mailer left of a terminal's row.
            again = pieces > 1 and is_row_of_names(text, _NARROWEST, again)
            pair = pair if again else None
        padding = lost_padding(upper) if kinds[number - 2] == KERNEL else 0
        whole = len(clean(scan.lines.text(number - 1))) if scan.quoted else len(upper)
        before = Candidate(
            number, len(upper) + padding, whole + padding, first_word, pair is not None, upper.endswith(" ")
        )
        yield before


def _in_list(scan: Scan, first: int, number: int) -> bool:
    """Whether a row belongs to a module list: printk begins a further record, behind a blank, when one is full."""
    for above in range(number, max(first, number - _LIST_RECORDS) - 1, -1):
        if scan.kinds[above - 1] != KERNEL:
            continue
        text = scan.content(above)
        prefix = scan.prefix(text)
        message = text[prefix.end :] if prefix else text
        if message.startswith(_LIST):
            return True
        if not _NAMES.match(message):
            return False
    return False


class _Lengths:
    """How long the rows of a block are; worked out when first asked for."""

    def __init__(self, scan: Scan, first: int, last: int) -> None:
        self._scan, self._first, self._last = scan, first, last
        self._sample: list[int] | None = None

    def share_longer(self, width: int) -> float:
        """Share of the rows, as far as they are looked at, that are longer than `width`."""
        if self._sample is None:
            rows = range(self._first, min(self._last, self._first + _SAMPLE) + 1)
            kinds = self._scan.kinds
            self._sample = sorted(len(self._scan.content(n)) for n in rows if kinds[n - 1] in (KERNEL, SHAPE, PLAIN))
        return 1 - bisect_right(self._sample, width) / max(1, len(self._sample))

    def padded(self) -> bool:
        """Whether blanks stand at the end of most rows that another message follows, so that they mark nothing."""
        kinds, begins = self._scan.kinds, (KERNEL, SHAPE)
        rows = range(self._first, min(self._last, self._first + _SAMPLE))
        whole = [n for n in rows if kinds[n - 1] in begins and kinds[n] in begins]
        return sum(self._scan.content(n).endswith(" ") for n in whole) > _PADDED * len(whole)

    def longest(self, whole: bool) -> int:
        """Length of the longest row, with (True) or without quote marks."""
        longest, scan = 0, self._scan
        starts = scan.lines.starts
        for number in range(self._first, self._last + 1):
            # Bytes bound characters from above, so most rows need no decoding.
            if starts[number] - starts[number - 1] > longest and scan.kinds[number - 1] in (KERNEL, SHAPE, PLAIN):
                text = clean(scan.lines.text(number))
                longest = max(longest, len(text if whole or not scan.quoted else peel(text)[1]))
        return longest


def _cap(links: dict[int, Link]) -> None:
    """Undo the links that would make a record of more than `MAX_PIECES` rows."""
    run, before = 0, -1
    for number in sorted(links):
        run = run + 1 if number == before + 1 else 1
        before = number
        if run == MAX_PIECES:
            del links[number]
            run = 0


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
    if c.above_blank and flowed and (prefixed or not shape) and c.above + c.first_word >= _NARROW:
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
