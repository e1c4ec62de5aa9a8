"""Every row of the tables against its own sample."""

from __future__ import annotations

import pytest

from kvmlab.text.pair_rows import PAIRS
from kvmlab.text.pairs import pair_of
from kvmlab.text.prefix import HOT, match_prefix
from kvmlab.text.prefix_rows import ROWS, Stage
from kvmlab.text.reader import read_text
from kvmlab.text.record import Role
from kvmlab.text.shape_rows import SHAPES
from kvmlab.text.shapes import has_shape, shape_of


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_prefix_row(row):
    prefix = match_prefix(row.sample)
    assert prefix is not None
    assert row.name in prefix.rows
    assert row.sample[prefix.end :] == row.message
    assert prefix.kernel
    (record,) = read_text((row.sample + "\n").encode()).logs()
    assert (record.text, record.prefix) == (row.message, prefix.name)


def test_prefix_names_are_unique():
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", [row for row in ROWS if row.stage is Stage.TIME], ids=lambda row: row.name)
def test_every_time_may_stand_behind_a_level_and_before_a_caller(row):
    time = row.sample.removesuffix(" " + row.message)
    for line in (f"<4>{time}[ T1234]  <TASK>", f"kern  :warn  : {time} [   C0]  <TASK>"):
        prefix = match_prefix(line)
        assert (line[prefix.end :], prefix.level, prefix.caller[0]) == (" <TASK>", 4, prefix.caller[0])


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_shape(shape):
    assert shape_of(shape.sample) == shape.name
    assert has_shape("  " + shape.sample)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.name} {pair.sample[1][:12]}")
def test_pair(pair):
    upper, lower = pair.sample
    assert pair_of(upper, upper, lower) == pair.name
    assert pair_of("usb 1-1: new device", "usb 1-1: new device", "usb 1-2: new device") is None


@pytest.mark.parametrize(
    "line",
    [
        "[1] foo",
        "[2]. bar",
        "12.5 [x]",
        "However, this is prose",
        "On Thu, Feb 29, 2024, A wrote:",
        "> [1.0] x",
        "",
        "   ",
        "[  1.1] x",
    ],
)
def test_what_is_no_prefix(line):
    assert match_prefix(line) is None


def test_programs_are_told_from_the_kernel():
    assert not match_prefix("May 26 04:02:34 mr-fox CROND[12]: (root) CMD (x)").kernel
    assert match_prefix("May 26 04:02:34 mr-fox kernel: x").kernel
    assert match_prefix("[    1.200000] process qemu[12]: text of the kernel").kernel
    assert match_prefix("[    1.200000] systemd[1]: Started").rows == ("dmesg_seconds",)
    assert match_prefix("[    1.200000] usb 1-1: new device").kernel


@pytest.mark.parametrize(
    "line",
    [
        "[    1.200000] usb 1-1: x",
        "[    1.200000][ T1]  <TASK>",
        "[252080.141632] page: x",
        "[    1.2]",
        "[    1.200000] host kernel: x",
    ],
)
def test_the_quick_pattern_agrees_with_the_table(line):
    hot, prefix = HOT.match(line), match_prefix(line)
    if hot is not None:
        assert (hot.end(), f"{hot[1]}.{hot[2]}", hot[3]) == (prefix.end, prefix.timestamp, prefix.caller)
        assert prefix.rows == ("dmesg_seconds", "caller")[: 1 + (hot[3] is not None)]


def test_times():
    prefix = match_prefix("[252080.141632] x")
    assert (prefix.timestamp, prefix.time_ns) == ("252080.141632", 252080141632000)
    prefix = match_prefix("6,2565,102258085667,-,caller=T8;x")
    assert (prefix.timestamp, prefix.level, prefix.caller) == ("102258.085667", 6, "T8")
    assert match_prefix("[Wed Nov 25 05:15:47 2026] x").clock == "Wed Nov 25 05:15:47 2026"


def test_the_host_tells_programs_from_the_kernel_in_a_journal_with_the_kernels_clock() -> None:
    journal = (
        b"[    1.100000] draig kernel: usb 1-1: new device\n"
        b"[    1.200000] draig systemd[1]: Started\n"
        b"[    1.300000] process qemu[12]: text of the kernel\n"
    )
    kernel, program, other = read_text(journal).records
    assert (kernel.role, program.role, other.role) == (Role.LOG, Role.OTHER, Role.LOG)
    assert (program.text, program.host, program.timestamp) == ("Started", "draig", "1.200000")
    assert read_text(journal[journal.index(b"[    1.2") :]).kind == "dmesg"
