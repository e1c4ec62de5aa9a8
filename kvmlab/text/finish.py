"""Last step of reading: what kind of text it is, and what is wrong with it as a whole."""

from __future__ import annotations

import re

from kvmlab.text.assemble import Assembly
from kvmlab.text.lines import Lines
from kvmlab.text.quotes import MASKED
from kvmlab.text.record import Role
from kvmlab.text.scan import KERNEL, SHAPE, Scan
from kvmlab.text.source import Source
from kvmlab.text.span import Damage, DamageKind
from kvmlab.text.text import Mail, Part, Text

_MASKED = re.compile(MASKED.pattern.encode())
# What kernels and journald print where messages are missing.
_LOST = re.compile(
    rb"\*\* ?(\d+) printk messages dropped|Missed (\d+) kernel messages|imklog: [^\n]{0,40} (?:lost|dropped)"
)
_PSTORE = re.compile(
    rb"\s*(?:(?:Panic|Oops|Emergency|Shutdown|Restart|Unknown|Console)#\d+ Part\d+|====\d+\.\d+(?:-[CD])?)\r?\n"
)
_STYLES = (
    ("journal", "journal"),
    ("syslog", "syslog"),
    ("logcat", "logcat"),
    ("kmsg", "kmsg"),
    ("clock", "console"),
    ("unknown_carrier", "console"),
)


def finish(
    source: Source,
    lines: Lines,
    kind: str,
    assembly: Assembly,
    mails: tuple[Mail, ...] = (),
    parts: tuple[Part, ...] = (),
    damage: tuple[Damage, ...] = (),
) -> Text:
    """The text, once all its rows are records."""
    return Text(
        source=source,
        kind=kind,
        encoding=lines.encoding.name,
        line_endings=lines.endings,
        n_lines=lines.n_lines,
        ends_with_newline=lines.ends_with_newline,
        records=assembly.records(),
        log_blocks=tuple(assembly.blocks),
        mails=mails,
        wraps=tuple(assembly.wraps),
        damage=(*source.damage, *damage, *_damage(lines, kind, assembly)),
        parts=parts,
        lines=lines,
    )


def _damage(lines: Lines, kind: str, assembly: Assembly) -> list[Damage]:
    found = list(assembly.damage)
    if kind in ("mail", "mbox", "html") and (rows := _rows(lines, _MASKED)):
        span = lines.span(rows[0], rows[-1])
        found.append(Damage(DamageKind.MASKED_ADDRESS, span, "the archive replaced the domains of addresses by x"))
    if kind == "binary":
        return found
    if not lines.data.isascii() and (wrong := lines.first_invalid()):
        why = f"from here on there are bytes that are no {lines.encoding.name}; they stand as \\xff"
        found.append(Damage(DamageKind.UNDECODABLE, lines.span(wrong, wrong), why))
    if rows := _rows(lines, _LOST):
        lost = sum(int(m[1] or m[2] or 1) for m in _LOST.finditer(lines.data))
        why = f"the text says that at least {lost} messages were lost"
        found.append(Damage(DamageKind.LOST_MESSAGES, lines.span(rows[0], rows[-1]), why))
    if gaps := assembly.scan.gaps:
        why = f"{len(gaps)} gaps in the numbers of the messages: {sum(size for _, size in gaps)} are missing"
        found.append(Damage(DamageKind.LOST_MESSAGES, lines.span(gaps[0][0], gaps[-1][0]), why))
    return found


def _rows(lines: Lines, pattern: re.Pattern[bytes]) -> list[int]:
    first = pattern.search(lines.data)
    if first is None:
        return []
    last = max(match.start() for match in pattern.finditer(lines.data, first.start()))
    return [lines.row_at(first.start()), lines.row_at(last)]


def kind_of_log(found: Scan, assembly: Assembly) -> str:
    """Kind of a text that is no mail."""
    blocks = assembly.blocks
    if not blocks:
        return "text"
    data = found.lines.data
    if _PSTORE.match(data, 0, 200):
        return "pstore"
    style = max(blocks, key=lambda b: b.logical_records).prefix_style or ""
    for beginning, kind in _STYLES:
        if style.startswith(beginning):
            return kind
    kinds = found.kinds
    # Lines of others between those of the kernel; the rest of a wrapped line is none.
    foreign = assembly.count_of(Role.OTHER) if style else 0
    if b"\x1b" in data or foreign > 0.05 * (kinds.count(KERNEL) + kinds.count(SHAPE)) + 8:
        return "console"
    return "dmesg"
