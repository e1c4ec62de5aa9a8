"""Carriers that no table knows: what a console server puts in front of the kernel's timestamp, if it always does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice

from kvmlab.text.prefix import match_prefix

# How many lines are looked at, and how many must agree.
_SAMPLE, _ENOUGH, _SHARE = 2000, 3, 0.6
_STAMP = re.compile(r"\[ *\d{1,12}\.\d{6}\]")
_DIGITS = re.compile(r"\d+")
_REACH = 160


def learn_carrier(rows: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern for what stands before the kernel's timestamp, if most rows have the same there but for digits.

    >>> rows = [f"lab-7|12:0{n}|[    1.00000{n}] x" for n in range(5)]
    >>> learn_carrier(rows).match("lab-7|12:44|[    9.000000] y").end()
    12
    """
    seen: Counter[str] = Counter()
    for row in islice(rows, _SAMPLE):
        text = row[:_REACH]
        stamp = _STAMP.search(text)
        if stamp is None or not text[: stamp.start()].strip() or match_prefix(text):
            continue
        seen[_DIGITS.sub("0", text[: stamp.start()])] += 1
    if not seen:
        return None
    common, count = seen.most_common(1)[0]
    if count < _ENOUGH or count < _SHARE * seen.total() or common.strip(" >|") == "":
        return None
    return re.compile(_DIGITS.sub(r"\\d+", re.escape(common)))
