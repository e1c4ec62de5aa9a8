"""Vectors, hashes and numbers of the compiled engine against what plain Python says."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from numba import njit

from kvmlab.report import fast_lines
from kvmlab.report.fast_hash import bytes_hash
from kvmlab.report.fast_heads import searched_words
from kvmlab.report.fast_known import piece_of
from kvmlab.report.fast_numbers import read_decimal, read_hex
from kvmlab.report.fast_simd import HAS_LOOKUP, data_of

PIECES = [piece_of(word) for word in searched_words()]
TABLES = np.frombuffer(fast_lines.three_tables(PIECES), np.uint8).copy()
HELD = np.frombuffer(b"".join(PIECES), np.uint8).copy()
QUIET = (b"abc def ", b"12345 ", b".", b":9", b"+", b"[x", b".scope ", b"<", b"pag")
BITS = (
    b"+0x", b"+0", b"[<", b"[", b".c:1", b".rs:12", b".c:x", b"\t", b"\x00", b"\xc3\xa9", b" [#", b"page", b"om-k",
    b"\r",
)  # fmt: skip


@njit
def _ends(data, p, stop, ends, own, tables, pieces, n):  # type: ignore[no-untyped-def]
    return fast_lines.index_lines(
        data_of(data), p, stop, data_of(ends), len(ends), fast_lines.PIECE, own, data_of(tables), data_of(pieces), n
    )


@njit
def _hints(data, p, stop, pieces, n):  # type: ignore[no-untyped-def]
    return fast_lines.line_hints(data_of(data), p, stop, data_of(pieces), n)


@njit
def _hex(data, p, q):  # type: ignore[no-untyped-def]
    return read_hex(data_of(data), p, q)


@njit
def _decimal(data, p, q):  # type: ignore[no-untyped-def]
    return read_decimal(data_of(data), p, q, 10)


@njit
def _hash(data, p, q, salts):  # type: ignore[no-untyped-def]
    return bytes_hash(data_of(data), p, q, np.uint64(7), data_of(salts))


def padded(text: bytes) -> np.ndarray:
    return np.frombuffer(text + bytes(256), np.uint8).copy()


@pytest.mark.parametrize("name", ["mask_by_compare", "mask_by_lookup"])
def test_no_hint_is_passed_over(name: str) -> None:
    if name == "mask_by_lookup" and not HAS_LOOKUP:
        pytest.skip("this processor cannot look 64 bytes up at once")
    mask = getattr(fast_lines, name)

    @njit
    def following(data, p, tables, pieces, n):  # type: ignore[no-untyped-def]
        return fast_lines.first_hint(data_of(data), p, mask(data_of(data), p, data_of(tables), data_of(pieces), n))

    rnd = random.Random(5)
    seen = passed = 0
    for _ in range(400):
        line = b"".join(rnd.choice(QUIET if rnd.random() < 0.95 else BITS) for _ in range(rnd.randrange(30)))
        data = padded(line + b"\n" + b"usb 1-1: quiet\n")
        end, hint, _ = _hints(data, 0, len(line) + 16, HELD, len(PIECES))
        assert end == len(line)
        places = [following(data, p, TABLES, HELD, len(PIECES)) for p in range(0, len(line) + 1, 64)]
        found = next((at for at, p in zip(places, range(64, len(line) + 65, 64), strict=True) if at < p), len(line))
        seen += hint
        passed += found >= len(line)
        assert not hint or found < len(line), line
    assert seen > 40
    assert passed > 40, "everything is a hint"


def test_ends_of_lines() -> None:
    rnd = random.Random(2)
    hints = 0
    for _ in range(50):
        text = b"".join(b"x" * int(rnd.expovariate(0.05)) + b"\n" * rnd.randrange(1, 4) for _ in range(200))
        if rnd.random() < 0.5:
            at = rnd.randrange(len(text))
            text = text[:at] + rnd.choice((b"+0x1/0x2", b"[<", b"\x1b", b"a.c:1")) + text[at:]
        ends = np.zeros(fast_lines.PIECE, np.int64)
        n, upto, clear = _ends(padded(text), 0, len(text), ends, 0, TABLES, HELD, len(PIECES))
        assert ends[:n].tolist() == [found.start() for found in re.finditer(b"\n", text[:upto])]
        first = re.search(rb"\+0x|\[<|\x1b|\.c:1", text)
        hints += first is not None
        assert min(clear, len(text)) == (first.start() if first else len(text))
    assert 10 < hints < 40


def test_a_time_within_a_line_is_a_hint_and_that_of_its_prefix_is_none() -> None:
    lines = [b"[%5d.%06d] usb %d: [drm] at 1.5] quiet" % (i, 7 * i, i) for i in range(90)]
    for at in (None, 20, 55, 89):
        shown = [*lines]
        if at is not None:
            shown[at] += b"[   99.123456] BUG"
        text = b"\n".join([*shown, b""])
        ends = np.zeros(fast_lines.PIECE, np.int64)
        # There is no telling about lines at the very beginning.
        start = text.index(b"\n", 256) + 1
        n, _, clear = _ends(padded(text), start, len(text), ends, 14, TABLES, HELD, len(PIECES))
        assert n > 10
        assert min(clear, len(text)) == (len(text) if at is None else text.index(b"99.123456]") + 9)


@pytest.mark.parametrize(
    "text", [b"0", b"fb1665", b"120000", b"ffffffffffffffff", b"0123456789abcdef", b"11f", b"", b"1" * 17]
)
@pytest.mark.parametrize("before", [b"x" * 20, b"pfn:0x" * 4, b"~o" * 10])
def test_hexadecimal_numbers(text: bytes, before: bytes) -> None:
    data = padded(before + text + b" rest")
    value, end = _hex(data, len(before), len(data) - 256)
    expected = (int(text, 16), len(before) + len(text)) if 0 < len(text) <= 16 else (0, -1)
    assert (int(value), int(end)) == expected


@pytest.mark.parametrize(
    "text", [b"0", b"-1", b"7", b"12345678", b"1234567890", b"-99999999", b"123456789", b"", b"-", b"1" * 11]
)
def test_decimal_numbers(text: bytes) -> None:
    data = padded(text + b"|9")
    value, end = _decimal(data, 0, len(text) + 2)
    digits = text.removeprefix(b"-")
    assert (int(value), int(end)) == ((int(text), len(text)) if 0 < len(digits) <= 10 else (0, -1))
    assert int(_decimal(data, 0, max(0, len(text) - 1))[1]) <= len(text) - 1


def test_hashes_depend_on_every_byte_and_on_nothing_else() -> None:
    salts = np.frombuffer(random.Random(1).randbytes(128), np.uint64).copy()
    for length in (0, 1, 7, 8, 15, 63, 64, 65, 128, 200):
        text = bytes(range(40, 40 + length % 80)) + b"y" * (length - length % 80)
        held = _hash(padded(b"??" + text + b"behind"), 2, 2 + length, salts)
        assert held == _hash(padded(b"!!!" + text + b"others"), 3, 3 + length, salts)
        for i in range(length):
            changed = text[:i] + bytes([text[i] ^ 1]) + text[i + 1 :]
            assert held != _hash(padded(changed), 0, length, salts)
