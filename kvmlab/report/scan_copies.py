"""Rows of a scan that are copies of earlier ones to the last number, as in a log that was appended to itself.

They are put together by comparing numbers, or the bytes of the text where the numbers do not say everything: reading
them once more as reports would take a log's worth of objects.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.scan_rows import stretches
from kvmlab.report.scan_text import Stretches

# What a row says of its report, whatever its place in the text.
_FACTS = [column for column in range(r.N_COLUMNS) if column not in (r.START, r.STOP, r.LINE, r.TRACE_AT)]
_K = np.uint64(0x9E3779B97F4A7C15)


def exact_copies(rows: Any, doubtful: Any, text: Stretches, interleaved: bool) -> tuple[Any, dict[int, int]]:
    """Which rows are copies of an earlier one, and how many copies each row has that has any.

    Args:
        rows: the rows.
        doubtful: numbers of those that could be copies, in order (numpy int64).
        text: where the bytes of rows can be read once more.
        interleaved: whether lines name their callers, which rows do not hold.

    Returns:
        numbers of the copies (numpy int64), and copies by the number of the row that is kept.
    """
    timed = rows[doubtful, r.TIME_US] >= 0 if not interleaved else np.zeros(len(doubtful), bool)
    copies, originals = [], []
    # A report without a time is a copy only if it is one word for word; a row does not hold all its words.
    for numbers, keys in (_by_facts(rows, doubtful[timed]), _by_text(rows, doubtful[~timed], text)):
        order = np.argsort(keys, kind="stable")
        numbers, keys = numbers[order], keys[order]
        first = np.maximum.accumulate(np.where(np.append(True, keys[1:] != keys[:-1]), np.arange(len(keys)), 0))
        copies.append(numbers[first != np.arange(len(keys))])
        originals.append(numbers[first][first != np.arange(len(keys))])
    copy, original = np.concatenate(copies), np.concatenate(originals)
    same = np.zeros(len(copy), bool)
    for start, stop in stretches(len(copy)):
        a, b = rows[copy[start:stop]], rows[original[start:stop]]
        same[start:stop] = (a[:, _FACTS] == b[:, _FACTS]).all(axis=1)
    kept, counts = np.unique(original[same], return_counts=True)
    return copy[same], dict(zip(kept.tolist(), counts.tolist(), strict=True))


def _by_facts(rows: Any, numbers: Any) -> tuple[Any, Any]:
    """The numbers, and for each a number that equal rows share."""
    keys = np.zeros(len(numbers), np.uint64)
    for start, stop in stretches(len(numbers)):
        held = rows[numbers[start:stop]]
        for column in _FACTS:
            keys[start:stop] = (keys[start:stop] ^ held[:, column].view(np.uint64)) * _K
            keys[start:stop] ^= keys[start:stop] >> np.uint64(32)
    return numbers, keys


def _by_text(rows: Any, numbers: Any, text: Stretches) -> tuple[Any, Any]:
    """The numbers whose text can still be read, and for each the hash of its text."""
    kept: list[int] = []
    keys: list[bytes] = []
    for number in numbers.tolist():
        start, stop = int(rows[number, r.START]), int(rows[number, r.STOP])
        data = text.read(start, stop)
        if len(data) == stop - start:
            kept.append(number)
            keys.append(hashlib.blake2b(data, digest_size=32).digest())
    return np.array(kept, np.int64), np.array(keys, "S32") if keys else np.empty(0, "S32")
