"""Carriers that no table knows: what a console server puts in front of the kernel's lines, if it always does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice, pairwise

from kvmlab.text.prefix import match_prefix

# How many lines are looked at, and how many must agree.
_SAMPLE, _ENOUGH, _SHARE = 2000, 3, 0.6
_STAMP = re.compile(r"\[ *\d{1,12}\.\d{6}\]")
# What the lines of reports hold that nothing else does, where kernels print no timestamp; how many rows are looked at.
_TELLING = re.compile(
    r"(?:BUG: |Call [Tt]race:|page dumped because: |Modules linked in:|RIP: \d{4}:|flags: 0x[0-9a-f]+\(|---\[ end trace"
    r"|raw: [0-9a-f]{16} |WARNING: CPU: \d|page:(?: refcount:|[0-9a-f]{8})|Hardware name: )"
)
_FEW = 400
# A level may stand between the carrier and the message, another one on each line.
_LEVEL = re.compile(r"(?:kern *: *\w+ *: |<\d{1,3}>)$")
# Lines with numbers in front, and how many of them must follow each other.
_NUMBERED = re.compile(r"[ \t]{0,12}(\d{1,9})([ \t:.)|\]>-]{1,6})")
_NUMBERS, _NEARLY = 5, 0.9
_DIGITS = re.compile(r"\d+")
_REACH = 160


def learn_carrier(rows: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern for what stands before the kernel's timestamp, if most rows have the same there but for digits.

    Without timestamps, it is what stands before the telling lines of reports, if most rows begin with it.

    >>> rows = [f"lab-7|12:0{n}|[    1.00000{n}] x" for n in range(5)]
    >>> learn_carrier(rows).match("lab-7|12:44|[    9.000000] y").end()
    12
    """
    seen: Counter[str] = Counter()
    first: list[str] = []
    for row in islice(rows, _SAMPLE):
        text = row[:_REACH]
        if len(first) < _FEW and text.strip():
            first.append(text)
        stamp = _STAMP.search(text)
        if stamp is None or not text[: stamp.start()].strip() or match_prefix(text):
            continue
        seen[_DIGITS.sub("0", text[: stamp.start()])] += 1
    if not seen:
        return _numbers(first) or _without_stamp(first)
    common, count = seen.most_common(1)[0]
    if count < _ENOUGH or count < _SHARE * seen.total() or common.strip(" >|") == "":
        return None
    return re.compile(_DIGITS.sub(r"\\d+", re.escape(common)))


def _numbers(rows: list[str]) -> re.Pattern[str] | None:
    """What stands before the messages if somebody has numbered the lines.

    >>> _numbers(["  9 | a", " 10 |  b", " 11 | c", " 12 | d", " 13 | e"]).match(" 14 |  f").end()
    6
    """
    found = [_NUMBERED.match(text) for text in rows]
    numbers = [int(one[1]) for one in found if one]
    steps = sum(b == a + 1 for a, b in pairwise(numbers))
    if len(numbers) < max(_NUMBERS, _NEARLY * len(rows)) or steps < _NEARLY * (len(numbers) - 1):
        return None
    prefixes = [prefix for text in rows[:_NUMBERS] if (prefix := match_prefix(text))]
    if any(not name.startswith("line_number") for prefix in prefixes for name in prefix.rows):
        # The table knows what stands behind the numbers.
        return None
    tails = [one[2] for one in found if one and len(one[0]) < len(one.string.rstrip())]
    least, most = min(tails, default=""), max(tails, default="")
    behind = "".join(a for k, a in enumerate(least) if most.startswith(least[: k + 1]))
    return re.compile(rf"[ \t]*\d+{re.escape(behind)}") if behind else None


def _without_stamp(rows: list[str]) -> re.Pattern[str] | None:
    heads: Counter[str] = Counter()
    # A text may hold what other loggers have written, too.
    strange = [text for text in rows if not match_prefix(text)]
    for text in strange:
        found = _TELLING.search(text)
        head = _LEVEL.sub("", text[: found.start()]) if found else ""
        if head.strip(" >|\t*-"):
            heads[_DIGITS.sub("0", head)] += 1
    if not heads:
        return None
    common, count = heads.most_common(1)[0]
    pattern = re.compile(_DIGITS.sub(r"\\d+", re.escape(common)))
    alike = sum(pattern.match(text) is not None for text in strange)
    return pattern if count >= _ENOUGH and alike >= _SHARE * len(strange) else None
