"""A line that a terminal broke and a mailer broke again: which of its breaks were the terminal's."""

from __future__ import annotations

import re
from collections.abc import Sequence

# No terminal from which text is copied is narrower.
_LEAST = 79
# Rows of the terminal that show its width, whatever it is, and one that shows a width that terminals have.
_TELLING = 3
# How many rows of the terminal may stand between two ends that show.
_UNSEEN = 3
_USUAL = frozenset({79, 80, 81, 100, 120, 132, 160, 173, 200})
_NAME = r"[\w-]+(?:\([A-Z]+[+-]?\))?"
_ROW = re.compile(rf" ?{_NAME}(?: {_NAME})*(?: \[[a-z][^\]]*\]?)? ?$")


def is_row_of_names(row: str, width: int, before: bool) -> bool:
    """Whether a row below a short one can only be more of a module list.

    Args:
        row: the row.
        width: characters that a row of a mail has at least when it goes on below.
        before: whether the list went on below a short row before.

    >>> is_row_of_names("snd_hda_intel snd_intel_dspcfg snd_hda_codec snd_hda_core snd_pcm", 48, False)
    True
    >>> is_row_of_names("any ideas", 48, False), is_row_of_names("d_tables", 48, True)
    (False, True)
    """
    if not _ROW.match(row, 0, 1100):
        return False
    return "[" in row or ((before or len(row) >= width) and not row.replace(" ", "").isalpha())


def terminal_rows(pieces: Sequence[str], lengths: Sequence[int]) -> tuple[int, list[int]] | None:
    """The width of the terminal and the pieces with which its rows begin; None if no mailer broke them again.

    A mailer breaks before the word that would pass its width; where that word had room, the row had ended already.

    Args:
        pieces: the pieces of one line as they stand in the mail.
        lengths: how long each of them is, what was cut in front included.

    >>> terminal_rows(["x" * 65, "y" * 14, "z" * 69, "a" * 10, "b" * 9], [65, 14, 69, 10, 9])
    (80, [0, 2, 4])
    """
    mail = max(lengths[:-1], default=0)
    ends = [
        k for k in range(1, len(pieces)) if lengths[k - 1] + 1 + len(pieces[k].lstrip(" ").split(" ", 1)[0]) <= mail
    ]
    if not ends:
        return None
    least = min(_length(lengths, first, last) for first, last in zip([0, *ends], ends, strict=False))
    # Several rows may stand between two ends that show; a row that lost the blank at its end is one shorter.
    for columns in ((least + 1) // n - 1 + blank for n in range(1, _UNSEEN + 1) for blank in (0, 1)):
        rows = _rows(lengths, columns, ends) if columns >= max(_LEAST, mail) else []
        if len(rows) > (1 if columns in _USUAL else _TELLING):
            return columns, rows
    return None


def _rows(lengths: Sequence[int], columns: int, ends: Sequence[int]) -> list[int]:
    """Where rows of that many columns begin; empty if the pieces do not make such rows or end elsewhere."""
    rows = [0]
    for k in range(1, len(lengths)):
        length = _length(lengths, rows[-1], k)
        if columns - length in (0, 1):
            rows.append(k)
        elif length > columns or k in ends:
            return []
    return rows if _length(lengths, rows[-1], len(lengths)) <= columns else []


def _length(lengths: Sequence[int], first: int, last: int) -> int:
    return sum(lengths[first:last]) + last - first - 1
