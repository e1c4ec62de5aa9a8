"""Second meanings of page flags by kind of page and release."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from kvmlab.kernel.page_flag_aliases import PageKind, aliases_of, expand, flag_aliases, flag_meaning
from kvmlab.kernel.page_flags import PageFlags, default_config, flag_table, flag_tables

SEED = 0x0017FFFFC00A000C


def names(value: int, release: str, kind: PageKind | None) -> list[str]:
    return [m.name for m in expand(PageFlags.decode(value, release), kind, release)]


def test_bit_17_of_the_reported_anonymous_page_is_anon_exclusive() -> None:
    meanings = expand(PageFlags.decode(SEED, "6.9.12"), PageKind.ANON, "6.9.12")
    (bit17,) = [m for m in meanings if m.bit == 17]
    assert (bit17.printed, bit17.name, bit17.certain) == ("mappedtodisk", "anon_exclusive", True)
    assert names(SEED, "6.9.12", PageKind.FILE)[2] == "mappedtodisk"
    assert names(SEED, "6.9.12", None) == ["referenced", "uptodate", "mappedtodisk", "swapbacked"]


@pytest.mark.parametrize(
    ("release", "flag", "kind", "alias"),
    [
        ("6.12.117", "owner_2", PageKind.ANON, "anon_exclusive"),
        ("6.12.117", "owner_2", PageKind.FILE, "mappedtodisk"),
        ("6.12.117", "active", PageKind.FIRST_TAIL, "has_hwpoisoned"),
        ("6.8.1", "active", PageKind.FIRST_TAIL, "hugetlb"),
        ("6.9.0", "active", PageKind.FIRST_TAIL, "active"),
        ("6.9.0", "uptodate", PageKind.BUDDY, "reported"),
        ("6.1.0", "workingset", PageKind.FIRST_TAIL, "double_map"),
        ("6.6.0", "workingset", PageKind.FIRST_TAIL, "large_rmappable"),
        ("6.1.0", "owner_priv_1", PageKind.ANON, "swapcache"),
        ("6.1.0", "owner_priv_1", PageKind.FILE, "checked"),
        ("6.9.0", "owner_priv_1", PageKind.XEN, "pinned/foreign/xen_remapped"),
        ("6.18.0", "uptodate", PageKind.MOVABLE, "movable_ops"),
        ("3.10.0", "mappedtodisk", PageKind.ANON, "mappedtodisk"),
    ],
)
def test_second_meanings(release: str, flag: str, kind: PageKind, alias: str) -> None:
    bit = flag_table(release).names(default_config("x86_64", release)).index(flag)
    assert names(1 << bit, release, kind) == [alias]


def test_a_release_that_nobody_read_is_said() -> None:
    (found,) = aliases_of("mappedtodisk", "5.18.0", PageKind.ANON)
    assert found[1] is None
    (meaning,) = expand(PageFlags.decode(1 << 17, "5.18.0"), PageKind.ANON, "5.18.0")
    assert (meaning.name, meaning.certain) == ("anon_exclusive", False)


def test_every_printed_name_and_every_flag_of_an_alias_has_a_meaning() -> None:
    printed = {name for table in flag_tables() for name, _ in table.entries}
    assert [name for name in sorted(printed) if flag_meaning(name) is None] == []
    assert {alias.flag for alias in flag_aliases()} <= printed
    assert flag_meaning("no_such_flag") is None


def test_agrees_with_the_research_table(shared: Path) -> None:
    with (shared / "reference" / "page_flag_aliases.csv").open(newline="") as file:
        expected = [
            (
                r["first_tree_with"],
                "" if r["last_tree_with"] == "6.19" else r["last_tree_with"],
                r["alias"],
                r["real_flag"],
            )
            for r in csv.DictReader(file)
        ]

    def text(version: tuple[int, ...] | None) -> str:
        return "" if version is None else ".".join(map(str, version))

    mine = [(text(a.period.since), text(a.period.until), a.alias, a.flag) for a in flag_aliases()]
    assert sorted(mine) == sorted(expected)
