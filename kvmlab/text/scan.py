"""First pass over a text: what each row is, one byte a row, so that a huge log costs little memory."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field, replace

from kvmlab.text.clean import COPY_MODE, MARKS, STANDS_OUT, clean, is_prompt
from kvmlab.text.lines import MAX_LINE, Lines
from kvmlab.text.pairs import pair_of
from kvmlab.text.prefix import HOT_BYTES, STAMP, Prefix, match_prefix
from kvmlab.text.quotes import peel
from kvmlab.text.shapes import has_shape

# Kinds of lines; letters, so that a text can be searched by regular expression over its kinds.
KERNEL, SHAPE, PLAIN, FOREIGN, BLANK, PROMPT, OUTSIDE, FRAGMENT, FIELD = b"KSPF_$.ND"

# A wrapped line whose continuation lines carry no quote marks has at most so many of them.
_LOST_MARKS = 60
# A further line of a record hangs at least so deep; a record has at most so many.
_DEEP, _HANGING = " " * 9, 40
# A timestamp behind which a message can begin.
_INNER = re.compile(STAMP.encode() + rb"(?=[ \[]|[\r\n])")
_INNER_TEXT = re.compile(STAMP)
# A message that kernels to 5.x print without a line break, and what they print next.
_OPEN_ENDED = re.compile(rb"hard LOCKUP on cpu \d{1,5}(?=Modules linked in:)")
# What /dev/kmsg puts below a message.
_DICTIONARY = re.compile(r" [A-Za-z][\w.-]{0,63}=")
# A message of the kernel in the output of `journalctl -o short-monotonic` or `short-delta`, and how one of a program
# begins there behind the time: only the name of the host tells it from a message of the kernel.
_MONOTONIC = re.compile(rb"(?m)^\[ *\d+\.\d{6}[^\]\n]{0,30}\] ([A-Za-z0-9][\w.-]{0,63}) kernel: ")
_PROGRAM = r" (?:kernel|[\w.()@/-]{1,64}\[\d{1,10}\]): "
_MONOTONIC_ROWS = {"dmesg_seconds": "journal_monotonic", "dmesg_delta_pair": "journal_delta"}
_HOST_REACH = 1 << 20


@dataclass(slots=True)
class Scan:
    """The rows of a text with their kinds.

    Args:
        lines: the rows.
        kinds: kind of row n at n - 1.
        depths: quote depth of row n at n - 1; empty where nothing is quoted.
        quoted: whether quote marks are taken off.
        backwards: rows whose timestamp is before that of the row above.
        carrier: a carrier that the prefix table does not know.
        flows: 1 at n - 1 where row n is format=flowed, 2 with DelSp; empty where none is.
        splits: offsets at which a second log record begins within a row.
        gaps: rows before which numbered messages are missing, and how many.
        program: what stands behind the time of a program's message in a journal with the kernel's clock.
        straight: whether rows are read as they stand: ASCII without escape sequences, no markup, no quote marks.
    """

    lines: Lines
    kinds: bytearray
    depths: array[int] = field(default_factory=lambda: array("L"))
    quoted: bool = False
    backwards: list[int] = field(default_factory=list)
    carrier: re.Pattern[str] | None = None
    flows: bytearray = field(default_factory=bytearray)
    splits: list[int] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    program: re.Pattern[str] | None = None
    straight: bool = False

    @classmethod
    def of(cls, lines: Lines, carrier: re.Pattern[str] | None) -> Scan:
        """A scan in which no row has been looked at."""
        found = cls(lines, bytearray([OUTSIDE]) * len(lines), carrier=carrier)
        if host := _MONOTONIC.search(lines.data, 0, _HOST_REACH):
            found.program = re.compile(re.escape(host[1].decode("ascii", "replace")) + _PROGRAM)
        data = lines.data
        found.straight = (
            data.isascii()
            and lines.encoding.unit == 1
            and lines.plain
            and not lines.splits
            and not any(mark.encode() in data for mark in MARKS)
            and not COPY_MODE.search(data)
        )
        return found

    def flow(self, first: int, last: int, delsp: bool) -> None:
        """Take the rows `first` to `last` for format=flowed."""
        self.flows = self.flows or bytearray(len(self.lines))
        self.flows[first - 1 : last] = bytes([1 + delsp]) * (last + 1 - first)

    def content(self, number: int) -> str:
        """Row `number` cleaned, without its quote marks and without the blank that format=flowed stuffs."""
        return self.peeled(number)[1]

    def peeled(self, number: int) -> tuple[int, str]:
        """Quote depth and content of a row."""
        if self.straight and not self.quoted:
            starts = self.lines.starts
            start, stop = starts[number - 1], starts[number]
            if stop - start <= MAX_LINE:
                text = self.lines.data[start:stop].decode("ascii").rstrip("\r\n")
                return 0, clean(text) if text.startswith(STANDS_OUT) else text
        text = clean(self.lines.text(number))
        if not self.quoted:
            return 0, text
        depth, text = peel(text)
        if self.flows and self.flows[number - 1] and text.startswith(" "):
            text = text[1:]
        return depth, text

    def depth(self, number: int) -> int:
        """Quote depth of row `number`."""
        return self.depths[number - 1] if self.depths else 0

    def prefix(self, content: str) -> Prefix | None:
        """Prefix of a row's content."""
        found = match_prefix(content, self.carrier)
        if self.program is None or found is None or len(found.rows) > 1:
            return found
        row = _MONOTONIC_ROWS.get(found.rows[0])
        message = self.program.match(content, found.end) if row else None
        if row is None or message is None:
            return found
        return replace(found, rows=(row,), end=message.end(), kernel=False, host=message[0].split(" ", 1)[0])

    def mostly_kernel(self) -> bool:
        """Whether most rows carry a kernel prefix."""
        kernel = self.kinds.count(KERNEL)
        return 2 * kernel >= len(self.kinds) - self.kinds.count(BLANK) and kernel > 0


def scan(lines: Lines, first: int, last: int, *, quoted: bool = False, into: Scan | None = None) -> Scan:
    """Find the kinds of the rows `first` to `last`; rows outside stay `OUTSIDE`."""
    found = into or Scan.of(lines, None)
    if quoted and not found.depths:
        found.depths = array("L", bytes(array("L").itemsize * len(lines)))
        found.quoted = True
    kinds, starts, data = found.kinds, lines.starts, lines.data
    hot = HOT_BYTES if lines.encoding.unit == 1 and lines.plain else None
    before, seq = -1, None
    for number in range(first, last + 1):
        start, stop = starts[number - 1], starts[number]
        if hot is not None and (match := hot.match(data, start)):
            kinds[number - 1] = KERNEL
            if quoted and lines.splits and number > first and lines.is_split(number):
                found.depths[number - 1] = found.depths[number - 2]
            now = int(match[1] + match[2])
            if now < before:
                found.backwards.append(number)
            before = now
            if data.find(b"[", match.end(), stop) > 0 and (inner := _INNER.search(data, match.end(), stop)):
                found.splits.extend(_inner(data, inner.start(), stop))
            continue
        depth, text = found.peeled(number)
        if quoted:
            # The second record of a line stands behind the quote marks of the first.
            split = bool(lines.splits) and number > first and lines.is_split(number)
            found.depths[number - 1] = found.depths[number - 2] if split else depth
        prefix = None if not text or text.isspace() else found.prefix(text)
        kind = kind_of(text, prefix)
        if kind == KERNEL and prefix is not None:
            if prefix.time_ns is not None:
                now = prefix.time_ns // 1000
                if now < before:
                    found.backwards.append(number)
                before = now
            if prefix.seq is not None:
                if seq is not None and prefix.seq > seq + 1:
                    found.gaps.append((number, prefix.seq - seq - 1))
                if prefix.fragment and prefix.seq == seq:
                    kind = FRAGMENT
                seq = prefix.seq
        elif kind != BLANK and seq is not None and _DICTIONARY.match(text):
            kind = FIELD
        elif kind == PLAIN and text.startswith(_DEEP) and _hangs(found, number, text):
            kind = SHAPE
        kinds[number - 1] = kind
        if found.straight and prefix is not None and data.find(b"[", start + prefix.end, stop) < 0:
            # No further time behind the prefix.
            continue
        if kind in (KERNEL, SHAPE, PLAIN, PROMPT) and not (quoted and kind != KERNEL) and lines.splittable(start):
            found.splits.extend(_further(data, start, stop, text, prefix))
    ends = [match.end() for match in _OPEN_ENDED.finditer(data, lines.starts[first - 1], lines.starts[last])]
    found.splits.extend(end for end in ends if lines.splittable(end) and end not in lines.splits)
    if quoted:
        _mend_quotes(found, first, last)
    return found


def _mend_quotes(found: Scan, first: int, last: int) -> None:
    """Give the quote depth of the log around them to rows that a mailer wrapped without repeating the marks."""
    kinds, depths = found.kinds, found.depths
    number = first + 1
    while number <= last:
        depth = depths[number - 2]
        if (
            kinds[number - 1] not in (PLAIN, SHAPE)
            or kinds[number - 2] not in (KERNEL, SHAPE)
            or depths[number - 1] >= depth
        ):
            number += 1
            continue
        end = number
        while (
            end <= last and end - number < _LOST_MARKS and kinds[end - 1] in (PLAIN, SHAPE) and depths[end - 1] < depth
        ):
            end += 1
        if end <= last and depths[end - 1] == depth and kinds[end - 1] in (KERNEL, SHAPE):
            depths[number - 1 : end - 1] = array("L", [depth] * (end - number))
        else:
            above = found.content(number - 1)
            prefix = found.prefix(above)
            message = above[prefix.end :] if prefix else above
            if pair_of(message, message, found.content(number)):
                depths[number - 1] = depth
        number = max(end, number + 1)


def _hangs(found: Scan, number: int, text: str) -> bool:
    """Whether a row is a further line of the printk record above: dmesg leaves the columns of the prefix blank."""
    above = number - 1
    while above > 1 and number - above < _HANGING and found.kinds[above - 1] == SHAPE:
        above -= 1
    if above < 1 or found.kinds[above - 1] != KERNEL:
        return False
    prefix = found.prefix(found.content(above))
    return prefix is not None and len(text) - len(text.lstrip(" ")) >= prefix.end


def _inner(data: bytes, start: int, stop: int) -> list[int]:
    return [match.start() for match in _INNER.finditer(data, start, stop)]


def _further(data: bytes, start: int, stop: int, text: str, prefix: Prefix | None) -> list[int]:
    """Offsets in a row at which another record begins, the line break before it lost."""
    if not _INNER.search(data, start, stop) or "message repeated" in text:
        return []
    own = len(_INNER_TEXT.findall(text[: prefix.end])) if prefix else 0
    return [at for at in _inner(data, start, stop)[own:] if at > start]


def kind_of(content: str, prefix: Prefix | None) -> int:
    """Kind of a row's content, given its prefix."""
    if not content or content.isspace():
        return BLANK
    if prefix is not None:
        return KERNEL if prefix.kernel else FOREIGN
    if has_shape(content):
        return SHAPE
    return PROMPT if is_prompt(content) else PLAIN
