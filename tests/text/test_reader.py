"""What the reader promises for any input: no byte lost, nothing raised, work in proportion to the input."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from kvmlab.text.reader import read_text
from kvmlab.text.record import Role
from kvmlab.text.span import DamageKind
from tests.text.strategies import anything


def rejoined(text):
    data = text.source.data
    records = list(text.records)
    assert [r.span.start for r in records] == [0, *[r.span.stop for r in records[:-1]]] if records else not data
    return b"".join(data[r.span.start : r.span.stop] for r in records)


@settings(max_examples=400, deadline=None)
@given(anything)
def test_any_bytes_are_read_and_none_is_lost(raw):
    if not raw:
        return
    from kvmlab.errors import UnusableInput

    try:
        text = read_text(raw)
    except UnusableInput:
        return
    assert rejoined(text) == text.source.data
    for record in text.records:
        assert record.span.first_line <= record.span.last_line
        assert 1 <= record.line_at(len(record.text)) <= text.n_lines
    for block in text.log_blocks:
        assert text.records[block.first_record].span.first_line == block.first_line
        assert text.records[block.stop_record - 1].span.last_line == block.last_line


def test_a_line_of_100_megabytes():
    raw = b"x" * 100_000_000
    text = read_text(raw)
    (record,) = text.records
    assert (record.span.stop, text.kind, record.role) == (len(raw), "text", Role.OTHER)
    assert len(record.text) < 100_000
    assert [d.kind for d in record.damage] == [DamageKind.MALFORMED]


def test_binary_garbage():
    text = read_text(bytes(range(256)) * 100)
    assert text.kind == "binary"
    assert rejoined(text) == text.source.data
    assert [d.kind for d in text.damage] == [DamageKind.UNDECODABLE]
    assert not list(text.logs())


def test_a_log_between_garbage_is_found():
    text = read_text(
        bytes(range(128, 256)) * 4
        + b"\n[    1.000000] BUG: Bad page state in process a  pfn:1\n"
        + bytes(range(32)) * 9
    )
    assert [r.text for r in text.logs()] == ["BUG: Bad page state in process a  pfn:1"]
    assert DamageKind.UNDECODABLE in {d.kind for d in text.damage}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_other_encodings(encoding):
    log = "[    1.000000] BUG: Bad page state in process Benn\u00e9e  pfn:1\r\n[    1.000001] page: refcount:0\r\n" * 3
    text = read_text(log.encode(encoding))
    assert [r.text for r in text.logs()][:2] == [
        "BUG: Bad page state in process Benn\u00e9e  pfn:1",
        "page: refcount:0",
    ]
    assert (text.n_lines, text.line_endings) == (6, "crlf")
    assert rejoined(text) == text.source.data


def test_undecodable_bytes_are_kept_as_escapes():
    text = read_text(b"[    1.000000] comm \xff\xfe x\n[    1.000001] fine\n")
    bad, good = text.records
    assert bad.text == "comm \\xff\\xfe x"
    assert [d.kind for d in bad.damage] == [DamageKind.UNDECODABLE]
    assert not good.damage
    assert [(d.kind, d.span.first_line) for d in text.damage] == [(DamageKind.UNDECODABLE, 1)]


def test_numbers_in_prose_are_no_timestamps():
    text = read_text(b"Our use case is [1], which\n[2]. needs more work\n[1] https://example.org\n")
    assert text.kind == "text"
    assert {r.role for r in text.records} == {Role.OTHER}


def test_userland_between_kernel_lines_is_no_log():
    log = b"[    1.000000] BUG: Bad page state in process a  pfn:1\nstarting udevd\n[    1.000001] page: refcount:0\n"
    text = read_text(log)
    assert [r.role for r in text.records] == [Role.LOG, Role.OTHER, Role.LOG]


def test_records_are_a_sequence():
    text = read_text(b"[    1.000000] a\n[    1.000001] b\n[    0.000002] c\n")
    assert text.records[-1] == list(text.records)[2] == text.records[1:][1]
    assert text.records == tuple(text.records)
    assert text.records.index(text.records[1]) == 1
    with pytest.raises(IndexError):
        text.records[3]
    assert text.log_blocks[0].timestamps_monotonic is False
    assert text.block_of(2) is text.log_blocks[0]
