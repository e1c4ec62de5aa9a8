"""Reads a text: bytes of a source to records, log blocks, mails and damage."""

from __future__ import annotations

import re
from itertools import islice

from kvmlab.text.assemble import Assembly
from kvmlab.text.blocks import log_blocks, mail_blocks
from kvmlab.text.encoding import looks_binary
from kvmlab.text.lines import Lines
from kvmlab.text.mail import Section, describe, mails_in, signature_line
from kvmlab.text.quotes import MASKED
from kvmlab.text.record import Role
from kvmlab.text.scan import FOREIGN, KERNEL, PLAIN, SHAPE, Scan, clean, scan
from kvmlab.text.source import DEFAULT_LIMIT, Openable, Source, open_source
from kvmlab.text.span import Damage, DamageKind
from kvmlab.text.text import LogBlock, Mail, Text

# A text without mail headers is taken for the body of a mail when this many of its kernel lines stand behind `>`.
_QUOTED_KERNEL = re.compile(
    rb"(?m)^ ?>[ >]*(?:\[ *\d+\.\d{6}\]|BUG: |page:|Call [Tt]race:|flags: 0x|raw: [0-9a-f]{8}"
    rb"|Modules linked in:|CPU: \d|\[<[0-9a-f]{8})"
)
_QUOTED_ENOUGH = 2
_MASKED = re.compile(MASKED.pattern.encode())


def read_text(source: Source | Openable, *, limit: int = DEFAULT_LIMIT) -> Text:
    """Read one source.

    Args:
        source: an open source, or what `open_source` takes.
        limit: most bytes of text, for sources that are opened here.

    Raises:
        UnusableInput: the source cannot be opened.

    >>> text = read_text(b"[   21.594394] BUG: Bad page state\\n[   21.594734] page: refcount:0\\n")
    >>> text.kind, [record.text for record in text.logs()]
    ('dmesg', ['BUG: Bad page state', 'page: refcount:0'])
    """
    if not isinstance(source, Source):
        source = open_source(source, limit=limit)
    lines = Lines(source.data)
    sections = mails_in(lines)
    if sections:
        return _read_mails(source, lines, sections)
    quoted = _quoted(source.data)
    found = scan(lines, 1, len(lines), quoted=quoted)
    blocks = list((mail_blocks if quoted else log_blocks)(found, 1, len(lines)))
    if not blocks and looks_binary(source.data) and lines.encoding.unit == 1:
        return _read_binary(source, lines)
    assembly = Assembly(found)
    assembly.body(1, len(lines), blocks, mail=quoted, signature=None, outside=Role.PROSE if quoted else Role.OTHER)
    return _text(source, lines, "mail" if quoted else _kind(found, assembly.blocks), assembly, ())


def _quoted(data: bytes) -> bool:
    return sum(1 for _ in islice(_QUOTED_KERNEL.finditer(data), _QUOTED_ENOUGH)) == _QUOTED_ENOUGH


def _read_mails(source: Source, lines: Lines, sections: tuple[Section, ...]) -> Text:
    found = Scan(lines, bytearray(b".") * len(lines))
    assembly = Assembly(found)
    mails = []
    at = 1
    for section in sections:
        if section.first > at:
            assembly.fill(at, section.first - 1, Role.OTHER)
        assembly.fill(section.first, section.body - 1, Role.HEADER)
        signature = signature_line(lines, section)
        scan(lines, section.body, section.last, quoted=True, into=found)
        blocks = list(mail_blocks(found, section.body, section.last))
        if signature is not None and any(stop >= signature for _, stop in blocks):
            signature = None
        known = len(assembly.blocks)
        assembly.body(section.body, section.last, blocks, mail=True, signature=signature, outside=Role.PROSE)
        mails.append(
            describe(lines, section, tuple(assembly.blocks[known:]), lambda n: clean(lines.text(n)), signature)
        )
        at = section.last + 1
    if at <= len(lines):
        assembly.fill(at, len(lines), Role.OTHER)
    return _text(
        source, lines, "mbox" if len(sections) > 1 or sections[0].form == "mbox" else "mail", assembly, tuple(mails)
    )


def _read_binary(source: Source, lines: Lines) -> Text:
    whole = Assembly(Scan(lines, bytearray(b".") * len(lines)))
    whole.whole(Role.OTHER)
    wrong = Damage(
        DamageKind.UNDECODABLE, lines.span(1, len(lines)), "the bytes are no text: nothing was read from them"
    )
    return _text(source, lines, "binary", whole, (), (wrong,))


def _text(
    source: Source,
    lines: Lines,
    kind: str,
    assembly: Assembly,
    mails: tuple[Mail, ...],
    damage: tuple[Damage, ...] = (),
) -> Text:
    return Text(
        source=source,
        kind=kind,
        encoding=lines.encoding.name,
        line_endings=lines.endings,
        n_lines=len(lines),
        ends_with_newline=lines.ends_with_newline,
        records=assembly.records(),
        log_blocks=tuple(assembly.blocks),
        mails=mails,
        wraps=tuple(assembly.wraps),
        damage=(*source.damage, *damage, *_damage(lines, kind, assembly)),
        lines=lines,
    )


def _damage(lines: Lines, kind: str, assembly: Assembly) -> list[Damage]:
    found = list(assembly.damage)
    if kind in ("mail", "mbox") and (masked := list(_spans(lines, _MASKED))):
        span = lines.span(masked[0], masked[-1])
        found.append(Damage(DamageKind.MASKED_ADDRESS, span, "the archive replaced the domains of addresses by x"))
    if kind != "binary" and not lines.data.isascii() and (wrong := lines.first_invalid()):
        span = lines.span(wrong, wrong)
        found.append(
            Damage(
                DamageKind.UNDECODABLE,
                span,
                f"from here on there are bytes that are no {lines.encoding.name}; they stand as \\xff",
            )
        )
    return found


def _spans(lines: Lines, pattern: re.Pattern[bytes]) -> list[int]:
    first = pattern.search(lines.data)
    if first is None:
        return []
    last = max(match.start() for match in pattern.finditer(lines.data, first.start()))
    return [lines.at(first.start()), lines.at(last)]


def _kind(found: Scan, blocks: list[LogBlock]) -> str:
    if not blocks:
        return "text"
    biggest = max(blocks, key=lambda b: b.logical_records)
    style = biggest.prefix_style or ""
    for beginning, kind in (
        ("journal", "journal"),
        ("syslog", "syslog"),
        ("logcat", "logcat"),
        ("kmsg", "kmsg"),
        ("clock", "console"),
    ):
        if style.startswith(beginning):
            return kind
    kinds = found.kinds
    foreign = kinds.count(PLAIN) + kinds.count(FOREIGN) if style else 0
    if b"\x1b" in found.lines.data or foreign > 0.05 * (kinds.count(KERNEL) + kinds.count(SHAPE)) + 8:
        return "console"
    return "dmesg"
