"""Words that a text holds whole, to tell which of two readings of a broken line is the likelier."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

_HEX = re.compile(r"[0-9a-f]+$")
# No word begins so; `-22` may be one, unless it goes on from a number.
_TORN, _TORN_NUMBER = re.compile(r"[~,.)+]\S|-[A-Za-z]\w|:\w"), re.compile(r"-\d")
# A number without its digits, and a field of a page line: what follows as a word has its name in front.
_TORN_FIELD = re.compile(r"(?:\b0x|\b(?:mapping|index|pfn|refcount|mapcount|count):\S+)$")
_FIELD, _HEX_WORD = 40, re.compile(r"[0-9a-f]+(?: |$)")
# Where kernels always print a blank; a line feed stands for the break.
_ALWAYS_APART = re.compile(
    r"(?<!ref)[0-9a-f)]\n(?:refcount|count|mapcount|mapping|index|pfn|compound_mapcount):|"
    r"[,)]\n(?:pid|tgid|ts|free_ts) |\b(?:order|pid|tgid|ts|free_ts)\n\d|gfp_mask\n0x|tgid \d+\n\("
)
# Bytes of code before and behind a break: a byte that was cut leaves one digit.
_BYTES, _BYTES_FOLLOW = re.compile(r"(?: [0-9a-f]{2}){6}$"), re.compile(r"<?[0-9a-f]{2}>?(?: |$)")
_BYTES_LENGTH = 18


class Names:
    """Words that are known whole, sorted.

    >>> names = Names(("processor_thermal_device", "i2c_smbus"))
    >>> [names.apart(*two) for two in (("x processor_therm", "al_mbox"), ("igc e1000e", "i2c_i801"), ("btu", "sb"))]
    [-1, 1, 0]
    """

    __slots__ = ("known",)

    def __init__(self, known: Sequence[str] = ()) -> None:
        self.known = tuple(sorted(known))

    def also(self, pieces: Iterable[str]) -> Names:
        """These names and all words of `pieces` but the first and last of each, which may be halves."""
        whole = set(self.known)
        for piece in pieces:
            whole.update(piece.split()[1:-1])
        return Names(tuple(whole))

    def apart(self, upper: str, lower: str) -> int:
        """1 if a blank between two pieces makes likelier words, -1 if none does, 0 if nothing tells."""
        tail, head = upper.rsplit(None, 1)[-1:], lower.split(None, 1)[:1]
        if not self.known or not tail or not head:
            return 0
        whole = tail[0] + head[0]
        apart = self._shared(head[0]) >= 3 or self._has(head[0])
        together = self._shared(whole) > len(tail[0]) or self._has(whole)
        return apart - together

    def _has(self, word: str) -> bool:
        at = bisect_left(self.known, word)
        return at < len(self.known) and self.known[at] == word

    def _shared(self, word: str) -> int:
        # The longest beginning that another known word has in common with this one stands beside it in the order.
        at = bisect_left(self.known, word)
        return max((_common(word, other) for other in self.known[max(0, at - 1) : at + 2] if other != word), default=0)


def _common(one: str, other: str) -> int:
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length


def half_word(text: str, piece: str) -> bool:
    """Whether a word was cut in two: one of a hex dump, or one of which the rest begins like no word.

    Args:
        text: what stands before the break.
        piece: what stands behind it.

    >>> half_word("#28", "~22.04.1-Ubuntu"), half_word("error", "-22"), half_word("BIOS 1.16.2", "-1 04/01/2014")
    (True, False, True)
    >>> half_word("index:0x0 pfn:0x1a", "2b3"), half_word("index:0x0", "pfn:0x1a2b3"), half_word("at 0x", "1f")
    (True, False, True)
    """
    if _TORN_FIELD.search(text[-_FIELD:]) and _HEX_WORD.match(piece):
        return True
    if text[-1:].strip() and (_TORN.match(piece) or (text[-1:].isdigit() and _TORN_NUMBER.match(piece))):
        return True
    words, first = text.split(), piece.split(None, 1)[:1]
    if len(words) < 2 or not first or not (_HEX.match(words[-1]) and _HEX.match(first[0]) and _HEX.match(words[-2])):
        return False
    whole = len(words[-2])
    return whole in (8, 16) and len(words[-1]) < whole and len(words[-1]) + len(first[0]) == whole


def whole_words(text: str, piece: str) -> bool:
    """Whether a line was cut between two words: of a hex dump, or where kernels always print a blank.

    Args:
        text: what stands before the break.
        piece: what stands behind it.

    >>> whole_words("raw: dead000000000100 dead000000000122", "0000000000000000"), whole_words("12 34", "56")
    (True, False)
    >>> whole_words("pid 7, ts", "54871263000"), whole_words("gfp_mask 0x0(),", "pid 7")
    (True, True)
    """
    if _ALWAYS_APART.search(f"{text[-24:]}\n{piece[:12]}"):
        return True
    words, first = text.split()[-2:], piece.split(None, 1)[:1]
    if _BYTES.search(text[-_BYTES_LENGTH:]) and _BYTES_FOLLOW.match(piece):
        return True
    return (
        len(words + first) == 3
        and {len(word) for word in (*words, *first)} in ({8}, {16})
        and all(_HEX.match(word) for word in (*words, *first))
    )
