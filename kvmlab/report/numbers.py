"""Numbers as kernels print them, read within bounds: a run of digits that fits no register is not a number."""

from __future__ import annotations

U64_MAX = (1 << 64) - 1
# Decimal digits of 2**64; a longer run never is a number that a kernel printed.
_DECIMAL_DIGITS = 20


def hex_number(text: str | None) -> int | None:
    """A hexadecimal number with or without `0x`, at most 64 bits wide.

    Args:
        text: the digits; None gives None.

    >>> hex_number("0x7fa8117c3"), hex_number("dead000000000100") == 0xDEAD000000000100, hex_number("(ptrval)")
    (34267535299, True, None)
    """
    if not text:
        return None
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    if not digits or not digits.isascii() or not digits.isalnum():
        return None
    digits = digits.lstrip("0") or "0"
    try:
        return int(digits, 16) if len(digits) <= 16 else None
    except ValueError:
        return None


def decimal_number(text: str | None) -> int | None:
    """A decimal number with or without a sign, at most 64 bits wide.

    Args:
        text: sign and digits; None gives None.

    >>> decimal_number("-128"), decimal_number("9" * 5000), decimal_number("x")
    (-128, None, None)
    """
    if not text:
        return None
    digits = text[1:] if text[0] in "+-" else text
    if not digits or len(digits) > _DECIMAL_DIGITS or not digits.isascii() or not digits.isdigit():
        return None
    value = int(digits)
    return None if value > U64_MAX else (-value if text[0] == "-" else value)


def pointer(text: str | None) -> int | None:
    """A pointer as printed; `(null)` is 0, a hidden one such as `(ptrval)` or `(____ptrval____)` is None.

    Args:
        text: 8 or 16 hexadecimal digits, or the parenthesised word that stands for them.

    >>> pointer("0000000000000000"), pointer("(null)"), pointer("(____ptrval____)")
    (0, 0, None)
    """
    if text is None:
        return None
    text = text.strip()
    return 0 if text == "(null)" else hex_number(text)
