"""Where a blank belongs between the pieces of a line that a terminal broke: rows that are too short lost one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kvmlab.text.names import Names
from kvmlab.text.rewrap import terminal_rows
from kvmlab.text.unwrap import Link
from kvmlab.text.width import Width


@dataclass(frozen=True, slots=True)
class Seam:
    """What happens between two pieces of a terminal's wrap; `front`: the lower piece lost the blank at its front."""

    blank: bool
    why: str
    certain: bool
    front: bool = False


NO_NAMES = Names()


def seams_of(
    pieces: Sequence[str],
    links: Sequence[Link],
    width: Width | None,
    lengths: Sequence[int],
    collapsed: bool,
    leading_lost: bool,
    names: Names,
) -> dict[int, Seam]:
    """The seams of a terminal's wrap, by the piece below: pieces that are too short lost a blank at one end."""
    if width is None or width.kind != "columns":
        return {}
    count = len(pieces)
    seams = {
        k: Seam(False, links[k - 1].reason, links[k - 1].certain)
        for k in range(1, count)
        if links[k - 1].kind == "columns"
    }

    def apart(k: int) -> int:
        return names.apart(pieces[k - 1], pieces[k])

    for i in range(count - 1):
        short = width.columns - lengths[i] - (1 if i == 0 and collapsed else 0)
        if short <= 0:
            continue
        sites = [k for k in (i, i + 1) if k in seams and not seams[k].blank and not pieces[k].startswith(" ")]
        if not sites:
            continue
        scores = {k: apart(k) for k in sites}
        if short > 2:
            # More than a blank at each side: the run of blanks was at the end.
            sites = [k for k in sites if k != i] or sites
        chosen = sites if short >= 2 else [max(sites, key=lambda k: (scores[k], (k == i) == leading_lost))]
        for k in chosen:
            sure = short >= 2 or len(sites) == 1 or scores[k] > min(scores.values())
            where = "front" if k == i else "end"
            why = f"line {{{i}}} is {short} short of {width.columns} columns: a blank at its {where} was dropped"
            if not sure:
                why += ", or at its other side"
            seams[k] = Seam(True, why, sure, k == i)
    last = count - 1
    if last in seams and not seams[last].blank and leading_lost and not pieces[last].startswith(" ") and names.known:
        tell = apart(last)
        if tell > 0:
            seams[last] = Seam(
                True, "names of the list begin like the piece below: a blank at its front was dropped", False, True
            )
        elif tell == 0:
            seams[last] = replace(seams[last], certain=False)
    return seams


def seams_again(
    pieces: Sequence[str], lengths: Sequence[int], collapsed: bool, leading_lost: bool, names: Names
) -> dict[int, Seam]:
    """The seams of a terminal's wrap whose rows a mailer wrapped again, by the piece below."""
    found = terminal_rows(pieces, lengths)
    if found is None:
        return {}
    columns, begins = found
    ends = [*begins[1:], len(pieces)]
    rows = [" ".join(pieces[first:last]) for first, last in zip(begins, ends, strict=True)]
    full = [sum(lengths[first:last]) + last - first - 1 for first, last in zip(begins, ends, strict=True)]
    link = Link("columns", f"the rows above fill the {columns} columns of a terminal; a mailer broke them again")
    seams = seams_of(rows, [link] * (len(rows) - 1), Width("columns", columns), full, collapsed, leading_lost, names)
    return {begins[k]: replace(seam, why=link.reason) for k, seam in seams.items()}
