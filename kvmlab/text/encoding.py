"""Which encoding a text has, and how its bytes become characters without losing any."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_BOMS = (
    (codecs.BOM_UTF8, "utf-8", 1),
    (codecs.BOM_UTF32_LE, "utf-32-le", 4),
    (codecs.BOM_UTF32_BE, "utf-32-be", 4),
    (codecs.BOM_UTF16_LE, "utf-16-le", 2),
    (codecs.BOM_UTF16_BE, "utf-16-be", 2),
)
# Bytes that no text holds; tab, line feed, form feed, carriage return, backspace, bell and escape are left out.
_ODD = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_SAMPLE = 1 << 16


def _latin_blank(error: UnicodeError) -> tuple[str, int]:
    """U+00A0 as Latin-1 and Windows write it begins no character of UTF-8; all else becomes `\\xff`."""
    if isinstance(error, UnicodeDecodeError) and error.object[error.start] == _BLANK and error.encoding == "utf-8":
        return "\u00a0", error.start + 1
    shown, stop = codecs.backslashreplace_errors(error)
    return str(shown), stop


_HANDLER, _BLANK = "kvmlab.latin_blank", 0xA0
codecs.register_error(_HANDLER, _latin_blank)


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding: its Python name, bytes per code unit, length of the byte order mark."""

    name: str
    unit: int
    bom: int

    def decode(self, raw: bytes) -> str:
        """Characters of `raw`; what cannot be decoded stands as `\\xff`, but a lone blank of Latin-1 as that blank."""
        return raw.decode(self.name, _HANDLER)


def encoding_of(data: bytes) -> Encoding:
    """Encoding by the byte order mark; without one, UTF-16 where every other byte is zero, else UTF-8.

    >>> encoding_of("\\ufeffab".encode("utf-16-le"))
    Encoding(name='utf-16-le', unit=2, bom=2)
    """
    for bom, name, unit in _BOMS:
        if data.startswith(bom):
            return Encoding(name, unit, len(bom))
    head = data[:4096]
    half = len(head) // 2
    if half >= 8:
        even, odd = head[0::2].count(0), head[1::2].count(0)
        if odd > 0.9 * half and even < 0.1 * half:
            return Encoding("utf-16-le", 2, 0)
        if even > 0.9 * half and odd < 0.1 * half:
            return Encoding("utf-16-be", 2, 0)
    return Encoding("utf-8", 1, 0)


def looks_binary(data: bytes) -> bool:
    """Whether bytes without an encoding of their own are not text at all.

    >>> looks_binary(bytes(range(256)) * 4), looks_binary("Bad page state für".encode())
    (True, False)
    """
    middle = len(data) // 2
    sample = data[:_SAMPLE] + data[middle : middle + _SAMPLE]
    if not sample:
        return False
    odd = len(_ODD.findall(sample))
    high = 0
    if not sample.isascii():
        wrong = sample.decode("utf-8", "replace").count("\ufffd")
        high = wrong if wrong > 8 else 0
    return (odd + high) > 0.1 * len(sample)
