"""One log of every era, architecture, decoder and kind: what is read from it, held in a file beside it.

The logs were written for this test or printed by the kernel lab; `pytest --update` rewrites the golden files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmlab.report.arch import report_arch
from kvmlab.report.jsonable import report_json
from kvmlab.report.log import Log, read_log
from kvmlab.report.records import Report

LOGS = sorted((Path(__file__).parent / "golden" / "logs").glob("*.log"))


def header(name: str, log: Log) -> Iterator[str]:
    """The lines for people."""
    left = len(log.unparsed)
    yield f"# {name}: {log.text.n_lines} lines, {log.text.kind}, {len(log.reports)} reports, {left} lines in none"
    for report in log.reports:
        yield from report_header(report)


def report_header(report: Report) -> Iterator[str]:
    """The lines for people about one report."""
    yield f"# {report.index}: {report.kind}, lines {report.span.first_line}-{report.span.last_line}: {report.title}"
    if (page := report.page) is not None:
        flags = "none" if page.flags is None else f"{page.flags.value:#x} {'|'.join(page.flags.names)}".strip()
        order = "" if page.order is None else f", order {page.order}"
        yield f"#    page of era {page.era}: refcount {page.refcount}, mapcount {page.mapcount}{order}, flags {flags}"
        yield f"#    because: {page.reason}"
    if (cpu := report.cpu_line) is not None:
        taint = " ".join((cpu.taint_text or "not tainted").split())
        arch = report_arch(report)
        yield f"#    CPU {cpu.cpu}, {cpu.comm} ({cpu.pid}), kernel {cpu.release}, {taint}, architecture {arch}"
    for trace in (report.call_trace, *report.traces):
        if trace is not None:
            name = f"{trace.name}: " if trace.name else ""
            yield f"#    {name}{' < '.join(('' if f.reliable else '?') + f.function for f in trace.frames)}"
    if report.registers is not None:
        yield f"#    registers: {report.registers.arch}, {report.registers.mode}, {len(report.registers.values)} values"
    if report.missing:
        yield f"#    missing: {', '.join(report.missing)}"
    for damage in report.damage:
        yield f"#    damage: {damage.kind}, {damage.reason}"
    if report.repeats:
        yield f"#    printed again: {len(report.repeats)} times"


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_golden_log(path: Path, update: bool) -> None:
    log = read_log(path)
    record = {
        "reports": [report_json(report) for report in log.reports],
        "unparsed": [[record.span.first_line, record.text] for record in log.unparsed],
    }
    made = "\n".join([*header(path.name, log), json.dumps(record, indent=1, ensure_ascii=False)]) + "\n"
    golden = path.with_suffix(".golden")
    if update:
        golden.write_text(made, encoding="utf-8")
    assert made == golden.read_text(encoding="utf-8")


def test_no_golden_file_without_a_log() -> None:
    folder = Path(__file__).parent / "golden" / "logs"
    assert {path.stem for path in folder.glob("*.golden")} == {path.stem for path in LOGS}


def test_every_kind_and_architecture_is_among_them() -> None:
    reports = [report for path in LOGS for report in read_log(path).reports]
    kinds = {report.kind.value for report in reports}
    assert kinds >= {
        "bad_page", "bad_page_map", "bad_rss_counter", "oops", "warning", "bug", "kasan", "kfence", "page_dump",
        "hung_task", "soft_lockup", "rcu_stall", "refcount", "list_corruption", "suppressed", "other",
    }  # fmt: skip
    arches = {report_arch(report) for report in reports}
    assert arches >= {
        "x86_64",
        "i386",
        "arm64",
        "arm",
        "powerpc",
        "s390",
        "riscv",
        "parisc",
        "sparc",
        "m68k",
        "mips",
        "loongarch",
    }
    eras = {report.page.era for report in reports if report.page is not None}
    assert eras >= {"2.6.5", "2.6.16", "2.6.32", "3.10", "4.9", "5.4", "5.8", "5.10", "6.9"}
