"""States as packed integers: named fields, and the two functions through which all model code reads and writes them.

The rules of the model are plain functions over such an integer. They are written once: Python calls them one at a
time (a replay, with a ledger), and the explorer compiles the very same functions. For that they keep to integers,
tuples and `if`, and are marked with `@model_code`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

WORD = 63
"""Bits of a word that a state uses: Python's and a compiled signed 64-bit integer agree on them."""

_F = TypeVar("_F", bound=Callable[..., Any])

_model_code: list[Callable[..., Any]] = []


def model_code(function: _F) -> _F:
    """Mark a function as part of the model, so that the explorer can compile it; it stays as it is."""
    _model_code.append(function)
    return function


def all_model_code() -> tuple[Callable[..., Any], ...]:
    """The functions that have been marked so far, in the order of their definition."""
    return tuple(_model_code)


class Field(NamedTuple):
    """Where a field stands in a state; a field of width 0 reads as 0 and keeps nothing.

    Args:
        at: lowest bit of its first element.
        width: bits of an element.
        stride: bits from one element to the next.
    """

    at: int
    width: int
    stride: int


@model_code
def read(s: int, f: Field, i: int) -> int:
    """Element `i` of a field.

    >>> read(0b101_00, Field(2, 3, 3), 0)
    5
    """
    return (s >> (f.at + f.stride * i)) & ((1 << f.width) - 1)


@model_code
def write(s: int, f: Field, i: int, value: int) -> int:
    """The state with element `i` of a field set to `value`, which must fit.

    >>> write(0b101_00, Field(2, 3, 3), 0, 3)
    12
    """
    if f.width == 0:
        return s
    at = f.at + f.stride * i
    return (s & ~(((1 << f.width) - 1) << at)) | (value << at)


@model_code
def put_state(states: Any, i: int, s: int) -> None:
    """Put a state into place `i` of a list (of arrays of words, where this is compiled)."""
    states[i] = s


class Layout:
    """Lays fields out, word by word; no element crosses a word.

    >>> layout = Layout()
    >>> layout.array("refcount", 3, 2), layout.array("pc", 4, 1)
    (Field(at=0, width=3, stride=3), Field(at=6, width=4, stride=4))
    >>> layout.bits, layout.words
    (10, 1)
    """

    def __init__(self) -> None:
        self.fields: dict[str, tuple[Field, int]] = {}
        self._free = [0]

    def array(self, name: str, width: int, n: int) -> Field:
        """Add `n` elements of `width` bits each and return where they are.

        Args:
            name: name of the field.
            width: bits of one element.
            n: how many elements.
        """
        size = width * n
        if size > WORD:
            # Wider than a word: only interpreted runs use such states, and there a state is one long integer.
            word = len(self._free)
            self._free += [WORD] * (-(-size // WORD))
        else:
            word = next((k for k, used in enumerate(self._free) if used + size <= WORD), len(self._free))
            if word == len(self._free):
                self._free.append(0)
        at = word * WORD + (0 if size > WORD else self._free[word])
        if size <= WORD:
            self._free[word] += size
        field = Field(at, width, width)
        self.fields[name] = (field, n)
        return field

    def records(self, widths: Mapping[str, int], n: int) -> dict[str, Field]:
        """Add `n` records whose fields stand next to each other, so that whole records can be compared and swapped.

        Args:
            widths: name to bits of each field of a record.
            n: how many records.

        >>> Layout().records({"pc": 4, "stale": 1}, 2)
        {'pc': Field(at=0, width=4, stride=5), 'stale': Field(at=4, width=1, stride=5)}
        """
        size = sum(widths.values())
        whole = self.array("", size, n)
        del self.fields[""]
        at, found = whole.at, {}
        for name, width in widths.items():
            found[name] = Field(at, width, size)
            self.fields[name] = (found[name], n)
            at += width
        return found

    @property
    def bits(self) -> int:
        """Bits in use."""
        return sum(field.width * n for field, n in self.fields.values())

    @property
    def words(self) -> int:
        """Words of `WORD` bits that a state needs."""
        return len(self._free)

    def decode(self, s: int) -> dict[str, tuple[int, ...]]:
        """Every field of a state by name, for printing and comparing."""
        return {name: tuple(read(s, field, i) for i in range(n)) for name, (field, n) in self.fields.items()}
