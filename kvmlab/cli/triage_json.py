"""`kvmlab triage --json`: small sources are read whole, large ones piece by piece, so that memory stays small."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kvmlab.cli import triage_sources
from kvmlab.cli.arguments import open_log
from kvmlab.errors import UnusableInput
from kvmlab.inquiry.filters import ReportFilter
from kvmlab.inquiry.summaries import kind_of
from kvmlab.inquiry.triage_stream import TriageStream
from kvmlab.report.log import read_log
from kvmlab.text.inflate import compression_of

if TYPE_CHECKING:
    from kvmlab.report.log_pieces import LogPiece
    from kvmlab.report.scan_progress import Progress
    from kvmlab.report.scan_text import Fill


def print_document(paths: Sequence[str], wanted: ReportFilter, *, way: str = "auto", limit: int | None = None) -> int:
    """Print the JSON document of the sources; how many reports it holds.

    Args:
        paths: files, `-` for standard input.
        wanted: which reports stand in it.
        way: `slow` reads every text whole, `fast` those piece by piece that can be read so, `auto` the large ones.
        limit: bytes of text at most that only the slow way can read; None for its default.

    Raises:
        UnusableInput: one of them cannot be read.
    """
    with TriageStream(wanted) as stream:
        for path in paths:
            if path == "-":
                _add_pipe(stream, way, limit)
            elif way == "slow" or (way == "auto" and not _large(path)) or not _add_file(stream, path):
                stream.add_log(open_log(path, limit))
        for piece in stream.write():
            sys.stdout.write(piece)
        return stream.reports


def _large(path: str) -> bool:
    return os.path.isfile(path) and os.path.getsize(path) >= triage_sources.FAST_FROM


def _add_file(stream: TriageStream, path: str) -> bool:
    """Add a file piece by piece; False if it has to be read whole."""
    from kvmlab.report.scan_text import NotPlain, compression
    from kvmlab.report.scan_unpack import reading, unpacking

    kind = compression(path)
    with open(path, "rb") as file:
        try:
            fill = reading(file) if kind is None else unpacking(file, kind)
            document = _add_pieces(stream, fill, path, None if kind else os.path.getsize(path))
        except NotPlain:
            return False
    document.update(path=path, sha256=triage_sources.sha256_of(path), bytes=os.path.getsize(path))
    return True


def _add_pipe(stream: TriageStream, way: str, limit: int | None) -> None:
    given = {} if limit is None else {"limit": limit}
    first = sys.stdin.buffer.read(triage_sources.FAST_FROM) if way == "auto" else b""
    tap = triage_sources.Tap(sys.stdin.buffer, first)
    from kvmlab.report.scan_open import HEAD, is_plain

    file = io.BufferedReader(tap, HEAD)
    small = way == "auto" and len(first) < triage_sources.FAST_FROM
    kind = None if way == "slow" or small else compression_of(file.peek(HEAD)[:HEAD])
    if way == "slow" or small or (kind is None and not is_plain(file.peek(HEAD)[:HEAD])):
        stream.add_log(read_log(file, **given))
        return
    from kvmlab.report.scan_text import SAVE_IT, NotPlain
    from kvmlab.report.scan_unpack import reading, unpacking

    try:
        document = _add_pieces(stream, reading(file) if kind is None else unpacking(file, kind), "standard input", None)
    except NotPlain:
        raise UnusableInput(SAVE_IT) from None
    stored = tap.stored()
    document.update(path="-", sha256=stored.sha256, bytes=stored.size)


def _add_pieces(stream: TriageStream, fill: Fill, what: str, total: int | None) -> dict[str, Any]:
    from kvmlab.report.log_pieces import read_pieces
    from kvmlab.report.scan_open import HEAD, is_plain
    from kvmlab.report.scan_progress import Progress
    from kvmlab.report.scan_text import NotPlain, behind, filled

    room = bytearray(triage_sources.HEAD)
    head = bytes(room[: filled(fill, memoryview(room))])
    if not is_plain(head[:HEAD]):
        raise NotPlain
    with Progress(what) as progress:
        progress.begin(total)
        try:
            document = stream.add_pieces(_told(read_pieces(behind(head, fill)), progress))
        except NotPlain:
            stream.forget()
            raise
    document["kind"] = kind_of(head)
    return document


def _told(pieces: Iterator[LogPiece], progress: Progress) -> Iterator[LogPiece]:
    for piece in pieces:
        yield piece
        progress.advance(piece.size)
