"""Reports as plain JSON values: 64-bit numbers are hex strings, what the text does not hold is null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kvmlab.report.checks import Check, page_checks
from kvmlab.report.cpu_line import taint_letters
from kvmlab.report.records import CallTrace, CpuLine, Frame, ModuleList, PageDump, PageOwner, Registers, Report
from kvmlab.text.span import Damage, Span

_DECIMAL_FIELDS = frozenset({"section", "node", "zone"})
_COUNT_FIELDS = frozenset({"order"})


def hex_or_none(value: int | None) -> str | None:
    """A number as a lower-case hex string.

    >>> hex_or_none(0xFB1665), hex_or_none(None)
    ('0xfb1665', None)
    """
    return None if value is None else hex(value)


def span_json(span: Span) -> dict[str, int]:
    """A span; first and last are both inclusive.

    >>> span_json(Span(0, 12, 1, 1))
    {'first_line': 1, 'last_line': 1, 'first_byte': 0, 'last_byte': 11}
    """
    return {
        "first_line": span.first_line,
        "last_line": span.last_line,
        "first_byte": span.start,
        "last_byte": max(span.start, span.stop - 1),
    }


def damage_json(damage: Damage) -> dict[str, Any]:
    """One piece of damage."""
    return {"kind": damage.kind.value, "span": span_json(damage.span), "reason": damage.reason}


def report_json(report: Report, source: int = 0) -> dict[str, Any]:
    """A report in the shape that `kvmlab triage --json` prints.

    Args:
        report: the report.
        source: position of its source among the sources of the call.
    """
    cpu = report.cpu_line
    return {
        "source": source,
        "index": report.index,
        "kind": report.kind.value,
        "title": report.title,
        "rule": report.rule,
        "part": report.part,
        "span": span_json(report.span),
        "complete": report.complete,
        "damage": [damage_json(d) for d in report.damage],
        "missing": list(report.missing),
        "repeats": [span_json(s) for s in report.repeats],
        "timestamp": report.timestamp,
        "last_timestamp": report.last_timestamp,
        "caller": report.caller,
        "cpu": cpu.cpu if cpu is not None and cpu.cpu is not None else _number(report.fields.get("cpu")),
        "pid": cpu.pid if cpu is not None and cpu.pid is not None else _number(report.fields.get("pid")),
        "comm": _comm(report),
        "kernel": None if cpu is None or cpu.release is None else cpu.release.text,
        "taint": None if cpu is None else taint_json(cpu),
        "hardware": None if report.hardware is None else report.hardware.text,
        "workqueue": report.workqueue,
        "pfn": hex_or_none(report.pfn),
        "fields": dict(report.fields),
        "page": None if report.page is None else page_json(report.page, page_checks(report)),
        "reason": None if report.page is None else report.page.reason,
        "frames": trace_json(report.call_trace),
        "traces": [{"name": trace.name, "frames": trace_json(trace)} for trace in report.traces],
        "modules": modules_json(report.modules),
        "registers": registers_json(report.registers),
        "code": report.code,
        "page_owner": owner_json(report.page.page_owner if report.page is not None else None),
    }


def taint_json(cpu: CpuLine) -> str | None:
    """The taint letters without blanks: `GBW`; empty for `Not tainted`; null if the line breaks off before them."""
    if cpu.tainted:
        return "".join(taint_letters(cpu.taint_text))
    return None if cpu.release is None and cpu.taint_text is None else ""


def page_json(page: PageDump, checks: tuple[Check, ...]) -> dict[str, Any]:
    """A page dump as printed, with the comparisons between its raw words and its printed fields."""
    flags = page.flags
    return {
        "era": page.era,
        "refcount": page.refcount,
        "mapcount": page.mapcount,
        "mapping": hex_or_none(page.mapping),
        "index": hex_or_none(page.index),
        "pfn": hex_or_none(page.pfn),
        "pointer": hex_or_none(page.pointer),
        "order": page.order,
        "flags": None if flags is None else hex(flags.value),
        "flag_names": [] if flags is None else list(flags.names),
        "flag_fields": {} if flags is None else _flag_fields(flags.fields),
        "flag_prefix": None if flags is None else flags.prefix,
        "unnamed_flags": None if flags is None or not flags.unnamed else hex(flags.unnamed),
        "cma": None if flags is None else flags.cma,
        "bad_flags": None if page.bad_flags is None else list(page.bad_flags.names),
        "page_type": None if page.page_type is None else hex(page.page_type.value),
        "page_type_names": None if page.page_type is None else list(page.page_type.names),
        "memcg": hex_or_none(page.memcg),
        "aops": None if page.address_space is None else page.address_space.aops,
        "ino": None if page.address_space is None else hex_or_none(page.address_space.ino),
        "dentry": None if page.address_space is None else page.address_space.dentry,
        "raw": None if page.raw is None else [hex(word) for word in page.raw.words],
        "head": None if page.head is None else _head_fields(page.head.fields),
        "head_raw": None if page.head_raw is None else [hex(word) for word in page.head_raw.words],
        "notes": list(page.notes),
        "checks": [{"check": c.check, "holds": c.holds, "detail": c.detail} for c in checks],
    }


def frame_json(frame: Frame) -> dict[str, Any]:
    """One entry of a call trace."""
    return {
        "function": frame.function,
        "offset": frame.offset,
        "size": frame.size,
        "module": frame.module,
        "reliable": frame.reliable,
        "context": frame.context,
        "line": frame.span.first_line,
        "source": list(frame.source),
        "inlined": frame.inlined,
    }


def trace_json(trace: CallTrace | None) -> list[dict[str, Any]]:
    """The entries of a call trace; an empty list if there is none."""
    return [] if trace is None else [frame_json(frame) for frame in trace.frames]


def modules_json(modules: ModuleList | None) -> list[dict[str, str]] | None:
    """The module list; null if the text has none, which says nothing about the modules that were loaded."""
    return None if modules is None else [{"name": m.name, "flags": m.flags} for m in modules.modules]


def registers_json(registers: Registers | None) -> dict[str, str] | None:
    """Register values by name; registers that are printed as symbols are left out."""
    return None if registers is None else {name: hex(value) for name, value in registers.values.items()}


def owner_json(owner: PageOwner | None) -> dict[str, Any] | None:
    """A page_owner tail."""
    if owner is None:
        return None
    return {
        "tracked_as": owner.tracked_as,
        "order": owner.order,
        "migratetype": owner.migratetype,
        "gfp_mask": hex_or_none(owner.gfp_mask),
        "gfp_names": list(owner.gfp_names),
        "pid": owner.pid,
        "tgid": owner.tgid,
        "comm": owner.comm,
        "ts": hex_or_none(owner.ts),
        "free_ts": hex_or_none(owner.free_ts),
        "free_pid": owner.free_pid,
        "free_tgid": owner.free_tgid,
        "migrate_reason": owner.migrate_reason,
        "allocation_stack": [frame_json(f) for f in owner.allocation_stack],
        "free_stack": [frame_json(f) for f in owner.free_stack],
        "notes": list(owner.notes),
    }


def _comm(report: Report) -> str | None:
    if report.cpu_line is not None and report.cpu_line.comm is not None:
        return report.cpu_line.comm
    named = report.process or report.fields.get("comm")
    return None if named is None else str(named)


def _number(value: str | int | None) -> int | None:
    return value if isinstance(value, int) else None


def _flag_fields(fields: Mapping[str, int]) -> dict[str, int | str]:
    return {name: value if name in _DECIMAL_FIELDS else hex(value) for name, value in fields.items()}


def _head_fields(fields: Mapping[str, int]) -> dict[str, int | str]:
    return {name: hex(value) if name == "pointer" else value for name, value in fields.items()}
