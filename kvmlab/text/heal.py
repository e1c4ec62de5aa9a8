"""The text of a wrapped record: where a blank belongs between two pieces, by columns and by printk's record size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kvmlab.text.names import Names, half_word, whole_words
from kvmlab.text.record import Join
from kvmlab.text.seams import NO_NAMES, Seam, seams_again, seams_of
from kvmlab.text.text import SizeCheck, WrapJoin
from kvmlab.text.unwrap import Link
from kvmlab.text.width import Width

# printk cuts a continued line before a name that would pass this many bytes: (limit, overhead of each append).
# 1024 with two bytes of continuation mark and a NUL: 5.10 and later (PRINTKRB_RECORD_MAX). 992: LOG_LINE_MAX before.
SIZE_RULES = ((1024, 3), (992, 0))
_MODULE = r"[\w-]+(?:\([A-Z]+[+-]?\))?"
_NAMES = re.compile(rf" ?{_MODULE}(?: {_MODULE})*(?: \[last unloaded: [^\]]*\])? ?$")
_LIST = re.compile(r"(?:Modules linked in:|Unloaded tainted modules:)")


@dataclass(frozen=True, slots=True)
class Healed:
    """A record put together.

    Args:
        text: the message.
        joins: for `Record.joins`.
        facts: the same joins with their words.
        lost_blanks: lines of which the leading blank was lost.
        collapsed: a blank at the start of the message was lost.
        module_list: whether it is a module list or a further record of one.
        names: the module names that are known whole, sorted.
    """

    text: str
    joins: tuple[Join, ...] = ()
    facts: tuple[WrapJoin, ...] = ()
    lost_blanks: tuple[int, ...] = ()
    collapsed: bool = False
    module_list: bool = False
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class _Joiner:
    """Text so far and its joins."""

    text: str
    joins: list[Join] = field(default_factory=list)
    facts: list[WrapJoin] = field(default_factory=list)

    def add(self, piece: str, after_line: int, blank: bool, why: str, certain: bool) -> None:
        tail = self.text.rsplit(None, 1)[-1] if self.text.strip() else ""
        head = piece.split(None, 1)[0] if piece.strip() else ""
        spaced = blank or self.text.endswith(" ") or piece.startswith(" ")
        self.joins.append(Join(after_line, len(self.text), blank, why, certain))
        self.facts.append(
            WrapJoin(after_line, tail, head, f"{tail} {head}" if spaced else tail + head, blank, why, certain)
        )
        self.text += (" " if blank else "") + piece

    def amend(self, k: int, more: str, certain: bool | None = None) -> None:
        """Say more about join `k`."""
        join, fact = self.joins[k], self.facts[k]
        sure = join.certain if certain is None else certain
        self.joins[k] = replace(join, reason=join.reason + more, certain=sure)
        self.facts[k] = replace(fact, why=fact.why + more, certain=sure)

    def put_blank(self, why: str) -> None:
        """Put a blank into the last join."""
        join, fact = self.joins[-1], self.facts[-1]
        self.text = self.text[: join.at] + " " + self.text[join.at :]
        self.joins[-1] = replace(join, insert_blank=True, reason=why, certain=True)
        joined = f"{fact.tail} {fact.head}"
        self.facts[-1] = replace(fact, joined=joined, insert_blank=True, why=why, certain=True)


def continues_list(before: Healed | None, message: str, blanks_lost: bool) -> bool:
    """Whether a message is a further record of the module list that the record `before` belongs to."""
    if before is None or not before.module_list or not _NAMES.match(message):
        return False
    if message.startswith(" "):
        return True
    name = message.split(None, 1)[0]
    return blanks_lost and any(len(before.text) + 1 + len(name) + over > limit for limit, over in SIZE_RULES)


def heal(
    numbers: Sequence[int],
    pieces: Sequence[str],
    message_at: int,
    links: Sequence[Link],
    width: Width | None,
    lengths: Sequence[int],
    *,
    before: Healed | None,
    next_name: str | None,
    leading_lost: bool,
) -> Healed:
    """Put the pieces of one record together.

    Args:
        numbers: their line numbers.
        pieces: their characters, quote marks off; the first with its prefix.
        message_at: where the message begins in the first piece.
        links: why each piece but the first continues the one above.
        width: how the block was wrapped.
        lengths: length of each physical line as the wrap counted it.
        before: the record above, if it belongs to a module list.
        next_name: first name of the next record, if that is a further record of the same list.
        leading_lost: whether the block lost leading blanks.
    """
    message = pieces[0][message_at:]
    is_list = bool(_LIST.match(message))
    further = continues_list(before, message if len(pieces) == 1 else message.rstrip() or message, leading_lost)
    collapsed = further and not message.startswith(" ")
    listed = is_list or further
    joiner = _Joiner(" " + message if collapsed else message)
    indent = len(pieces[0]) - len(pieces[0].lstrip(" "))
    names = Names(before.names if further and before else ()).also([message, *pieces[1:]]) if listed else NO_NAMES
    seams = seams_again(pieces, lengths, collapsed, leading_lost, names) if listed and len(pieces) > 2 else {}
    seams = seams or seams_of(pieces, links, width, lengths, collapsed, leading_lost, names)
    for k in range(1, len(pieces)):
        piece = pieces[k]
        if (seam := seams.get(k)) is not None:
            if not seam.blank and whole_words(joiner.text, piece):
                seam = Seam(True, "both words are whole: a blank between them was dropped", True)
            joiner.add(piece, numbers[k - 1], seam.blank, seam.why.format(*numbers), seam.certain)
            continue
        link = links[k - 1]
        if link.kind == "fragment":
            joiner.add(piece, numbers[k - 1], False, link.reason, True)
            continue
        lead = len(piece) - len(piece.lstrip(" "))
        piece = piece.lstrip(" ") if listed else piece[min(lead, indent) :]
        if link.delsp:
            joiner.text = joiner.text.removesuffix(" ")
        # No name of a module begins with a line below.
        half = piece.startswith("_") if listed else half_word(joiner.text, piece)
        blank = not (joiner.text.endswith(" ") or piece.startswith(" ") or half)
        joiner.add(piece, numbers[k - 1], blank and not link.delsp, link.reason, link.certain)
    lost = [numbers[k] for k, seam in seams.items() if seam.front]
    if len(pieces) > 1 and listed and len(pieces) - 1 in seams:
        _check_size(joiner, next_name, numbers, lost)
    facts = tuple(joiner.facts)
    return Healed(
        joiner.text, tuple(joiner.joins), facts, tuple(lost), collapsed, listed, names.known if listed else ()
    )


def _check_size(joiner: _Joiner, next_name: str | None, numbers: Sequence[int], lost: list[int]) -> None:
    """printk's record size against the blanks put back, and against the last seam, which no width tells about."""
    blanks = [k for k, join in enumerate(joiner.joins) if join.insert_blank]
    length = len(joiner.text)
    if blanks and next_name and _fits(length, next_name) and not _fits(length - len(blanks), next_name):
        joiner.amend(blanks[0], "; printk's record size confirms it: else the next name would still have fitted")
    last = joiner.joins[-1]
    if last.certain or last.insert_blank:
        return
    fits = {extra: _fits(len(joiner.text) + extra, next_name) for extra in (0, 1)}
    if next_name is None or fits[0] == fits[1]:
        joiner.amend(-1, "; a lost blank cannot be ruled out")
    elif fits[0]:
        joiner.amend(-1, "; with a blank the record would be larger than printk allows", certain=True)
    else:
        joiner.put_blank("without a blank the next name would still have fitted into printk's record")
        lost.append(numbers[-1])


def _fits(length: int, next_name: str | None) -> bool:
    """Whether a record of this length is one that printk made: it is not too large, and the next name would be."""
    limit, over = SIZE_RULES[0]
    return length + over <= limit and (next_name is None or length + 1 + len(next_name) + over > limit)


def size_check(text: str, name: str) -> SizeCheck:
    """printk's rule at the split before `name`.

    >>> size_check("x" * 1007, "snd_sof_xtensa_dsp").sum
    1029
    """
    limit, over = SIZE_RULES[0]
    total = len(text) + 1 + len(name) + over
    return SizeCheck(len(text), " " + name, total, total > limit)
