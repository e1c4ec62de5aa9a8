"""`triage` of texts of any size as a JSON document: reports are written out one by one, and little of each is kept."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from kvmlab.inquiry.families import families_of, family_json
from kvmlab.inquiry.filters import ReportFilter
from kvmlab.inquiry.similar import similar_families, similar_json
from kvmlab.inquiry.triage import SCHEMA, source_json
from kvmlab.report.jsonable import damage_json, report_json, span_json
from kvmlab.report.log import Log
from kvmlab.report.log_pieces import LogPiece
from kvmlab.report.records import CallTrace, Frame, RawWords, Report
from kvmlab.report.repeats import kept_reports
from kvmlab.text.span import Damage, Span

T = TypeVar("T")
# Where something stands of which nothing is asked but what it says.
_NOWHERE = Span(0, 0, 0, 0)


@dataclass(slots=True)
class _Source:
    """One source: what stands in the document about it, and of its reports what families are made of."""

    document: dict[str, Any] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    # How many lines of the spool are before its own.
    before: int = 0
    # Of the reports that stand in the document: position among all of the source, index, places of copies.
    kept: list[tuple[int, int, tuple[Span, ...]]] = field(default_factory=list)


class TriageStream:
    """Collects texts; `write` then gives the document that `kvmlab triage --json` prints, piece by piece.

    Reports lie in an unnamed temporary file meanwhile. In memory stays of each what its family is told by, some 4 kB.

    Args:
        wanted: which reports stand in the document.

    >>> from kvmlab.report.log import read_log
    >>> with TriageStream() as stream:
    ...     stream.add_log(read_log(b"[    1.000000] BUG: Bad page state in process qemu  pfn:fb1665\\n"))
    ...     json.loads("".join(stream.write()))["reports"][0]["pfn"]
    '0xfb1665'
    """

    def __init__(self, wanted: ReportFilter | None = None) -> None:
        self._wanted = ReportFilter() if wanted is None else wanted
        self._spool: IO[str] = tempfile.TemporaryFile("w+", prefix="kvmlab-triage-", encoding="ascii")  # noqa: SIM115
        self._written = 0
        self._sources: list[_Source] = []
        self._frames: dict[tuple[object, ...], Frame] = {}
        self._shared: dict[Any, Any] = {}
        # Only how many there are counts.
        self._records: dict[int, tuple[int, ...]] = {}

    @property
    def reports(self) -> int:
        """How many reports stand in the document."""
        return sum(len(source.kept) for source in self._sources)

    def add_log(self, log: Log) -> None:
        """Adds a text that was read whole.

        Args:
            log: the text, with all its reports.
        """
        source = self._begin()
        for report in log.reports:
            if self._wanted.keeps(report):
                source.kept.append((len(source.reports), report.index, report.repeats))
                self._put(source, report)
        source.document = source_json(log)

    def add_pieces(self, pieces: Iterable[LogPiece]) -> dict[str, Any]:
        """Adds a text that is read piece by piece; returns what the document says of it, for the caller to complete.

        Args:
            pieces: its pieces, in order.
        """
        source = self._begin()
        unparsed = lines = 0
        roles: Counter[str] = Counter()
        damage: list[Damage] = []
        latest: dict[tuple[str, str], int] = {}
        wanted: list[bool] = []
        for piece in pieces:
            for report in piece.reports:
                wanted.append(self._wanted.keeps(report))
                self._put(source, report)
            unparsed, lines = unparsed + piece.unparsed, lines + piece.lines
            roles.update(piece.roles)
            _extend(damage, latest, piece.damage)
        for index, (place, repeats) in enumerate(kept_reports(source.reports)):
            if wanted[place]:
                source.kept.append((place, index, repeats))
        source.document = {
            "lines": lines,
            "unparsed_lines": unparsed,
            "records": dict(roles.most_common()),
            "damage": [damage_json(one) for one in damage],
        }
        return source.document

    def forget(self) -> None:
        """Takes the last source back: it could not be read piece by piece."""
        self._sources.pop()

    def _begin(self) -> _Source:
        source = _Source(before=self._written)
        self._sources.append(source)
        return source

    def _put(self, source: _Source, report: Report) -> None:
        document = report_json(report, len(self._sources) - 1)
        del document["index"], document["repeats"]
        self._spool.write(json.dumps(document)[1:] + "\n")
        self._written += 1
        source.reports.append(self._light(report))

    def _light(self, report: Report) -> Report:
        """The report without what neither families nor copies are told by; equal frames are one."""
        trace, registers = report.call_trace, report.registers
        if trace is not None:
            trace = CallTrace(None, tuple(map(self._frame, trace.frames)), (), trace.name)
        if registers is not None:
            # Whether two blocks are equal is all that is asked of their values.
            values = {"": _digest(sorted(registers.values.items()))}
            registers = replace(registers, values=values, missing=(), missing_lines=(), span=_NOWHERE)
        page, cpu = report.page, report.cpu_line
        if page is not None:
            raw = None if page.raw is None else RawWords((_digest(page.raw.words),), page.raw.width, _NOWHERE)
            page = replace(
                page, head=None, memcg=None, address_space=None, flags=None, page_type=None, head_raw=None,
                page_owner=None, raw=raw, page_line=None, reason=self._one(page.reason), reason_span=None,
                span=_NOWHERE,
            )  # fmt: skip
        if cpu is not None:
            # Equal words are one, too.
            cpu = replace(
                cpu, comm=self._one(cpu.comm), taint_text=self._one(cpu.taint_text), release=self._one(cpu.release),
                build=self._one(cpu.build), version_tail=None, package_id=None, span=_NOWHERE,
            )  # fmt: skip
        return replace(
            report, page=page, cpu_line=cpu, process=self._one(report.process), call_trace=trace, registers=registers,
            modules=None, more_registers=(), traces=(), damage=(), missing=(), code=None, hardware=None,
            taint_verbose=None, end_trace=None, workqueue=None,
            records=self._records.setdefault(len(report.records), report.records),
        )  # fmt: skip

    def _one(self, value: T) -> T:
        """The first of equal values."""
        found: T = self._shared.setdefault(value, value)
        return found

    def _frame(self, frame: Frame) -> Frame:
        key = (
            frame.function, frame.offset, frame.size, frame.module, frame.reliable, frame.context, frame.source,
            frame.inlined,
        )  # fmt: skip
        return self._frames.setdefault(key, frame)

    def write(self) -> Iterator[str]:
        """The document, in pieces of text."""
        yield f'{{\n "schema": {json.dumps(SCHEMA)},\n "sources": '
        yield json.dumps([source.document for source in self._sources]) + ',\n "reports": ['
        self._spool.seek(0)
        at, separator = 0, "\n"
        for source in self._sources:
            for place, index, repeats in source.kept:
                while at < source.before + place:
                    self._spool.readline()
                    at += 1
                rest = self._spool.readline().rstrip("\n")
                at += 1
                own = json.dumps({"index": index, "repeats": [span_json(span) for span in repeats]})
                yield f"{separator} {own[:-1]}, {rest}"
                separator = ",\n"
        yield "\n ]"
        light = [
            [replace(source.reports[place], index=index, repeats=repeats) for place, index, repeats in source.kept]
            for source in self._sources
        ]
        found = families_of(light)
        for name, values in (
            ("families", map(family_json, found)),
            ("similar", map(similar_json, similar_families(found))),
        ):
            yield f',\n "{name}": ['
            for n, value in enumerate(values):
                yield (",\n  " if n else "\n  ") + json.dumps(value)
            yield "\n ]"
        yield "\n}\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()


def _digest(values: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(values).encode(), digest_size=16).digest())


def _extend(damage: list[Damage], latest: dict[tuple[str, str], int], more: Iterable[Damage]) -> None:
    """Adds the damage of a piece; what goes on from the piece before is one."""
    for one in more:
        key = (one.kind.value, one.reason)
        at = latest.get(key)
        if at is not None and damage[at].span.last_line + 1 >= one.span.first_line:
            damage[at] = Damage(one.kind, damage[at].span | one.span, one.reason)
        else:
            latest[key] = len(damage)
            damage.append(one)
