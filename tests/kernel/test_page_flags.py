"""Page flags: against the reported trace, against the research table, and no bit ever lost."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.page_flags import PageFlags, default_config, flag_table, flag_tables, tables_that_fit
from kvmlab.kernel.release import parse_version
from tests.kernel.strategies import OPTIONS, RELEASES, configs, releases, words

SEED = 0x0017FFFFC00A000C
SEED_NAMES = ("referenced", "uptodate", "mappedtodisk", "swapbacked")


def test_the_reported_word() -> None:
    flags = PageFlags.decode(SEED, "6.9.12-ajb-00008-gfcd4b7efbad0")
    assert flags.bits == ((2, "referenced"), (3, "uptodate"), (17, "mappedtodisk"), (19, "swapbacked"))
    assert flags.names == SEED_NAMES
    assert flags.mask == 0xA000C
    assert flags.flag_bits == 26
    assert flags.upper == 0x0017FFFFC0000000
    assert flags.unknown == 0
    assert flags.caveat is None
    assert str(flags) == "|".join(SEED_NAMES)
    assert "lru" not in flags


# The same word with the tables of other releases: what a reader would see who took a neighbour's table.
@pytest.mark.parametrize(
    ("release", "names"),
    [
        ("6.1.192", ("uptodate", "dirty", "mappedtodisk", "swapbacked")),
        ("6.12.117+deb12-amd64", ("referenced", "uptodate", "swapbacked", "mlocked")),
        ("6.14.0", ("referenced", "uptodate", "swapbacked", "dropbehind")),
        ("6.10.0", ("referenced", "uptodate", "reclaim", "unevictable")),
        ("6.5.0", ("uptodate", "dirty", "mappedtodisk", "swapbacked")),
    ],
)
def test_another_release_gives_other_names(release: str, names: tuple[str, ...]) -> None:
    assert PageFlags.decode(SEED, release).names == names


# Bit orders of x86-64 distribution kernels, typed by hand from the log format notes.
@pytest.mark.parametrize(
    ("release", "order"),
    [
        (
            "4.20",
            "locked referenced uptodate dirty lru active workingset waiters error slab owner_priv_1 arch_1 reserved "
            "private private_2 writeback head mappedtodisk reclaim swapbacked unevictable mlocked uncached "
            "hwpoison young idle",
        ),
        (
            "6.6",
            "locked writeback referenced uptodate dirty lru head waiters active workingset error slab owner_priv_1 "
            "arch_1 reserved private private_2 mappedtodisk reclaim swapbacked unevictable mlocked uncached hwpoison "
            "young idle",
        ),
        (
            "6.12",
            "locked writeback referenced uptodate dirty lru head waiters active workingset owner_priv_1 owner_2 arch_1 "
            "reserved private private_2 reclaim swapbacked unevictable mlocked hwpoison young idle arch_2",
        ),
        (
            "6.14",
            "locked writeback referenced uptodate dirty lru head waiters active workingset owner_priv_1 owner_2 arch_1 "
            "reserved private private_2 reclaim swapbacked unevictable dropbehind mlocked hwpoison young idle arch_2",
        ),
    ],
)
def test_bit_orders_of_distribution_kernels(release: str, order: str) -> None:
    assert flag_table(release).names(default_config("x86_64", release)) == tuple(order.split())


@pytest.mark.parametrize(
    "release", ["syzkaller", "", "2.6.31", "2.4.20", "6.20.0", "7.3.4+deb13-amd64", "next-20230915"]
)
def test_an_unknown_release_is_said(release: str) -> None:
    with pytest.raises(UnknownRelease, match=r"2\.6\.32 to 6\.19 are covered"):
        PageFlags.decode(SEED, release)


@pytest.mark.parametrize(
    ("release", "sure"),
    [
        ("6.9.12", True),  # read
        ("6.7.0", True),  # between 6.6 and 6.8, which agree
        ("5.9.0", False),  # between 5.8 and 5.10, which differ
        ("4.3.0", False),
        ("4.10.0", False),
        ("6.9.0-07381-g3860ca371740", False),  # on the way to 6.10, whose table is another
        ("6.10.0-07381-g3860ca371740", True),
        ("6.11.0-next-20240920", False),
    ],
)
def test_a_table_that_was_not_read_for_the_release_carries_a_caveat(release: str, sure: bool) -> None:
    assert (PageFlags.decode(SEED, release).caveat is None) is sure


@given(words, releases, configs, st.integers(0, 64))
def test_no_bit_is_ever_lost(value: int, release: str, config: dict[str, bool], fields_from: int) -> None:
    for flags in (
        PageFlags.decode(value, release, config=config),
        PageFlags.decode(value, release, config=config, fields_from=fields_from),
    ):
        assert flags.mask | flags.unknown | flags.upper == value
        assert not flags.mask & flags.unknown
        assert not flags.mask & flags.upper
        assert not flags.unknown & flags.upper
        assert flags.upper & (1 << flags.flag_bits) - 1 == 0


@given(releases, configs)
def test_every_build_has_at_most_one_name_for_a_bit_and_one_bit_for_a_name(
    release: str, config: dict[str, bool]
) -> None:
    names = flag_table(release).names(config)
    assert len(set(names)) == len(names)
    for bit, name in enumerate(names):
        assert PageFlags.decode(1 << bit, release, config=config).bits == ((bit, name),)


def test_bits_above_the_flags_are_kept_apart_where_the_fields_are_known() -> None:
    flags = PageFlags.decode(SEED | 1 << 28, "6.9.12", fields_from=30)
    assert flags.unknown == 1 << 28
    assert flags.upper == 0x0017FFFFC0000000
    assert str(flags).endswith("|0x10000000")


def test_tables_cover_all_releases_without_gap_or_overlap() -> None:
    tables = flag_tables()
    assert (tables[0].since, tables[-1].until) == ("2.6.32", "6.19")
    for older, newer in itertools.pairwise(tables):
        assert parse_version(older.until) < parse_version(newer.since)
    for release in RELEASES:
        assert flag_table(release) in tables


def test_tables_that_fit_put_the_neighbour_first() -> None:
    fits = tables_that_fit(SEED, SEED_NAMES, release="6.5.0-vendor")
    assert [str(fit.table) for fit in fits] == ["6.6 to 6.9", "4.3", "2.6.38 to 4.2"]
    assert [fit.distance for fit in fits] == [1, -9, -10]
    assert not fits[0].differs
    assert tables_that_fit(SEED, ["referenced"]) == ()
    assert tables_that_fit(SEED, [*SEED_NAMES, "no_such_flag"]) == ()


def test_tables_that_fit_say_which_option_must_differ() -> None:
    # Without PG_uncached, hwpoison of 6.9 is bit 22.
    (fit,) = [f for f in tables_that_fit(1 << 22, ["hwpoison"], release="6.9") if f.distance == 0]
    assert fit.differs == ("CONFIG_ARCH_USES_PG_UNCACHED",)


@given(releases, words)
def test_the_release_that_printed_a_word_is_among_those_that_fit(release: str, value: int) -> None:
    flags = PageFlags.decode(value, release)
    fits = tables_that_fit(value, flags.names, release=release)
    assert flags.table in [str(fit.table) for fit in fits]
    assert fits[0].distance == 0


@given(releases, words, st.integers(0, len(flag_tables()) - 1))
def test_tables_that_fit_are_those_of_a_plain_search(release: str, value: int, index: int) -> None:
    printed = PageFlags.decode(value, release).names
    table = flag_tables()[index]
    distances = []
    for choice in itertools.product((True, False), repeat=len(table.options)):
        config = dict(zip(table.options, choice, strict=True))
        if {name for bit, name in enumerate(table.names(config)) if value >> bit & 1} == set(printed):
            defaults = default_config("x86_64", None, 64)
            distances.append(sum(config[option] != defaults.get(option, False) for option in table.options))
    fits = [fit for fit in tables_that_fit(value, printed) if fit.table is table]
    assert [len(fit.differs) for fit in fits] == ([min(distances)] if distances else [])
    for fit in fits:
        names = table.names(fit.config)
        assert {name for bit, name in enumerate(names) if value >> bit & 1} == set(printed)


def test_a_negative_word_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="unsigned"):
        PageFlags.decode(-1, "6.9")


def test_agrees_with_the_research_table_in_every_build(shared: Path) -> None:
    """The research table lists the bit of every name for every combination of options; this one derives it."""
    with (shared / "reference" / "page_flags.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    compared = 0
    # It assumes both: without them its later bits do not move down.
    assumed = {"CONFIG_MMU", "CONFIG_64BIT"}
    for since in {row["version_from"] for row in rows}:
        mine = [row for row in rows if row["version_from"] == since]
        options = sorted({part.split("=")[0] for row in mine for part in row["config_needed"].split()} - assumed)
        for choice in itertools.product((True, False), repeat=len(options)):
            chosen = dict(zip(options, choice, strict=True))
            config = dict.fromkeys(OPTIONS, False) | chosen | dict.fromkeys(assumed, True)
            expected = {
                int(row["bit"]): row["name"]
                for row in mine
                if all(config[part[:-2]] == part.endswith("=y") for part in row["config_needed"].split())
            }
            assert dict(enumerate(flag_table(since).names(config))) == expected
            compared += 1
    assert compared == 220
