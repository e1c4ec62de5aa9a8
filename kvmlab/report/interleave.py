"""Reports of bad pages that broke into each other, where no caller tells the CPUs apart: which line is whose.

While one CPU prints a bad page, another may begin to print its own. The first waits; a line goes back to it if that is
certain: the page line with its pfn, the CPU line with its task, or a part of the dump that the other cannot have yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kvmlab.report.details import Detail
from kvmlab.report.lines import Line, Part
from kvmlab.report.numbers import hex_number
from kvmlab.report.open_splat import OpenSplat
from kvmlab.report.titles import Title

# More CPUs than this do not print at a time, and none waits for longer than so many lines.
_AT_A_TIME = 4
_PATIENCE = 64
# In which order the parts of a report are printed, up to those that are printed in one go.
_RANKS = {
    Part.PAGE: 1, Part.HEAD: 2, Part.MEMCG: 2, Part.ADDRESS_SPACE: 2, Part.FLAGS: 3, Part.PAGE_TYPE: 4, Part.WORDS: 5,
    Part.REASON: 6, Part.BAD_FLAGS: 7, Part.MODULES: 9, Part.CPU: 10,
}  # fmt: skip
# Where the lines stand that name the mapping of a bad page map, behind the reason.
_MAPPING, _MAPPING_RANK = "bad_page_map_vma", 8
_AGAIN = frozenset({Part.HEAD, Part.MEMCG, Part.ADDRESS_SPACE})
# Parts that no report leaves out, and lines that name the report that they are of.
_NEEDED = (_RANKS[Part.PAGE], _RANKS[Part.FLAGS], _RANKS[Part.REASON])
_NAMES = frozenset({Part.PAGE, Part.CPU})
_ROWS = 2
# A smaller pfn may stand in an entry by chance.
_TELLING_PFN = 1 << 12


@dataclass(slots=True)
class Waiting:
    """The reports that others broke into.

    Args:
        splats: they, in the order in which they began.
        broken: whether a line of another report stands in the current one.
    """

    splats: list[OpenSplat] = field(default_factory=list)
    broken: bool = False

    def holds_back(self, splat: OpenSplat, row: Title) -> bool:
        """Whether a title breaks into a report, so that it waits from now on; otherwise it has ended.

        Args:
            splat: the report.
            row: what the title is.
        """
        if splat.title is None or splat.title.page != "before" or row.page != "before":
            return False
        if splat.had_trace or Part.CPU in splat.seen or len(self.splats) >= _AT_A_TIME:
            return False
        self.splats.append(splat)
        return True

    def take(self, current: OpenSplat | None, line: Line) -> OpenSplat | None:
        """The report that goes on with a line instead of the current one, taken out of those that wait.

        Args:
            current: the report that the line before was of, None if it has ended.
            line: the line.
        """
        rank = _rank(line)
        if rank is None or line.rest:
            return None
        able = sorted(
            (splat for splat in self.splats if _may_take(splat, line, rank)), key=lambda s: _turn(s, line, rank)
        )
        if not able:
            return None
        mine = current if current is not None and _may_take(current, line, rank) else None
        if line.part in _NAMES:
            if not _named(able[0], line) or (mine is not None and _named(mine, line) is not None):
                return None
        elif self.broken or (mine is None and _named(able[0], line)):
            if mine is not None and _turn(mine, line, rank) < _turn(able[0], line, rank):
                return None
        elif current is None or current.last.part is not Part.TITLE or Part.PAGE not in able[0].seen:
            return None
        self.broken = True
        self.splats.remove(able[0])
        return able[0]

    def put(self, splat: OpenSplat) -> None:
        """Lets a report wait that was current.

        Args:
            splat: the report.
        """
        self.splats.append(splat)
        self.splats.sort(key=_place)

    def ended(self, current: OpenSplat | None, index: int) -> Iterator[OpenSplat]:
        """The reports that wait no more: too long, or nothing has shown that they would go on.

        Args:
            current: the report that is being read.
            index: position of the record that is read next.
        """
        if not self.broken and (current is None or not current.in_title):
            gone = self.splats
        else:
            gone = [splat for splat in self.splats if index - splat.last.index > _PATIENCE]
        if gone:
            self.splats = [splat for splat in self.splats if splat not in gone]
        yield from gone


def _may_take(splat: OpenSplat, line: Line, rank: int) -> bool:
    """Whether a line is one that the report has not had yet, and that is not of another page or task."""
    done = _progress(splat)
    rows = sum(held.part is Part.WORDS for held in splat.lines)
    again = line.part in _AGAIN or rank == _MAPPING_RANK or (line.part is Part.WORDS and rows < _ROWS)
    return (rank > done or (again and rank == done)) and _named(splat, line) is not False


def _named(splat: OpenSplat, line: Line) -> bool | None:
    """Whether a line names the page or the task of a report; None if it names none."""
    found = {} if splat.found is None else splat.found.groupdict()
    if line.part is Part.PAGE:
        shown, said = line.data.fields.get("pfn"), hex_number(found.get("pfn") or "")
        if shown is not None and said is None and shown >= _TELLING_PFN:
            # Nearly everywhere the digits of the pfn stand within those of the entry.
            return f"{shown:x}" in (found.get("entry") or "") or None
        return None if shown is None or said is None else shown == said
    if line.part is Part.WORDS:
        flags = next((held.data for held in splat.lines if held.part is Part.FLAGS and held.data is not None), None)
        if flags is None or Part.WORDS in splat.seen or line.data[0] != "raw":
            return None
        return bool(flags.value == line.data[1][0])
    if line.part is Part.CPU:
        return None if line.data.comm is None or not found.get("process") else line.data.comm == found["process"]
    return None


def _rank(line: Line) -> int | None:
    if isinstance(line.data, Detail) and line.data.name == _MAPPING:
        return _MAPPING_RANK
    return _RANKS.get(line.part)


def _progress(splat: OpenSplat) -> int:
    done = max((_RANKS.get(part, 0) for part in splat.seen), default=0)
    return max(done, _rank(splat.last) or 0) if splat.lines else done


def _turn(splat: OpenSplat, line: Line, rank: int) -> tuple[bool, int, int, int]:
    """Whose turn it is: of the report that a line names, that has no gap before it, that printed least, that began."""
    done = _progress(splat)
    skipped = sum(done < needed < rank for needed in _NEEDED)
    return not _named(splat, line), skipped, done, _place(splat)


def _place(splat: OpenSplat) -> int:
    return splat.lines[0].index
