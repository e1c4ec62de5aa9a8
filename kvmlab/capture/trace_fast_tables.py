"""The event table as arrays, so that the compiled engine reads the same rows as the tolerant one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from kvmlab.kernel.events_forms import event_forms

MAX_FIELDS = 12
KINDS = "dxnswgp"
_SLOTS = 256
_FNV_BASIS, _FNV_PRIME, _U64 = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class FormArrays:
    """The forms of the event table.

    Args:
        slots: open-addressing table of event numbers by hash of the name, -1 is empty; int32.
        names: the bytes of all literals and event names; uint8.
        event_name: offset and length of each event's name in `names`; int64[events, 2].
        event_forms: first position in `order` and number of forms; int64[events, 2].
        order: form indices, those of one event together, in the order in which they are tried; int64.
        fields: number of fields of each form; int64.
        kind: kind of each field, its position in `KINDS`; int64[forms, MAX_FIELDS].
        stored: whether a field is stored; int64[forms, MAX_FIELDS].
        literal: offset and length of each literal in `names`; int64[forms, MAX_FIELDS + 1, 2].
    """

    slots: npt.NDArray[np.int32]
    names: npt.NDArray[np.uint8]
    event_name: npt.NDArray[np.int64]
    event_forms: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    fields: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int64]
    stored: npt.NDArray[np.int64]
    literal: npt.NDArray[np.int64]


def fnv(text: bytes) -> int:
    """The 64-bit FNV-1a hash that the compiled engine computes over the bytes of a text.

    >>> hex(fnv(b"a"))
    '0xaf63dc4c8601ec8c'
    """
    value = _FNV_BASIS
    for byte in text:
        value = ((value ^ byte) * _FNV_PRIME) & _U64
    return value


@cache
def form_arrays() -> FormArrays:
    """The arrays of the whole event table."""
    forms = event_forms()
    pool = bytearray()

    def place(text: str) -> tuple[int, int]:
        data = text.encode("latin-1")
        pool.extend(data)
        return len(pool) - len(data), len(data)

    events = list(dict.fromkeys(form.event for form in forms))
    slots = np.full(_SLOTS, -1, dtype=np.int32)
    for number, name in enumerate(events):
        slot = fnv(name.encode()) & (_SLOTS - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (_SLOTS - 1)
        slots[slot] = number
    names = np.array([place(name) for name in events], dtype=np.int64)
    order = [[f.index for f in forms if f.event == name] for name in events]
    counts = [len(group) for group in order]
    starts = np.cumsum([0, *counts[:-1]])
    kind = np.zeros((len(forms), MAX_FIELDS), dtype=np.int64)
    stored = np.zeros((len(forms), MAX_FIELDS), dtype=np.int64)
    literal = np.zeros((len(forms), MAX_FIELDS + 1, 2), dtype=np.int64)
    for form in forms:
        for k, field in enumerate(form.fields):
            kind[form.index, k] = KINDS.index(field.kind)
            stored[form.index, k] = bool(field.name)
        for k, text in enumerate(form.literals):
            literal[form.index, k] = place(text)
    return FormArrays(
        slots,
        np.frombuffer(bytes(pool), dtype=np.uint8),
        names,
        np.stack([starts, np.array(counts)], axis=1).astype(np.int64),
        np.array([i for group in order for i in group], dtype=np.int64),
        np.array([len(f.fields) for f in forms], dtype=np.int64),
        kind,
        stored,
        literal,
    )
