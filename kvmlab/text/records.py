"""The records of a text as a sequence that makes them on demand: a few bytes for each until one is looked at."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import overload

from kvmlab.text.heal import Healed
from kvmlab.text.lines import MAX_LINE
from kvmlab.text.prefix import HOT, HOT_BYTES, Prefix, nanoseconds
from kvmlab.text.record import Join, Record, Role
from kvmlab.text.scan import FOREIGN, Scan
from kvmlab.text.span import Damage, DamageKind, Span

_KMSG_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")
_ESCAPE_COLOUR = re.compile(r"#033\[[0-9;]{0,20}m")
ROLES = tuple(Role)
CODE = {role: n for n, role in enumerate(ROLES)}
_LOG, _ROLE_LOG = CODE[Role.LOG], Role.LOG


class Records(Sequence[Record]):
    """All records of a text; record i begins at line `firsts[i]` and ends where the next begins."""

    __slots__ = (
        "_after_bytes",
        "_after_lines",
        "_ascii",
        "_firsts",
        "_healed",
        "_indents",
        "_lines",
        "_roles",
        "_scan",
    )

    def __init__(
        self, scan: Scan, firsts: array[int], roles: bytearray, healed: dict[int, Healed], indents: Callable[[int], int]
    ) -> None:
        self._scan, self._lines = scan, scan.lines
        self._ascii = scan.lines.data.isascii()
        self._firsts, self._roles, self._healed, self._indents = firsts, roles, healed, indents
        self._after_bytes = self._after_lines = 0

    def moved(self, after_bytes: int, after_lines: int) -> Records:
        """The same records with the places that they have in a text of which theirs is a piece.

        Args:
            after_bytes, after_lines: how many bytes and lines of it stand before theirs.
        """
        made = Records(self._scan, self._firsts, self._roles, self._healed, self._indents)
        made._after_bytes, made._after_lines = self._after_bytes + after_bytes, self._after_lines + after_lines
        return made

    def __len__(self) -> int:
        return len(self._roles)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Record, ...]: ...
    def __getitem__(self, index: int | slice) -> Record | tuple[Record, ...]:
        if isinstance(index, slice):
            return tuple(self._make(i) for i in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._make(index % len(self))

    def __iter__(self) -> Iterator[Record]:
        return map(self._make, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(other) != len(self):
            return NotImplemented if not isinstance(other, Sequence) else False
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def span(self, index: int) -> Span:
        """Span of record `index`, without making the record."""
        return self._span(self._firsts[index], self._last_row(index))

    def _span(self, first: int, last: int) -> Span:
        span = self._lines.span(first, last)
        if not self._after_bytes:
            return span
        down, right = self._after_lines, self._after_bytes
        return Span(span.start + right, span.stop + right, span.first_line + down, span.last_line + down)

    def _last_row(self, index: int) -> int:
        return self._firsts[index + 1] - 1 if index + 1 < len(self._roles) else len(self._lines)

    def role(self, index: int) -> Role:
        """Role of record `index`, without making the record."""
        return ROLES[self._roles[index]]

    def counts(self) -> dict[str, int]:
        """How many records there are of each role, commonest first, without making any."""
        found = {role.value: self._roles.count(code) for role, code in CODE.items()}
        return {name: n for name, n in sorted(found.items(), key=lambda item: -item[1]) if n}

    def _make(self, index: int) -> Record:
        lines, scan = self._lines, self._scan
        first = self._firsts[index]
        last = self._last_row(index)
        span = self._span(first, last)
        if scan.straight and not scan.quoted and self._roles[index] == _LOG and first not in self._healed:
            # Most lines of a log: the prefix of dmesg and a message, nothing to mend.
            data, start, stop = lines.data, lines.starts[first - 1], lines.starts[first]
            if span.stop - span.start < MAX_LINE and (plain := HOT_BYTES.match(data, start, stop)):
                seconds, micros = plain[1].decode(), plain[2].decode()
                caller = None if plain[3] is None else plain[3].decode()
                return Record(
                    span,
                    _ROLE_LOG,
                    data[plain.end() : stop].decode().rstrip("\r\n"),
                    f"{seconds}.{micros}",
                    nanoseconds(seconds, micros),
                    "dmesg_seconds" if caller is None else "dmesg_seconds+caller",
                    caller,
                )
        role = ROLES[self._roles[index]]
        content = scan.content(first)
        depth = scan.depth(first)
        simple = self._ascii and span.stop - span.start < MAX_LINE and not lines.splits
        damage = () if simple else self._damage(first, last, span)
        if role is not _ROLE_LOG and scan.kinds[first - 1] != FOREIGN:
            return Record(span, role, content, quote_depth=depth, damage=damage)
        joins: tuple[Join, ...] = ()
        healed = self._healed.get(first)
        if healed is not None:
            joins = healed.joins
            if joins and self._after_lines:
                joins = tuple(replace(join, after_line=join.after_line + self._after_lines) for join in joins)
            if joins:
                damage += (Damage(DamageKind.WRAPPED, span, f"{len(joins) + 1} lines were joined"),)
            if healed.collapsed or healed.lost_blanks:
                why = "a leading blank that printk put there was restored"
                damage += (Damage(DamageKind.LOST_LEADING_BLANK, span, why),)
        if hot := HOT.match(content):
            seconds, micros = hot[1], hot[2]
            text = content[hot.end() :] if healed is None else healed.text
            return Record(
                span,
                role,
                text,
                f"{seconds}.{micros}",
                nanoseconds(seconds, micros),
                "dmesg_seconds" if hot[3] is None else "dmesg_seconds+caller",
                hot[3],
                None,
                joins,
                depth,
                damage,
            )
        prefix = scan.prefix(content)
        text = healed.text if healed is not None else content[prefix.end if prefix else self._indents(first) :]
        if prefix is not None:
            text = _unescaped(text, prefix)
        if prefix is not None and any(row.startswith("dmesg_cut") for row in prefix.rows):
            damage += (Damage(DamageKind.MALFORMED, span, "a character of the time in front was lost"),)
        if prefix is None:
            return Record(span, role, text, joins=joins, quote_depth=depth, damage=damage)
        return Record(
            span,
            role,
            text,
            prefix.timestamp,
            prefix.time_ns,
            prefix.name,
            prefix.caller,
            prefix.level,
            joins,
            depth,
            damage,
            prefix.clock,
            prefix.host,
        )

    def _damage(self, first: int, last: int, span: Span) -> tuple[Damage, ...]:
        damage: tuple[Damage, ...] = ()
        if not self._ascii and not self._lines.valid(first, last):
            damage = (Damage(DamageKind.UNDECODABLE, span, "some bytes are no characters; they stand as \\xff"),)
        if self._lines.cut(first):
            why = "the line is too long for a kernel log; only its beginning is kept as text"
            damage += (Damage(DamageKind.MALFORMED, span, why),)
        if self._lines.is_split(first):
            damage += (Damage(DamageKind.INTERLEAVED, span, "the line break before it was lost"),)
        return damage


def _unescaped(text: str, prefix: Prefix) -> str:
    """A message with the escapes of its carrier undone: `\\xNN` of /dev/kmsg, `#011` of rsyslog."""
    if "\\x" in text and "kmsg" in prefix.rows:
        raw = _KMSG_ESCAPE.sub(lambda m: bytes([int(m[1], 16)]), text.encode("utf-8", "surrogatepass"))
        return raw.decode("utf-8", "backslashreplace")
    if "#0" in text and prefix.rows[0].startswith("syslog"):
        return _ESCAPE_COLOUR.sub("", text).replace("#011", "\t").replace("#012", "\n")
    return text
