"""Packed states: what is written is read, nothing else moves, no element crosses a word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kvmlab.memory.state import WORD, Field, Layout, read, write


@given(st.integers(0, 2**120), st.integers(1, 7), st.integers(0, 90), st.integers(0, 4), st.data())
def test_a_written_element_is_read_and_nothing_else_changes(
    state: int, width: int, at: int, i: int, data: st.DataObject
) -> None:
    field = Field(at, width, width)
    value = data.draw(st.integers(0, 2**width - 1))
    after = write(state, field, i, value)
    assert read(after, field, i) == value
    mask = (2**width - 1) << (at + width * i)
    assert after & ~mask == state & ~mask


def test_a_field_without_width_reads_as_zero_and_keeps_nothing() -> None:
    assert read(2**40 - 1, Field(3, 0, 0), 0) == 0
    assert write(5, Field(3, 0, 0), 0, 1) == 5


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 7)), max_size=20))
def test_fields_do_not_overlap_and_stay_inside_words(shapes: list[tuple[int, int]]) -> None:
    layout = Layout()
    seen = 0
    for number, (width, n) in enumerate(shapes):
        field = layout.array(f"f{number}", width, n)
        for i in range(n):
            mask = ((1 << width) - 1) << (field.at + field.stride * i)
            assert not seen & mask
            seen |= mask
            assert (
                width == 0
                or field.at + field.stride * i
                == WORD * ((field.at + field.stride * i) // WORD) + (field.at + field.stride * i) % WORD
            )
            assert (
                width == 0 or (field.at + field.stride * i) // WORD == (field.at + field.stride * i + width - 1) // WORD
            )
    assert layout.bits == seen.bit_count()


def test_a_state_is_decoded_field_by_field() -> None:
    layout = Layout()
    count, pc = layout.array("count", 3, 2), layout.array("pc", 4, 1)
    assert layout.decode(write(write(0, count, 1, 5), pc, 0, 9)) == {"count": (0, 5), "pc": (9,)}
