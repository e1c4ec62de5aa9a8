"""How a block of log lines was wrapped: at a column, as terminals do, or at blanks, as mailers do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Narrower than this nothing is wrapped.
_LEAST, _LEAST_WORDS = 40, 60
# Widths at which a single wrapped line may be believed.
# Lines that may be longer than the width of a mailer's wrap, by how much, and how many candidates count without proof.
LONG_SHARE, SLACK, _UNPROVED = 0.08, 16, 3
_TERMINAL, _NO_MAIL = 79, 101
_STANDARD = 80
# How many full lines show a width that terminals have, or any, and their share of all lines that may go on.
_FULL_USUAL, _FULL, _FULL_SHARE = 2, 3, 0.6
_USUAL = (79, 80, 81, 100, 120, 132)


@dataclass(frozen=True, slots=True)
class Width:
    """The kind of wrapping (`columns` or `words`) and its width; `whole` measures with the quote marks."""

    kind: str
    columns: int
    whole: bool = False
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A line that may be the rest of the line above.

    Args:
        number: its line number.
        above: characters of the line above, quote marks off.
        above_whole: the same with quote marks.
        first_word: length of its own first word.
        paired: the two are halves of one line by their contents.
        above_blank: the line above ends in a blank.
    """

    number: int
    above: int
    above_whole: int
    first_word: int
    paired: bool
    above_blank: bool


def width_of(
    candidates: Sequence[Candidate],
    longest: Callable[[bool], int],
    apart: int = 0,
    longer: Callable[[int], float] = lambda width: 0.0,
) -> Width | None:
    """Find how a block was wrapped.

    Args:
        candidates: the lines that may be continuations.
        longest: length of the longest line of the block, with (True) or without quote marks.
        longer: share of the block's lines that are longer than so many characters.
        apart: twice the breaks between words less those within, as far as words can be told, less the candidates.

    >>> width_of([Candidate(n, 80, 80, 5, False, False) for n in range(3)], lambda whole: 80)
    Width(kind='columns', columns=80, whole=False, certain=True)
    """
    if not candidates:
        return None
    for whole in (False, True):
        if apart <= 0 and (found := _columns(candidates, whole, longest, apart)):
            return found
    found = _words(candidates)
    # A mailer that wraps leaves no long lines.
    return None if found is None or longer(found.columns + SLACK) > LONG_SHARE else found


def terminal_width(candidates: Sequence[Candidate], longest: Callable[[bool], int]) -> Width | None:
    """The width of a terminal whose text was copied: one that terminals have, which lines fill and none passes.

    Args:
        candidates: the lines that may be continuations.
        longest: length of the longest line, as in `width_of`.

    >>> terminal_width([Candidate(n, 80, 80, 5, False, False) for n in range(2)], lambda whole: 80).columns
    80
    """
    columns = longest(False)
    full = sum(c.above == columns for c in candidates)
    # A terminal fills its rows; a mailer breaks before the word that would pass its width.
    ragged = sum(c.paired and 2 < columns - c.above <= c.first_word for c in candidates)
    if ragged >= max(full, 2):
        return None
    if full >= 2 and columns in _USUAL:
        return Width("columns", columns)
    # One line alone may happen to be so long.
    return Width("columns", columns, certain=False) if full == 1 and columns == _STANDARD else None


def full_width(candidates: Sequence[Candidate], longest: Callable[[bool], int], apart: int) -> Width | None:
    """The width of text without prefixes of which many lines are just as long as none is longer, and go on below.

    Args:
        candidates: the lines that look like nothing that could begin a line.
        longest: length of the longest line, as in `width_of`.
        apart: as in `width_of`.

    >>> full_width([Candidate(n, 78, 78, 5, False, False) for n in range(3)], lambda whole: 78, -3).columns
    78
    """
    for whole in (False, True):
        columns = longest(whole)
        full = sum((c.above_whole if whole else c.above) == columns for c in candidates)
        enough = _FULL_USUAL if columns in _USUAL else _FULL
        if columns >= _LEAST_WORDS and full >= enough and full >= _FULL_SHARE * len(candidates) and apart <= 0:
            return Width("columns", columns, whole)
    return None


def _columns(candidates: Sequence[Candidate], whole: bool, longest: Callable[[bool], int], apart: int) -> Width | None:
    lengths = [c.above_whole if whole else c.above for c in candidates]
    width = max(lengths)
    if width < _LEAST or longest(whole) > width:
        return None
    near = sum(width - n in (0, 1) for n in lengths)
    full = Counter(lengths)[width]
    if len(candidates) == 1:
        # One line alone: a width that mailers never leave if its halves belong together, else only the commonest.
        believed = width >= _NO_MAIL if candidates[0].paired else width == _STANDARD
        return Width("columns", width, whole, False) if believed else None
    if len(candidates) <= 3 and width < _TERMINAL and apart >= -len(candidates) and _words(candidates):
        return None
    # Mailers leave ragged ends: many lines of the very same length are a terminal's.
    if near >= 2 and full >= 2 and near >= 0.6 * len(lengths):
        return Width("columns", width, whole)
    return None


def _words(candidates: Sequence[Candidate]) -> Width | None:
    # What must have been one line gives the width; failing that, all candidates together must fit one.
    if proved := [c for c in candidates if c.paired]:
        return Width("words", max(_LEAST_WORDS, min(_fill(proved), _fill(candidates))))
    if len(candidates) < _UNPROVED:
        return None
    width = _fill(candidates)
    fitting = sum(c.above + 1 + c.first_word > width for c in candidates)
    return Width("words", width, False, False) if width >= _LEAST_WORDS and fitting >= 0.8 * len(candidates) else None


def _fill(candidates: Sequence[Candidate]) -> int:
    # The greatest width that most lines fill: a mailer breaks before the word that would pass it.
    bounds = sorted(c.above + c.first_word for c in candidates)
    return min(bounds[len(bounds) // 10], max(c.above for c in candidates))
