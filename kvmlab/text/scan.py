"""First pass over a text: what each physical line is, one byte a line, so that a huge log costs little memory."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field

from kvmlab.text.lines import Lines
from kvmlab.text.prefix import HOT_BYTES, Prefix, match_prefix
from kvmlab.text.quotes import peel
from kvmlab.text.shapes import has_shape

# Kinds of lines; letters, so that a text can be searched by regular expression over its kinds.
KERNEL, SHAPE, PLAIN, FOREIGN, BLANK, PROMPT, OUTSIDE = b"KSPF_$."

_BLANKS = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-9;?<=>]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,1024}(?:\x07|\x1b\\)|[()*+#%][0-9A-Za-z]"
    r"|[@-Z\\^_=>78c-z])"
)
_PROMPT = re.compile(
    r"(?:(?P<time>\d\d:\d\d(?::\d\d)?) )?(?:\[?(?P<user>[A-Za-z_][\w.-]{0,31})@(?P<host>[\w.-]{1,64})"
    r"(?:[: ](?P<cwd>[^\]#$%>\s]{0,200}))?\]?) ?[#$%>] ?"
    r"(?P<command>\S.*)?$"
    r"|[#$%] (?P<bare>(?:sudo )?(?:dmesg|journalctl|cat|less|tail|head|zcat|xzcat|grep|kvmlab)\b.*)$"
)


# Lines that stand for something left out.
ELISION = re.compile(
    r"\s*(?:[\[(<]?(?:\.{3,}|…|snip(?:ped)?|\.\.\. ?snip ?\.\.\.|cut|skip(?:ped)?)[\])>]?|-{2,} ?(?:snip|8<|>8).*)\s*$",
    re.IGNORECASE,
)
# A line that its writer made stand out.
_EMPHASIS = re.compile(r"\s{0,40}(\*{1,3}|_{1,3})(\[ *\d{1,12}\.\d{6}\].*?)(?:\1)?\s*$")


def clean(text: str) -> str:
    """A line without escape sequences and zero bytes, with every kind of blank as a blank.

    >>> clean("[\\u00a0 1.116480] \\x1b[1mBUG\\x1b[0m")
    '[  1.116480] BUG'
    """
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "\x00" in text:
        text = text.replace("\x00", "")
    if not text.isascii():
        text = _BLANKS.sub(" ", text)
    if text.startswith(("*", "_", " *")) and (match := _EMPHASIS.match(text)):
        text = match.group(2)
    return text


@dataclass(slots=True)
class Scan:
    """The lines of a text with their kinds.

    Args:
        lines: the physical lines.
        kinds: kind of line n at n - 1.
        depths: quote depth of line n at n - 1; empty where nothing is quoted.
        quoted: whether quote marks are taken off.
        backwards: first line whose timestamp is before that of the line above, None if there is none.
    """

    lines: Lines
    kinds: bytearray
    depths: array[int] = field(default_factory=lambda: array("L"))
    quoted: bool = False
    backwards: list[int] = field(default_factory=list)

    def content(self, number: int) -> str:
        """Line `number` cleaned, without its quote marks."""
        text = clean(self.lines.text(number))
        return peel(text)[1] if self.quoted else text

    def depth(self, number: int) -> int:
        """Quote depth of line `number`."""
        return self.depths[number - 1] if self.depths else 0

    def prefix(self, content: str) -> Prefix | None:
        """Prefix of a line's content."""
        return match_prefix(content)


def scan(lines: Lines, first: int, last: int, *, quoted: bool = False, into: Scan | None = None) -> Scan:
    """Find the kinds of the lines `first` to `last`; lines outside stay `OUTSIDE`."""
    found = into or Scan(lines, bytearray([OUTSIDE]) * len(lines))
    if quoted and not found.depths:
        found.depths = array("L", bytes(array("L").itemsize * len(lines)))
        found.quoted = True
    kinds, depths, starts, data = found.kinds, found.depths, lines.starts, lines.data
    hot = HOT_BYTES if lines.encoding.unit == 1 else None
    before = -1
    for number in range(first, last + 1):
        start = starts[number - 1]
        if hot is not None and (match := hot.match(data, start)):
            kinds[number - 1] = KERNEL
            now = int(match[1] + match[2])
            if now < before:
                found.backwards.append(number)
            before = now
            continue
        text = clean(lines.text(number))
        if quoted:
            depths[number - 1], text = peel(text)
        kind, time = kind_of(text)
        if time is not None:
            if time < before:
                found.backwards.append(number)
            before = time
        kinds[number - 1] = kind
    return found


def kind_of(content: str) -> tuple[int, int | None]:
    """Kind of a line, and its time in microseconds since boot."""
    if not content or content.isspace():
        return BLANK, None
    if prefix := match_prefix(content):
        if not prefix.kernel:
            return FOREIGN, None
        return KERNEL, None if prefix.time_ns is None else prefix.time_ns // 1000
    if has_shape(content):
        return SHAPE, None
    return (PROMPT if _PROMPT.match(content, 0, 400) else PLAIN), None


def prompt_parts(content: str) -> dict[str, str | None]:
    """Parts of a shell prompt.

    >>> prompt_parts("12:16:54 [root@draig:~] # dmesg -c")["command"]
    'dmesg -c'
    """
    match = _PROMPT.match(content)
    if match is None:
        return {"command": content}
    parts = match.groupdict()
    return {
        **{k: parts[k] for k in ("time", "user", "host", "cwd")},
        "command": (parts["command"] or parts["bare"] or "").strip(),
    }
