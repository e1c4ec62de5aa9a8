"""Charsets that a mail declares for its parts."""

from __future__ import annotations

import codecs
from collections.abc import Callable

_STATEFUL = ("utf-16", "utf-32", "utf-7", "idna", "punycode")


def is_utf8(charset: str | None) -> bool:
    """Whether a declared charset is read as UTF-8: that itself, ASCII, none, or one that nobody knows."""
    return _codec(charset) == "utf-8"


def charset_decoder(charset: str | None) -> Callable[[bytes], str]:
    """A decoder for a declared charset, UTF-8 if it is unknown; what cannot be decoded stands as `\\xff`."""
    name = _codec(charset)
    return lambda raw: raw.decode(name, "backslashreplace")


def _codec(charset: str | None) -> str:
    try:
        codec = codecs.lookup(charset or "utf-8")
        # Not every codec makes characters of bytes, and some are stateful across lines.
        if codec.name == "ascii" or codec.name.startswith(_STATEFUL) or b"[ 1.0] x".decode(codec.name) != "[ 1.0] x":
            return "utf-8"
    except (LookupError, ValueError, TypeError):
        return "utf-8"
    return codec.name
