"""Second pass over a text: rows to records, block by block."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from kvmlab.text.clean import clean
from kvmlab.text.habits import Habits
from kvmlab.text.heal import SIZE_RULES, Healed, continues_list, heal, size_check
from kvmlab.text.record import Role
from kvmlab.text.records import CODE, ROLES, Records
from kvmlab.text.scan import BLANK, FIELD, FRAGMENT, KERNEL, PLAIN, PROMPT, SHAPE, Scan
from kvmlab.text.span import Damage, DamageKind
from kvmlab.text.text import LogBlock, SizeCheck, Wrap, WrapJoin, WrappedRecord
from kvmlab.text.unwrap import Plan, lost_padding, plan_joins

_NAME = re.compile(r" ?([\w-]+(?:\([A-Z]+[+-]?\))?)(?: |$)")
_LIST = re.compile(r"(?:Modules linked in:|Unloaded tainted modules:)")
_NO_NAME = re.compile(r"\[last unloaded:.*|^(?:Modules linked in|Unloaded tainted modules):")
# A stack entry without offset, as in a commit message.
_WORD = re.compile(r"\s+(?:\? )?[A-Za-z_][\w.]*\s*$")


class Assembly:
    """Collects the records of a text, from its first line to its last."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self.blocks: list[LogBlock] = []
        self.wraps: list[Wrap] = []
        self.damage: list[Damage] = []
        self._list_bytes = (
            re.escape("odules linked in:".encode(scan.lines.encoding.name))
            + b"|"
            + re.escape("tainted modules:".encode(scan.lines.encoding.name))
        )
        self._firsts: array[int] = array("L")
        self._roles = bytearray()
        self._healed: dict[int, Healed] = {}
        # First line of each block, and the blanks in front of all its lines.
        self._block_lines: list[int] = []
        self._block_indents: list[int] = []

    @property
    def count(self) -> int:
        """Number of records so far."""
        return len(self._firsts)

    def count_of(self, role: Role) -> int:
        """Number of records of a role."""
        return self._roles.count(CODE[role])

    def rows(self, begin: int, end: int) -> Iterator[tuple[int, Role]]:
        """Rows of the records `begin` to `end`, each with the role of its record."""
        for k in range(begin, end):
            stop = self._firsts[k + 1] if k + 1 < len(self._firsts) else len(self.scan.lines) + 1
            for row in range(self._firsts[k], stop):
                yield row, ROLES[self._roles[k]]

    def records(self) -> Records:
        """The records; all lines must have been filled in."""
        return Records(self.scan, self._firsts, self._roles, self._healed, self._indent)

    def whole(self, role: Role) -> None:
        """Make all lines one record."""
        if len(self.scan.lines):
            self._firsts.append(1)
            self._roles.append(CODE[role])

    def fill(self, first: int, last: int, role: Role) -> None:
        """Make each of the lines `first` to `last` a record of that role."""
        if last >= first:
            self._firsts.extend(range(first, last + 1))
            self._roles.extend(bytes([CODE[role]]) * (last + 1 - first))

    def body(
        self, first: int, last: int, blocks: list[tuple[int, int]], *, mail: bool, signature: int | None, outside: Role
    ) -> None:
        """Make records of the lines `first` to `last`, given the log blocks among them."""
        at = first
        for start, stop in blocks:
            self._between(at, start - 1, signature, outside)
            at = self._block(start, stop, mail, outside) + 1
        self._between(at, last, signature, outside)

    def _between(self, first: int, last: int, signature: int | None, outside: Role) -> None:
        for number in range(first, last + 1):
            if self.scan.kinds[number - 1] == BLANK:
                role = Role.BLANK
            elif signature is not None and number >= signature:
                role = Role.SIGNATURE
            elif self.scan.depth(number):
                role = Role.QUOTE
            else:
                role = outside
            self.fill(number, number, role)

    def _indent(self, number: int) -> int:
        k = bisect_left(self._block_lines, number + 1) - 1
        if k < 0 or not self._block_indents[k]:
            return 0
        content = self.scan.content(number)
        return min(self._block_indents[k], len(content) - len(content.lstrip(" \t")))

    def _block(self, first: int, stop: int, mail: bool, outside: Role) -> int:
        """Make the records of one block; the last line that belongs to it."""
        scan = self.scan
        plan = plan_joins(scan, first, stop, mail=mail)
        prefixed = scan.kinds.find(KERNEL, first - 1, stop) >= 0
        # Plain lines at the end that continue nothing are not the block's, unless it has no prefixes to tell by.
        while (
            stop > first
            and scan.kinds[stop - 1] == PLAIN
            and stop not in plan.links
            and (prefixed or (mail and not _WORD.match(scan.content(stop))))
        ):
            stop -= 1
        facts = Habits(scan, first, stop, prefixed, plan.links)
        self._block_lines.append(first)
        self._block_indents.append(facts.indent)
        begin = len(self._firsts)
        self._fill_block(first, stop, plan, prefixed, outside if mail else Role.OTHER)
        wrap = self._heal_block(first, stop, plan, facts, begin)
        lines = scan.lines
        self.blocks.append(facts.block(begin, len(self._firsts), self._roles))
        span = lines.span(first, stop)
        if wrap is not None:
            self.wraps.append(wrap)
            if wrap.joins:
                kind = f"{wrap.kind}, {wrap.width} wide"
                what = f"{len(wrap.joins)} line breaks were undone that were not the kernel's ({kind})"
                self.damage.append(Damage(DamageKind.WRAPPED, span, what))
        if facts.collapsed:
            self.damage.append(
                Damage(DamageKind.COLLAPSED_BLANKS, span, "runs of blanks that kernels print stand as one blank")
            )
        if facts.leading_lost:
            self.damage.append(
                Damage(DamageKind.LOST_LEADING_BLANK, span, "stack entries have lost the blank in front")
            )
        return stop

    def _fill_block(self, first: int, stop: int, plan: Plan, prefixed: bool, outside: Role) -> None:
        log, other = CODE[Role.LOG], CODE[outside]
        table = bytearray([other]) * 256
        table[KERNEL] = table[SHAPE] = table[FRAGMENT] = log
        table[PLAIN] = other if prefixed else log
        table[BLANK], table[PROMPT], table[FIELD] = CODE[Role.BLANK], CODE[Role.PROMPT], CODE[Role.FIELD]
        roles = self.scan.kinds[first - 1 : stop].translate(bytes(table))
        at = first
        for number in sorted(plan.links):
            if first < number <= stop:
                self._firsts.extend(range(at, number))
                self._roles.extend(roles[at - first : number - first])
                at = number + 1
        self._firsts.extend(range(at, stop + 1))
        self._roles.extend(roles[at - first :])

    def _heal_block(self, first: int, stop: int, plan: Plan, facts: Habits, begin: int) -> Wrap | None:
        scan, width = self.scan, plan.width
        records: list[WrappedRecord] = []
        joins: list[WrapJoin] = []
        checks: list[SizeCheck] = []
        before: Healed | None = None
        k = begin
        # Only wrapped records need a look, and module lists of which a further record may have lost its first blank.
        lists = self._lists(first, stop) if facts.leading_lost else ()
        waiting = sorted({bisect_right(self._firsts, n, begin) - 1 for n in (*plan.links, *lists)})
        waiting.reverse()
        while waiting or before is not None:
            k = k + 1 if before is not None else waiting.pop()
            while waiting and waiting[-1] <= k:
                waiting.pop()
            if k >= len(self._firsts) or self._roles[k] != CODE[Role.LOG]:
                before = None
                continue
            number = self._firsts[k]
            last = (self._firsts[k + 1] if k + 1 < len(self._firsts) else stop + 1) - 1
            numbers = range(number, last + 1)
            pieces = [scan.content(n) for n in numbers]
            prefix = scan.prefix(pieces[0])
            for n in numbers[1:]:
                if scan.kinds[n - 1] == FRAGMENT and (own := scan.prefix(pieces[n - number])):
                    pieces[n - number] = pieces[n - number][own.end :]
            at = prefix.end if prefix else self._indent(number)
            whole = width is not None and width.whole
            lengths = [
                len(clean(scan.lines.text(n))) if whole else len(p) for n, p in zip(numbers, pieces, strict=True)
            ]
            padded = [lengths[0] + lost_padding(pieces[0]), *lengths[1:]]
            upcoming = self._next_name(last + 1, stop)
            physical = [scan.lines.last_line(n) for n in numbers]
            healed = heal(
                physical,
                pieces,
                at,
                [plan.links[n] for n in numbers[1:]],
                width,
                padded,
                before=before,
                next_name=upcoming,
                leading_lost=bool(facts.leading_lost),
            )
            further = before is not None and healed.module_list and not _LIST.match(healed.text)
            if further and before is not None:
                checks.append(size_check(before.text, healed.text.split(None, 1)[0]))
            before = healed if healed.module_list else None
            if healed.joins or healed.collapsed:
                self._healed[number] = healed
            joins.extend(healed.facts)
            if (
                healed.joins
                or further
                or (healed.module_list and upcoming and continues_list(healed, " " + upcoming, True))
            ):
                count = len(_NO_NAME.sub("", healed.text).split())
                records.append(
                    WrappedRecord(
                        k,
                        scan.lines.line(number),
                        physical[-1],
                        prefix.timestamp if prefix else None,
                        tuple(lengths),
                        healed.collapsed,
                        healed.lost_blanks,
                        len(healed.text),
                        count if healed.module_list else None,
                    )
                )
        if not joins and not any(r.collapsed_double_blank for r in records):
            return None
        facts.collapsed = facts.collapsed or (any(r.collapsed_double_blank for r in records) and not facts.runs)
        kind = width.kind if width else "words" if joins else "none"
        columns = width.columns if width else max((max(r.physical_lengths) for r in records), default=0)
        limit, over = SIZE_RULES[0]
        return Wrap(kind, columns, tuple(records), tuple(joins), limit, over, tuple(checks))

    def _lists(self, first: int, stop: int) -> set[int]:
        """Lines of a block on which a module list may begin."""
        lines = self.scan.lines
        start, end = lines.starts[first - 1], lines.starts[stop]
        return {lines.row_at(m.start()) for m in re.compile(self._list_bytes).finditer(lines.data, start, end)}

    def _next_name(self, number: int, stop: int) -> str | None:
        """First module name of the record that begins at line `number`, if it may be a further record of a list."""
        if number > stop or self.scan.kinds[number - 1] != KERNEL:
            return None
        content = self.scan.content(number)
        prefix = self.scan.prefix(content)
        match = _NAME.match(content, prefix.end if prefix else 0)
        return match.group(1) if match else None
