"""`explain` on the reported trace and on what it must not believe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.errors import UnusableInput
from kvmlab.inquiry.explain import explain
from kvmlab.inquiry.explanation import COLUMNS, Explanation
from kvmlab.inquiry.syscall import syscall_of
from kvmlab.report.log import Log, read_log

RAW = Path(__file__).resolve().parents[2] / "data" / "2024-07-31-kvm-bad-page-state" / "raw.txt"


@pytest.fixture(scope="module")
def log() -> Log:
    return read_log(RAW)


@pytest.fixture(scope="module")
def explanation(log: Log) -> Explanation:
    return explain(log)


def edited(*pairs: tuple[str, str]) -> Explanation:
    """The explanation of the reported trace with some of its text changed."""
    text = RAW.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return explain(read_log(text.encode()))


# Field, value, basis, and words that its meaning must have; worked out by hand from the text and the sources cited in
# the tables, not by this package.
EXPECTED = [
    ("pfn", "0xfb1665", "observed", ""),
    ("physical address", "0xfb1665000", "inferred", "62.77 GiB"),
    ("zone", "2 (Normal)", "inferred", "and it does"),
    ("refcount", "0", "observed", "Nobody holds"),
    ("mapcount", "1", "observed", "1 user page-table entry"),
    ("missing references", "at least 1", "inferred", "before this report"),
    ("kind of page", "anon", "inferred", "private anonymous mapping"),
    ("mapping", "0x0", "inferred", "the free path clears"),
    ("index", "0x7fa8117c3", "observed", ""),
    ("hva", "0x7fa8117c3000", "inferred", "index << 12"),
    ("reason", "nonzero mapcount", "observed", ""),
    ("what the reason rules out", "mapping, refcount, free_flags, memcg_data, pp_magic", "inferred", "mapping NULL"),
    ("flags", "0x17ffffc00a000c", "observed", "mappedtodisk"),
    ("flag table", "6.6 to 6.9", "inferred", "printed names"),
    ("anon_exclusive", "bit 17", "inferred", "Printed as mappedtodisk"),
    ("swapbacked", "bit 19", "observed", ""),
    ("lastcpupid", "0x1fffff", "inferred", "All ones"),
    (
        "field layout",
        "node 10 bits from bit 54, zone 3 bits from bit 51, lastcpupid 21 bits from bit 30",
        "inferred",
        "8192 CPUs",
    ),
    ("word 0: flags", "0x0017ffffc00a000c", "inferred", "agrees"),
    ("word 1: lru.next", "0xdead000000000100", "inferred", "LIST_POISON1"),
    ("word 2: lru.prev", "0xdead000000000122", "inferred", "LIST_POISON2"),
    ("word 3: mapping", "0x0000000000000000", "inferred", "agrees"),
    ("word 4: index", "0x00000007fa8117c3", "inferred", "agrees"),
    ("word 6: _mapcount, _refcount", "0x0000000000000000", "inferred", "mapcount of 1 (agrees"),
    ("list poison", "LIST_POISON1, LIST_POISON2", "inferred", "taken off"),
    ("call trace", "48 entries, 22 reliable", "observed", "26 marked ?"),
    ("which put", "drain of a per-CPU folio batch", "inferred", "31 folios"),
    ("system call in the registers", "KVM_RUN on fd 23", "inferred", "ORIG_RAX is lost"),
    ("RAX", "-38", "inferred", "ENOSYS"),
    ("user code", "0x7faa23e81c5b", "inferred", "RCX"),
    ("user flags", "0x246", "inferred", "PF, ZF, IF"),
    ("part of a series", "at 252080.141632 s", "inferred", "same microsecond"),
    ("noticed by", "CPU 8, PID 1819169, CPU 0/KVM", "observed", "does not make it"),
    ("kernel", "6.9.12-ajb-00008-gfcd4b7efbad0", "observed", "8 commits on top of v6.9.12"),
    ("taint", "GBW (0x220)", "observed", "WARN"),
    ("first of this boot", "no", "inferred", "not the first bad page"),
    ("modules", "259", "observed", ""),
    ("KVM module", "kvm_intel", "observed", ""),
    ("graphics driver", "i915", "observed", "amdgpu is not among them"),
    ("time", "252080.141632 s", "observed", "70.0 h"),
]


@pytest.mark.parametrize(("field", "value", "basis", "words"), EXPECTED, ids=[row[0] for row in EXPECTED])
def test_reported_trace(explanation: Explanation, field: str, value: str, basis: str, words: str) -> None:
    row = explanation.find(field)
    assert (row.value, str(row.basis)) == (value, basis)
    assert words in row.meaning


def test_rows_name_the_line_that_they_were_read_from(explanation: Explanation) -> None:
    lines = RAW.read_text().splitlines()
    needles = {
        "pfn": "pfn:fb1665",
        "refcount": "refcount:0",
        "flags": "0x17ffffc00a000c(",
        "reason": "nonzero mapcount",
        "word 0: flags": "raw: 0017ffffc00a000c",
        "taint": "Tainted:",
        "hardware": "Hardware name:",
        "which put": "folio_batch_move_lru",
        "modules": "Modules linked in:",
    }
    for field, needle in needles.items():
        line = explanation.find(field).line
        assert line is not None
        assert needle in lines[line - 1], field


def test_gaps_say_what_is_lost_and_how_to_get_it(explanation: Explanation) -> None:
    what = " / ".join(gap.what for gap in explanation.gaps)
    for part in ("first bad page of this boot", "ORIG_RAX", "</TASK>", "allocated the page", "not theirs"):
        assert part in what
    assert all(gap.why and gap.how for gap in explanation.gaps)


def test_system_call_of_the_fragment_as_worked_out_by_hand(log: Log) -> None:
    call = syscall_of(log.reports[0].registers)
    assert call is not None
    assert (call.nr, call.nr_inferred, call.name) == (None, 16, "ioctl")
    assert (call.fd, call.ioctl and call.ioctl.cmd, call.ioctl and call.ioctl.name) == (23, 0xAE80, "KVM_RUN")
    assert call.argument == 0
    assert (call.registers.rax, call.registers.errno) == (-38, "ENOSYS")
    assert call.registers.rflags is not None
    assert call.registers.rflags.names == ("PF", "ZF", "IF")


def test_the_senders_words_are_kept_apart(case_dir: Path) -> None:
    mail = b"Subject: it breaks\nFrom: somebody\nDate: Wed, 31 Jul 2024 12:00:00 +0000\n\nLook at this:\n\n"
    mail += (case_dir / "raw.txt").read_bytes() + b"\nThis repeats for many pages.\n"
    explanation = explain(read_log(mail))
    row = explanation.find("said by the sender")
    assert row.value == "This repeats for many pages."
    assert "at most 60 such reports" in row.meaning
    assert explanation.find("subject").value == "it breaks"
    assert not [r for r in explain(read_log(case_dir / "raw.txt")).rows if r.topic == row.topic]


def test_what_the_reporter_of_the_trace_states(shared: Path) -> None:
    expected = json.loads((shared / "reference" / "seed_expected.json").read_text(encoding="utf-8"))["repeat"]
    row = explain(read_log(shared / "seed" / "lkml-report.txt")).find("said by the sender")
    assert row.value == expected["text"]
    assert ("lower bound" in row.meaning) is expected["stated_by_reporter"]


def test_a_page_outside_its_zone_is_a_contradiction() -> None:
    row = edited(("pfn:fb1665", "pfn:0fffff"), ("pfn:0xfb1665", "pfn:0xfffff")).find("zone")
    assert "it does not" in row.meaning


def test_spoilt_word_is_said_to_contradict() -> None:
    row = edited(("raw: 00000007fa8117c3", "raw: 00000007fa8117c4")).find("word 4: index")
    assert "contradicts itself" in row.meaning


def test_names_of_another_table_are_said_not_used() -> None:
    row = edited(("6.9.12-ajb-00008-gfcd4b7efbad0", "6.12.1-vendor")).find("flag table")
    assert row.value == "contradiction"
    assert "6.6 to 6.9" in row.meaning


@pytest.mark.parametrize("release", ["7.9.1", "syzkaller", "99999999999999999999.1"])
def test_unknown_release_is_said_never_guessed(release: str) -> None:
    explanation = edited(("6.9.12-ajb-00008-gfcd4b7efbad0", release))
    assert explanation.find("flag table").value == "unknown release"
    assert explanation.find("raw").meaning.startswith("The layout of struct page is not known")
    assert not [row for row in explanation.rows if row.field == "anon_exclusive"]


def test_taint_without_b_is_the_first_report_of_the_boot() -> None:
    assert edited(("Tainted: G B W 6", "Tainted: G W 6")).find("first of this boot").value == "yes"
    assert edited(("Tainted: G B W 6", "Not tainted 6")).find("taint").value == "not tainted"


def test_amdgpu_in_the_list_is_not_denied() -> None:
    row = edited(("i915 i2c_algo_bit", "amdgpu i2c_algo_bit")).find("graphics driver")
    assert row.value == "amdgpu"
    assert "not among them" not in row.meaning


def test_log_text_is_escaped_in_the_notebook() -> None:
    html = edited(("CPU 0/KVM", "<b onx=1>")).__class__._repr_html_(edited(("CPU 0/KVM", "<b onx=1>")))
    assert "<b onx" not in html
    assert "&lt;b onx" in html


def test_frame_has_the_columns_of_the_table(explanation: Explanation) -> None:
    frame = explanation.df_rows()
    assert list(frame.columns) == ["Topic", *COLUMNS, "Line"]
    assert len(frame) == len(explanation.rows)
    assert set(frame["Observed, inferred or assumed"]) == {"observed", "inferred", "assumed"}


def test_a_log_without_reports_is_said() -> None:
    with pytest.raises(UnusableInput, match="no report found in 1 lines"):
        explain(read_log(b"[1.0] nothing to see\n"))


def test_a_report_that_is_not_there_is_said(log: Log) -> None:
    with pytest.raises(UnusableInput, match="there is no report 7; its reports are 0 to 1"):
        explain(log, index=7)


LINES = RAW.read_text().splitlines()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, len(LINES) - 1), max_size=12),
    st.lists(st.tuples(st.integers(0, len(LINES) - 1), st.text(max_size=12)), max_size=6),
)
def test_no_damage_makes_it_raise(dropped: list[int], changed: list[tuple[int, str]]) -> None:
    lines = list(LINES)
    for at, text in changed:
        middle = len(lines[at]) // 2
        lines[at] = lines[at][:middle] + text + lines[at][middle + len(text) :]
    kept = [line for at, line in enumerate(lines) if at not in set(dropped)]
    log = read_log("\n".join(kept).encode("utf-8", "surrogatepass"))
    for index in range(len(log.reports)):
        assert str(explain(log, index=index)) is not None
