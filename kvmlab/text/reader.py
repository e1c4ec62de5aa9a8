"""Reads a text: bytes of a source to records, log blocks, mails, decoded parts and damage."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice

from kvmlab.errors import UnusableInput
from kvmlab.text.assemble import Assembly
from kvmlab.text.blocks import log_blocks, mail_blocks
from kvmlab.text.carrier import learn_carrier
from kvmlab.text.charset import charset_decoder, is_utf8
from kvmlab.text.clean import clean
from kvmlab.text.documents import log_in_string, unescaped
from kvmlab.text.encoding import looks_binary
from kvmlab.text.finish import finish, kind_of_log
from kvmlab.text.html import html_stretch
from kvmlab.text.journal import fields_stretch
from kvmlab.text.lines import Lines, Stretch
from kvmlab.text.mail import Section, mails_in
from kvmlab.text.mail_facts import Entry, describe
from kvmlab.text.mime import Leaf, decode_part, quoted_printable
from kvmlab.text.numbered import without_numbers
from kvmlab.text.quotes import peel
from kvmlab.text.record import Role
from kvmlab.text.regions import Region, What, regions_of, stretches_of
from kvmlab.text.scan import OUTSIDE, Scan, scan
from kvmlab.text.source import DEFAULT_LIMIT, Openable, Source, open_source
from kvmlab.text.span import Damage, DamageKind
from kvmlab.text.text import Part, Text
from kvmlab.text.wrappers import unwrapped

# Parts within parts within parts are opened this deep.
_PART_DEPTH = 4
# A text without mail headers is taken for the body of a mail when this many of its kernel lines stand behind `>`.
_QUOTED_KERNEL = re.compile(
    rb"(?m)^ ?>[ >]*(?:\[ *\d+\.\d{6}\]|BUG: |page:|Call [Tt]race:|flags: 0x|raw: [0-9a-f]{8}"
    rb"|Modules linked in:|CPU: \d|\[<[0-9a-f]{8}|\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\]"
    rb"|(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ][\d:.,+Z-]{8,32}) (?:[\w.-]{1,64} )?kernel: "
    rb"|(?:kern *:\w+ *: *|<\d>)\[|Stack from [0-9a-f]{8}|Process .{1,20} \(pid: \d|Oops: |Internal error: )"
)
_QUOTED_ENOUGH = 2
# Bytes of a text of two or four bytes a character in which quote marks are looked for; a multiple of four.
_WIDE_REACH = 1 << 22
# Soft line breaks of quoted-printable whose headers are lost: a mark in the last column that mailers use.
_SOFT_BREAK = re.compile(rb"(?m)^[^\r\n]{75}=\r?$")
_SIGNATURE_ROWS = 25


def read_text(source: Source | Openable, *, limit: int = DEFAULT_LIMIT) -> Text:
    """Read one source.

    Args:
        source: an open source, or what `open_source` takes.
        limit: most bytes of text, for sources that are opened here and for compressed parts.

    Raises:
        UnusableInput: the source cannot be opened.

    >>> text = read_text(b"[   21.594394] BUG: Bad page state\\n[   21.594734] page: refcount:0\\n")
    >>> text.kind, [record.text for record in text.logs()]
    ('dmesg', ['BUG: Bad page state', 'page: refcount:0'])
    """
    if not isinstance(source, Source):
        source = open_source(source, limit=limit)
    return _read(source, limit, 0, None)


def _read(source: Source, limit: int, depth: int, leaf: Leaf | None) -> Text:
    """Read a source; `leaf`: the mail part that it was."""
    if depth < _PART_DEPTH and (inner := log_in_string(source.data)) is not None:
        inside = open_source(inner, limit=limit)
        packed = (*source.compression, "json", *inside.compression)
        return _read(replace(source, data=inside.data, compression=packed), limit, depth + 1, leaf)
    lines = Lines(source.data)
    declared = leaf.charset if leaf else None
    html = leaf is not None and leaf.content_type == "text/html"
    if lines.encoding.unit > 1 and (narrow := _narrowed(source, lines, html)):
        source, lines, declared = narrow, Lines(narrow.data), None
    if page := html_stretch(lines, sure=html, charset=declared):
        rows = Lines(source.data, lines.encoding, [page])
        if sections := mails_in(rows, pages_only=True):
            return _read_mails(source, rows, sections, limit, depth)
        return _read_log(source, rows, "html")
    if fields := fields_stretch(lines):
        return _read_log(source, Lines(source.data, lines.encoding, [fields[1]]), fields[0])
    if sections := mails_in(lines):
        return _read_mails(source, lines, sections, limit, depth)
    if depth < _PART_DEPTH and lines.encoding.unit == 1 and (plain := unescaped(source.data)) is not None:
        return _read(replace(source, data=plain, compression=(*source.compression, "escapes")), limit, depth + 1, leaf)
    if not is_utf8(declared) and not source.compression:
        whole = Stretch(0, len(source.data), charset_decoder(declared))
        return _read_log(source, Lines(source.data, lines.encoding, [whole]), None)
    if lines.encoding.unit == 1 and len(_SOFT_BREAK.findall(source.data[: 1 << 20])) >= _QUOTED_ENOUGH:
        lines = Lines(source.data, lines.encoding, [quoted_printable(lines, 1, len(lines))])
    return _read_log(source, lines, None)


def _narrowed(source: Source, lines: Lines, html: bool) -> Source | None:
    """The source in UTF-8 if it is a page, a list of fields or a mail, whose markup is looked for in bytes."""
    encoding = lines.encoding
    whole = len(source.data) - (len(source.data) - encoding.bom) % encoding.unit
    data = encoding.decode(source.data[encoding.bom : whole]).encode("utf-8", "backslashreplace")
    rows = Lines(data)
    if not (html_stretch(rows, sure=html) or fields_stretch(rows) or mails_in(rows)):
        return None
    return replace(source, data=data, compression=(*source.compression, encoding.name))


def _read_log(source: Source, lines: Lines, kind: str | None) -> Text:
    """Read a text without mail headers."""
    lines = unwrapped(lines) if kind is None else lines
    quoted = kind in (None, "html") and (lines.quotes or _is_quoted(source.data, lines))
    found = _scan_twice(lines, quoted)
    lines = found.lines
    if quoted or not found.mostly_kernel():
        blocks = list(mail_blocks(found, 1, len(lines), spread=not quoted))
    else:
        blocks = list(log_blocks(found, 1, len(lines)))
    if not blocks and kind is None and lines.encoding.unit == 1 and looks_binary(source.data):
        return _read_binary(source, lines)
    assembly = Assembly(found)
    assembly.body(1, len(lines), blocks, mail=quoted, signature=None, outside=Role.PROSE if quoted else Role.OTHER)
    return finish(source, lines, kind or ("mail" if quoted else kind_of_log(found, assembly)), assembly)


def _scan_twice(lines: Lines, quoted: bool) -> Scan:
    """Scan a text, and again if it holds records that begin within lines."""
    carrier = _carrier(lines, quoted)
    found = scan(lines, 1, len(lines), quoted=quoted, into=Scan.of(lines, carrier))
    if not found.splits:
        return found
    apart = lines.with_splits(found.splits)
    return scan(apart, 1, len(apart), quoted=quoted, into=Scan.of(apart, carrier))


def _carrier(lines: Lines, quoted: bool) -> re.Pattern[str] | None:
    texts = (clean(lines.text(row)) for row in range(1, len(lines) + 1))
    return learn_carrier(peel(text)[1] for text in texts) if quoted else learn_carrier(texts)


def _is_quoted(data: bytes, lines: Lines) -> bool:
    if lines.encoding.unit > 1:
        whole = len(data) - len(data) % lines.encoding.unit
        data = lines.encoding.decode(data[: min(whole, _WIDE_REACH)]).encode("utf-8", "replace")
    if not lines.plain and b"&gt;" in data:
        data = data.replace(b"&gt;", b">")
    return sum(1 for _ in islice(_QUOTED_KERNEL.finditer(data), _QUOTED_ENOUGH)) == _QUOTED_ENOUGH


def _read_mails(source: Source, plain: Lines, sections: tuple[Section, ...], limit: int, depth: int) -> Text:
    regions = [region for k, section in enumerate(sections) for region in regions_of(plain, k, section)]
    lines = Lines(plain.data, plain.encoding, stretches_of(plain, regions)) if plain.plain else plain
    lines = without_numbers(lines, len(lines.data))
    carrier = _carrier(lines, True)
    found = _scan_bodies(plain, lines, regions, carrier)
    if found.splits:
        lines = lines.with_splits(found.splits)
        found = _scan_bodies(plain, lines, regions, carrier)
    assembly = Assembly(found)
    parts: list[Part] = []
    damage: list[Damage] = []
    at = 1
    begins = [0] * len(sections)
    signatures: dict[int, int] = {}
    for region in regions:
        first, last = _rows_of(plain, lines, region)
        assembly.fill(at, first - 1, Role.OTHER)
        begins[region.mail] = begins[region.mail] or assembly.count + 1
        if region.what is What.BODY:
            signature = _body(found, assembly, first, last)
            if signature is not None:
                signatures[region.mail] = signature
        else:
            assembly.fill(first, last, Role.HEADER if region.what is What.HEADERS else Role.OTHER)
            if region.what is What.PART and depth < _PART_DEPTH:
                _part(source, plain, region, limit, depth, parts, damage)
        at = last + 1
    assembly.fill(at, len(lines), Role.OTHER)
    ends = [*(begin - 1 for begin in begins[1:]), assembly.count]
    mails = []
    for k, section in enumerate(sections):
        entries = [_entry(found, row, role) for row, role in assembly.rows(begins[k] - 1, ends[k])]
        span = plain.span(section.first, section.last)
        mails.append(describe(section.form, span, section.headers, entries, signatures.get(k)))
    kind = "mbox" if sections[0].form == "mbox" else "mail"
    return finish(source, lines, kind, assembly, tuple(mails), tuple(parts), tuple(damage))


def _rows_of(plain: Lines, lines: Lines, region: Region) -> tuple[int, int]:
    """First and last row of a region, which counts by physical lines (or by the rows of a page)."""
    first = lines.row_at(plain.starts[region.first - 1])
    return first, lines.row_at(plain.starts[region.last]) - 1 if region.last < len(plain) else len(lines)


def _scan_bodies(plain: Lines, lines: Lines, regions: list[Region], carrier: re.Pattern[str] | None) -> Scan:
    found = Scan.of(lines, carrier)
    for region in regions:
        if region.what is What.BODY:
            first, last = _rows_of(plain, lines, region)
            if region.leaf.flowed:
                found.flow(first, last, region.leaf.delsp)
            scan(lines, first, last, quoted=True, into=found)
    return found


def _body(found: Scan, assembly: Assembly, first: int, last: int) -> int | None:
    """Make records of one body; the line of its signature separator."""
    blocks = list(mail_blocks(found, first, last))
    rows = range(last, max(first, last - _SIGNATURE_ROWS) - 1, -1)
    signature = next((row for row in rows if found.lines.text(row) in ("--", "-- ")), None)
    if signature is not None and blocks and blocks[-1][1] >= signature:
        signature = None
    assembly.body(first, last, blocks, mail=True, signature=signature, outside=Role.PROSE)
    return None if signature is None else found.lines.line(signature)


def _entry(found: Scan, row: int, role: Role) -> Entry:
    whole = clean(found.lines.text(row))
    return Entry(found.lines.line(row), role, found.depth(row), whole, found.content(row))


def _part(
    source: Source, plain: Lines, region: Region, limit: int, depth: int, parts: list[Part], damage: list[Damage]
) -> None:
    leaf = region.leaf
    span = plain.span(region.first, region.last)
    name = leaf.name or f"{leaf.content_type} at line {region.first}"
    data, whole = decode_part(plain, leaf)
    if not whole:
        why = f"the {leaf.encoding} text of {name} is broken; {len(data)} bytes could be read"
        damage.append(Damage(DamageKind.TRUNCATED_CONTAINER, span, why))
    if not data.strip():
        return
    try:
        inner = open_source(data, limit=limit)
    except UnusableInput as error:
        damage.append(Damage(DamageKind.TRUNCATED_CONTAINER, span, f"{name} was left out: {error}"))
        return
    text = _read(replace(inner, path=f"{source.path}!{name}"), limit, depth + 1, leaf)
    if text.kind != "binary":
        parts.append(Part(name, leaf.content_type, span, text))


def _read_binary(source: Source, lines: Lines) -> Text:
    whole = Assembly(Scan(lines, bytearray([OUTSIDE]) * len(lines)))
    whole.whole(Role.OTHER)
    span = lines.span(1, len(lines))
    wrong = Damage(DamageKind.UNDECODABLE, span, "the bytes are no text: nothing was read from them")
    return finish(source, lines, "binary", whole, damage=(wrong,))
