"""The fast way and the slow way give the same records: property tests over made, damaged and real logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvmlab.report import scan_packed, scan_result
from kvmlab.report.log import read_log
from kvmlab.report.scan import scan_log, scan_logs
from tests.report.equal import check
from tests.report.generator import DAMAGES, ENDINGS, STYLES, damaged, log

ENGINES = ("python", "numba")
ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpora" / "bad_page"
REPORTED = ROOT / "data" / "2024-07-31-kvm-bad-page-state"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("style", STYLES)
def test_every_prefix_style_is_read_fast(style: str, engine: str) -> None:
    text = "\n".join([*log(3, style, 0.6, 40_000), ""]).encode()
    read = check(text, engine)
    assert read == text.count(b"BUG: Bad page state"), "an undamaged report went to the slow parser"
    assert check(text, engine, chunk=5000) == read


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("damage", [d for d in DAMAGES if d != "nothing"])
def test_each_damage(damage: str, engine: str) -> None:
    for style in ("dmesg", "caller"):
        check(damaged(11, style, [damage], size=9_000), engine, 4096)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 20), style=st.sampled_from(STYLES), ending=st.sampled_from(ENDINGS),
    damages=st.lists(st.sampled_from(sorted(DAMAGES)), min_size=1, max_size=2),
    engine=st.sampled_from(ENGINES), chunk=st.sampled_from((1 << 22, 4096, 777)),
)  # fmt: skip
def test_damaged_logs(seed: int, style: str, ending: str, damages: list[str], engine: str, chunk: int) -> None:
    check(damaged(seed, style, damages, ending, size=9_000), engine, chunk)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_report_that_begins_with_a_cpu_line_cut_in_two(engine: str) -> None:
    damages = ["wrap", "interleave", "time jumps"]
    check(damaged(499907, "iso", damages, "\r\n", 0.6, 90_000), engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_lines_of_another_clock_do_not_cut_a_report_in_two(engine: str) -> None:
    for seed, style, ending in ((32971, "iso", "\n"), (782032, "syslog", "\r\r\n")):
        check(damaged(seed, style, ["wrap", "foreign lines"], ending, size=9_000), engine, 4096)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_reported_trace(engine: str) -> None:
    raw = sorted(REPORTED.glob("*.txt")) or sorted((ROOT.parent / "shared" / "seed").glob("*.txt"))
    if not raw:
        pytest.skip("the reported trace is not beside the checkout")
    check(str(raw[0]), engine)
    text = raw[0].read_bytes()
    block = text[text.index(b"[252080.141629]") :].partition(b"This backtrace")[0]
    check(block, engine)
    stacks = scan_log(block, engine=engine).df_stacks()
    assert len(stacks) == 22, "the 22 reliable entries of the reported trace"
    # The archive collapsed the blanks and wrapped the module list: it must be found inside a storm as well.
    made = "\n".join([*log(5, "dmesg", 0.9, 20_000), ""]).encode()
    check(made + block + made, engine)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.log")) or [None], ids=lambda p: "none" if p is None else p.name)
def test_real_logs(path: Path | None) -> None:
    if path is None:
        pytest.skip("the corpora are not beside the checkout")
    for engine in ENGINES:
        check(str(path), engine)
        check(str(path), engine, 5000)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_title_that_two_sources_wrote(engine: str) -> None:
    lines = log(5, "syslog", 0.9, 40_000)
    at = [n for n, line in enumerate(lines) if "BUG: Bad page state in process" in line][1]
    check("\n".join([*lines[: at + 1], *lines[at:], ""]).encode(), engine)


_OOPS = """BUG: unable to handle page fault for address: ffff8880{n:08x}
#PF: supervisor read access in kernel mode
#PF: error_code(0x0000) - not-present page
PGD 0 P4D 0
Oops: 0000 [#{n}] SMP NOPTI
CPU: 3 PID: {n} Comm: fizz Tainted: G      D           5.10.12 #1
RIP: 0010:fizz_map+0x12/0x420 [fizz]
RAX: ffff8880{n:08x} RBX: 0000000000000000 RCX: 0000000000000001
Call Trace:
 fizz_queue+0x45/0x90 [fizz]
 kthread+0x11b/0x140
---[ end trace {n:016x} ]---"""
_WARNING = """------------[ cut here ]------------
WARNING: CPU: 5 PID: {n} at mm/fizz.c:12 fizz_free+0x1c/0x300
CPU: 5 PID: {n} Comm: fizz Not tainted 5.10.12 #1
RIP: 0010:fizz_free+0x1c/0x300
Call Trace:
 fizz_queue+0x45/0x90 [fizz]
---[ end trace {n:016x} ]---"""


def storm(blocks: list[str], begin: int = 0) -> list[str]:
    """Blocks one behind the other, each line a millisecond later."""
    lines = "\n".join(block.format(n=n + 1) for n, block in enumerate(blocks)).split("\n")
    return [f"[{(begin + i) // 1000:5}.{(begin + i) % 1000:03}000] {line}" for i, line in enumerate(lines)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_storm_of_oopses_is_cut_between_them(engine: str) -> None:
    for blocks in ([_OOPS] * 2200, [_OOPS, _WARNING] * 1400):
        check("\n".join([*storm(blocks), ""]).encode(), engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_many_reports_are_held_packed(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_packed, "LISTED", 0)
    monkeypatch.setattr(scan_packed, "BLOCK", 4)
    monkeypatch.setattr(scan_result, "_REPORTS", 3)
    one, pages = storm([_OOPS, _WARNING] * 9), log(5, "dmesg", 0.9, 20_000)
    at = next(n for n, line in enumerate(one) if "WARNING: " in line)
    for lines in (
        one,
        [*one, *pages],
        [*pages, *storm([_WARNING] * 5, 9_000_000), *one, *pages],
        [*one, *one],
        [*one[: at + 1], *one[at:], *one[:at]],
        [line[15:] for line in [*one, *pages, *one]],
        [f"Jul  1 01:23:16 labhost kernel: {line[15:]}" for line in [*one, *one, *pages]],
    ):
        check("\n".join([*lines, ""]).encode(), engine)
    for seed in range(6):
        check(damaged(seed, "dmesg", sorted(DAMAGES)[seed : seed + 2], size=20_000), engine, 4096)


@pytest.mark.parametrize("style", STYLES)
def test_what_one_text_has_taught_changes_nothing_in_another(style: str, tmp_path: Path) -> None:
    paths = []
    for seed in range(6):
        # Times and callers of other lengths.
        lines = log(seed, style, 0.7, 12_000)
        path = tmp_path / f"{seed}.log"
        path.write_text("\n".join(line.replace("[T", "[  T" if seed % 2 else "[C") for line in lines) + "\n")
        paths.append(path)
    for path, found in zip(paths, scan_logs(paths, engine="numba", threads=1), strict=True):
        pd.testing.assert_frame_equal(found.df_reports(), read_log(path).df_reports())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("style", STYLES)
def test_lines_whose_break_was_lost(style: str, engine: str) -> None:
    lines = log(3, style, 0.6, 30_000)
    for title in [n for n, line in enumerate(lines) if "BUG: Bad page state in process" in line]:
        for above in ("usb 1-1: new high-speed USB dev", "[drm] ", ""):
            # What a driver says is known to be quiet; this one says it twice.
            prefix = lines[title][: lines[title].index("BUG: ")]
            quiet = [prefix + "usb 1-1: new high-speed USB device number 4 using xhci_hcd"] * 2
            glued = [*lines[:title], *quiet, prefix + above + lines[title], *lines[title + 1 :], ""]
            check("\n".join(glued).encode(), engine)


def test_what_the_tolerant_parser_has_read_alone_keeps_its_order() -> None:
    # Parts of a dump are put into the order of printing, which need not be that of the lines.
    found = scan_log("\n".join([*log(4, "dmesg", 0.9, 20_000), ""]).encode(), engine="slow")
    assert len(found.reports) > 2
    turned = replace(found, reports=list(reversed(found.reports)))
    lines = found.df_reports()["first_line"].tolist()
    assert turned.df_reports()["first_line"].tolist() == lines[::-1]


@pytest.mark.parametrize("engine", ENGINES)
def test_fragments_of_netconsole(engine: str) -> None:
    rows = [line.partition("] ")[2] for line in log(4, "dmesg", 1.0, 4_000)][:40]
    lines = [f"4,{500 + i},{1_000_141_632 + 13 * i},-;{row}" for i, row in enumerate(rows)]
    rest = [f"4,{500 + i},{1_000_141_632 + 13 * i},-,ncfrag=90/182;zzz|quiet" for i in range(40)]
    for at in (1, 3, 20, 35):
        check("\n".join([*lines[:at], rest[at], *lines[at:], ""]).encode(), engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_words_that_are_not_those_of_the_page(engine: str) -> None:
    lines = log(3, "dmesg", 1.0, 30_000)
    words = [n for n, line in enumerate(lines) if "] raw: 0017" in line]
    for n in words[1::2]:
        lines[n] = lines[n].replace("raw: 0017", "raw: 0027")
    text = "\n".join([*lines, ""]).encode()
    assert check(text, engine) < text.count(b"BUG: Bad page state"), "a page with other words was read the fast way"


@pytest.mark.parametrize("engine", ENGINES)
def test_numbers_of_64_bits_are_exact(engine: str) -> None:
    values = [0xFFFFFFFF00000000, 0x100000000, 0xFFFFFFFF00000001, 0x200000001, 0xFFFFFFFF00000003]
    text = "".join(
        f"[  {n:3}.00000{k}] {row}\n"
        for n, value in enumerate(values)
        for k, row in enumerate(
            [
                f"BUG: Bad page state in process fizz  pfn:{n + 0x12345:x}",
                f"page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x{value:x} pfn:0x{n + 0x12345:x}",
                "flags: 0x17ffffc0000004(referenced|node=0|zone=2)",
                f"raw: 0017ffffc0000004 dead000000000100 dead000000000122 {value:016x}",
            ]
        )
    )
    assert read_log(text.encode()).df_reports()["index"].tolist() == values
    bad = scan_log(text.encode(), engine=engine).df_bad_pages()
    assert bad["index"].tolist() == values
    assert bad["raw3"].tolist() == values
