"""Arguments that several commands share, and how they open what they are given."""

from __future__ import annotations

import argparse
import os

from kvmlab.errors import UnusableInput
from kvmlab.report.log import Log, read_log

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def size(text: str) -> int:
    """A size with an optional binary unit.

    Args:
        text: such as `4096`, `512M`, `2GiB`.

    >>> size("2GiB") == 2 * 1024**3
    True
    """
    digits = text.strip().rstrip("iBb")
    unit = digits[-1:].upper() if digits[-1:].isalpha() else ""
    number = digits[: len(digits) - len(unit)]
    if unit not in _UNITS or not number.isdecimal() or len(number) > 15:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 512M or 2GiB")
    return int(number) * _UNITS[unit]


def add_input(parser: argparse.ArgumentParser, *, many: bool, more: str = "") -> None:
    """Add the input file (or files) and what bounds them; `more` says what else may be given."""
    what = f"a log, mail or mbox, plain or .gz .xz .zst .bz2 .zip; - is standard input{more}"
    if many:
        parser.add_argument("files", nargs="+", metavar="FILE", help=what)
    else:
        parser.add_argument("file", metavar="FILE", help=what)
    parser.add_argument(
        "--max-bytes",
        type=size,
        metavar="SIZE",
        help="largest decompressed size that is read (such as 4GiB); protects against decompression bombs",
    )


def add_report(parser: argparse.ArgumentParser) -> None:
    """Add the choice of one report of the input."""
    parser.add_argument("--report", type=int, metavar="K", help="index of the report (default: the first bad page)")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the switch for the JSON document."""
    parser.add_argument("--json", action="store_true", help="print one JSON document (64-bit values as hex strings)")


def open_log(path: str, limit: int | None) -> Log:
    """Read one input.

    Raises:
        UnusableInput: it cannot be read; the message says why.
    """
    if path != "-" and not os.fspath(path):
        raise UnusableInput("an empty file name: expected the path of a log, or - for standard input")
    return read_log(path) if limit is None else read_log(path, limit=limit)
