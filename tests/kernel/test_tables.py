"""The data files of this room: well formed, with a source, and periods that say what nobody has read."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.release import parse_version
from kvmlab.kernel.tables import Period, covered_series, read_table

TABLES = [
    "bad_page_reasons",
    "check_masks",
    "constants",
    "errno",
    "free_checks",
    "functions",
    "kvm_ioctls",
    "memcg_data_tags",
    "page_flag_aliases",
    "page_flag_config",
    "page_flag_meanings",
    "page_flag_tables",
    "page_flags",
    "page_mapping_tags",
    "page_type_eras",
    "page_types",
    "poison",
    "struct_page",
    "taint",
    "x86_64_syscalls",
    "x86_rflags",
    "zones",
]


@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_every_column_and_the_file_its_source(name: str, root: Path) -> None:
    text = (root / "kvmlab" / "kernel" / "data" / f"{name}.csv").read_text(encoding="utf-8")
    header = [line for line in text.splitlines() if line.startswith("#")]
    assert header
    rows = read_table(name)
    assert rows
    in_header = any("ource:" in line or "was read" in line for line in header)
    assert in_header or all(row.get("source") or row.get("file") for row in rows)
    for row in rows:
        # A comma too many or too few shows as a None key or value.
        assert None not in row
        assert None not in row.values()


@pytest.mark.parametrize("name", [n for n in TABLES if n not in {"errno", "x86_64_syscalls", "x86_rflags"}])
def test_versions_are_versions_and_in_order(name: str) -> None:
    for row in read_table(name):
        known = [row.get(key) for key in ("not_in", "since", "until", "gone_by")]
        versions = [parse_version(text) for text in known if text]
        assert versions == sorted(versions), row


def test_a_period_says_what_nobody_has_read() -> None:
    period = Period((5, 19), (6, 11), not_in=(5, 17), gone_by=(6, 14))
    answers = {
        r: period.covers(r) for r in ("5.17", "5.18", "5.19", "6.11.3", "6.12", "6.13", "6.14", "syzkaller", "7.0")
    }
    assert answers == {
        "5.17": False,
        "5.18": None,
        "5.19": True,
        "6.11.3": True,
        "6.12": None,
        "6.13": None,
        "6.14": False,
        "syzkaller": None,
        "7.0": None,
    }
    assert str(period) == "5.19 to 6.11"
    assert str(Period((6, 12))) == "6.12 to the newest covered release"


def test_a_release_without_numbers_or_beyond_the_tables_is_an_error() -> None:
    assert covered_series("2.6.32.71", "page flags") == (2, 6, 32)
    with pytest.raises(UnknownRelease, match="does not begin with a version"):
        covered_series("syzkaller", "page flags")
    with pytest.raises(UnknownRelease, match=r"no table of page flags covers kernel 6\.20"):
        covered_series("6.20.1", "page flags")
    # A hostile token does not make the message long.
    with pytest.raises(UnknownRelease) as raised:
        covered_series("x" * 100_000, "page flags")
    assert len(str(raised.value)) < 300
