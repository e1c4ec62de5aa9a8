"""Field layouts solved from printed lines: the reported one has exactly one answer, others keep all of theirs."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kvmlab.kernel.flag_layout import FIELD_NAMES, FieldLayout, solve_layout
from kvmlab.kernel.page_flags import PageFlags
from tests.kernel.strategies import releases

SEED = 0x0017FFFFC00A000C
SEED_FIELDS = {"node": 0, "zone": 2, "lastcpupid": 0x1FFFFF}


def test_the_reported_word_has_exactly_one_layout() -> None:
    found = solve_layout(SEED, SEED_FIELDS, "6.9.12-ajb-00008-gfcd4b7efbad0")
    assert found.unique
    layout = found.preferred
    assert layout is not None
    assert (layout.section_width, layout.kasantag_width) == (0, 0)
    assert (layout.node_shift, layout.node_width) == (54, 10)
    assert (layout.zone_shift, layout.zone_width) == (51, 3)
    assert (layout.lastcpupid_shift, layout.lastcpupid_width) == (30, 21)
    assert layout.max_cpus == 8192
    assert layout.max_nodes == 1024
    assert found.lastcpupid_is_reset is True
    assert found.left_over == 0
    assert found.lru_gen == (0, 0)
    flags = PageFlags.decode(SEED, "6.9.12", fields_from=layout.kasantag_shift)
    assert (flags.unknown, flags.upper) == (0, 0x0017FFFFC0000000)


def test_an_ambiguous_word_keeps_all_its_layouts() -> None:
    found = solve_layout(0xFFF00000000200, {"node": 0, "zone": 1, "lastcpupid": 0x7FF}, "6.5.0")
    assert {(la.node_width, la.zone_width, la.lastcpupid_width) for la in found.layouts} == {
        (8, 1, 11),
        (7, 2, 11),
        (6, 3, 11),
    }
    assert not found.unique
    assert found.preferred == FieldLayout(64, 0, 6, 3, 11, 0)
    assert "3 layouts" in found.reason


def test_a_build_without_vmemmap_has_a_section_field() -> None:
    # Printed by a 6.12 kernel built with SPARSEMEM and without SPARSEMEM_VMEMMAP: 46 - 27 section bits.
    found = solve_layout(0x280000020808, {"section": 1, "zone": 1}, "6.12.117")
    assert found.unique
    assert found.preferred == FieldLayout(64, 19, 0, 2, 0, 0)
    assert found.preferred.max_cpus is None
    assert found.lastcpupid_is_reset is None
    # With section 0 the word leaves three layouts; the usual 19 bits come first.
    zero = solve_layout(0x80000020808, {"section": 0, "zone": 1}, "6.12.117")
    assert len(zero.layouts) == 3
    assert zero.preferred == FieldLayout(64, 19, 0, 2, 0, 0)


def test_bits_that_no_name_explains_are_lru_gen_or_left_over() -> None:
    # 6.12, Debian: CONFIG_LRU_GEN, 24 page flags; generation 4 would be stored as 5 in the three bits below bit 30.
    value = 0x0017FFFFC0000000 | 5 << 27 | 2 << 25
    found = solve_layout(value, SEED_FIELDS, "6.12.117")
    assert found.flag_bits == 24
    assert found.unique
    assert found.left_over == 5 << 27 | 2 << 25
    assert found.lru_gen == (5, 2)


def test_a_32_bit_word() -> None:
    found = solve_layout(0x80000000, {"zone": 2}, "5.18.0", width=32)
    assert found.unique
    assert found.preferred == FieldLayout(32, 0, 0, 2, 0, 0)


def test_fields_that_contradict_the_word_have_no_layout() -> None:
    found = solve_layout(SEED, {"node": 3, "zone": 2, "lastcpupid": 0x1FFFFF}, "6.9.12")
    assert found.layouts == ()
    assert found.preferred is None
    assert not found.unique
    assert found.lru_gen is None
    assert "no widths" in found.reason
    assert solve_layout(1 << 80, {"zone": 0}, "6.9").layouts == ()


def test_a_line_without_fields_has_nothing_to_solve() -> None:
    found = solve_layout(SEED, {}, "5.10.7")
    assert (found.layouts, found.reason) == ((), "the line prints no fields")


def test_an_unknown_release_only_loses_the_room_for_flags() -> None:
    found = solve_layout(SEED, SEED_FIELDS, "syzkaller")
    assert found.unique
    assert found.flag_bits == 0


@pytest.mark.parametrize("printed", [{"colour": 1}, {"node": 0, "zones": 2}])
def test_a_field_of_another_name_is_a_mistake(printed: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="no field is called"):
        solve_layout(SEED, printed, "6.9")
    with pytest.raises(ValueError, match="unsigned"):
        solve_layout(-1, {}, "6.9")


@given(
    st.builds(
        FieldLayout,
        st.just(64),
        st.sampled_from([0, 0, 19]),
        st.integers(0, 10),
        st.integers(0, 3),
        st.sampled_from([0, 9, 13, 16, 21]),
        st.sampled_from([0, 0, 8]),
    ),
    st.lists(st.integers(0, 2**21 - 1), min_size=5, max_size=5),
    st.integers(0, 2**20 - 1),
    releases,
)
def test_the_layout_that_made_a_word_is_among_its_solutions(
    layout: FieldLayout, numbers: list[int], low: int, release: str
) -> None:
    assume(layout.kasantag_shift >= 30)
    shifts = (
        layout.section_shift,
        layout.node_shift,
        layout.zone_shift,
        layout.lastcpupid_shift,
        layout.kasantag_shift,
    )
    widths = (
        layout.section_width,
        layout.node_width,
        layout.zone_width,
        layout.lastcpupid_width,
        layout.kasantag_width,
    )
    printed = {
        name: number & (1 << width) - 1
        for name, number, width in zip(FIELD_NAMES, numbers, widths, strict=True)
        if width
    }
    value = low
    for name, shift in zip(FIELD_NAMES, shifts, strict=True):
        value |= printed.get(name, 0) << shift
    assert layout.fields(value) == printed
    found = solve_layout(value, printed, release)
    if printed:
        assert layout in found.layouts
    for other in found.layouts:
        assert other.fields(value) == printed
