"""What programs and people put around each line of a log: quotes of strings, marks of pages; a table and its engine."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape

from kvmlab.text.encoding import Encoding
from kvmlab.text.lines import Lines, Stretch
from kvmlab.text.numbered import TELLING, without_numbers
from kvmlab.text.prefix import match_prefix

# How many bytes from the first line of a report on show whether a text is wrapped so, and how many lines must be.
_REACH, _ENOUGH, _SHARE = 16 << 10, 3, 0.6
# How many rows show whether a log has prefixes.
_SAMPLE = 40
_TELLING = re.compile(
    rb"\[ {0,11}\d{1,12}\.\d{6}\\?\]|BUG: |Call [Tt]race:|page dumped because: |Modules linked in:"
    rb"|Hardware name: |CPU: \d"
)
_BREAK = re.compile(rb"<br ?/?>(?:[ \t]*\r?\n)?", re.IGNORECASE)
# Marks of code that stand before the first or behind the last of its lines, and characters that pages write out.
_CODE = (
    r"(?:\[/?(?:code|quote|pre)(?:[=: ][^\]\n]{0,40})?\]|\{(?:code|noformat)\b[^}\n]{0,40}\}"
    r"|</?(?:pre|code)\b[^<>\n]{0,200}>|`{3}|'{3})"
)
# Fewer ticks are a mark of code only if the line has no others.
_CODE_BEGINS = re.compile(rf"(?i)^\s{{0,40}}(?:{_CODE}{{1,4}}(?=.)|`{{1,2}}(?=[^`]+$))")
_TICK_ENDS = re.compile(r"^([^`]*[^`\s])`{1,2}\s{0,40}$")
_CODE_WITHIN = re.compile(rb"(?i)(?<=[^\s>\]}])(?=(?:\[code\b[^\]\n]{0,40}\]|<pre\b[^<>\n]{0,200}>)[^\s])")
_CODE_ENDS = re.compile(rf"(?i)(?<=\S){_CODE}{{1,4}}\s{{0,40}}$")
# Only where kernels print such characters: an address in a daemon's line does not make a page of a log.
_MARKUP = re.compile(
    r"(?im)&lt;/?(?:TASK|IRQ|SOFTIRQ|NMI|EO[IE]|ENTRY_TRAMPOLINE|NULL|UNKNOWN|[0-9a-f]{8,16})&gt;"
    r"|[-=]&gt;|&lt;[0-9a-f]{2}&gt; [0-9a-f]{2}|^(?:&nbsp;|&lt;\d{1,3}&gt;|\[[^\]\n]{1,40}\](?: |&nbsp;)?&nbsp;)"
    r"|(?:Hardware name: |Comm: |name[:=]|Trace:|\+0x)[^\n]{0,200}&(?:lt|gt|amp|quot|nbsp);"
    rf"|^[ \t]{{0,40}}(?:{_CODE}[^\s]|`{{1,2}}[^`\s][^`\n]*$)|[^\s]{_CODE}[ \t]{{0,40}}\r?$"
    r"|^[^`\n]*[^`\s]`{1,2}[ \t]{0,40}\r?$|[^\s]\[code\][^\s]".encode()
)
# A title behind somebody's words on the same line, if the report goes on below without a prefix.
_TITLE_WITHIN = re.compile(
    rb"(?m)(?<=[:>\]\"'-] )(?=(?:BUG: (?:Bad page|unable to handle|kernel NULL)|watchdog: BUG: soft)[^\n]{0,200}\n"
    rb"[ \t]{0,8}(?:page: ?[0-9a-fr]|#PF: |PGD |IP: |Oops: |Modules linked in:|page does not))"
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([\s\S]))")
_MEANT = {"n": "\n", "r": "", "t": "\t", "e": "\x1b", "0": "\0", "b": "\b", "f": "\f"}


def _string(text: str) -> str:
    """What the escapes of a string stand for; a line break at its end is the line's own."""

    def meant(match: re.Match[str]) -> str:
        if code := match[1] or match[2]:
            return chr(int(code, 16)) if not 0xD800 <= int(code, 16) < 0xE000 else match[0]
        return _MEANT.get(match[3], match[3])

    return _ESCAPE.sub(meant, text).rstrip("\r\n").replace("\n", " ")


def _markdown(text: str) -> str:
    return unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text))


@dataclass(frozen=True, slots=True)
class Wrapper:
    """One way in which each line is wrapped.

    Args:
        name: of the row.
        pattern: of a whole line without blanks at its end; its group is what is left.
        undo: what its escapes stand for.
        sample: a line; a test runs it.
        message: what is left of the sample.
    """

    name: str
    pattern: str
    undo: Callable[[str], str]
    sample: str
    message: str


WRAPPERS: tuple[Wrapper, ...] = (
    Wrapper(
        "string",
        r'\s*(?:- )?\[?[bur]?"((?:[^"\\]|\\.)*+)"(?: ?\\| ?\+|[,;)\]]{0,3})$',
        _string,
        '        "[    1.500000] comm \\"fizz\\"\\n",',
        '[    1.500000] comm "fizz"',
    ),
    Wrapper(
        "string_single",
        r"\s*(?:- )?\[?[bur]?'((?:[^'\\]|\\.|'')*+)'(?: ?\\| ?\+|[,;)\]]{0,3})$",
        lambda text: _string(text.replace("''", "'")),
        " b'[    1.500000] Call Trace:\\r\\n',",
        "[    1.500000] Call Trace:",
    ),
    Wrapper(
        "backtick",
        r"\s*(?:[-*] )?`([^`]+)`\\?$",
        str,
        "`[    1.500000] Call Trace:`  ",
        "[    1.500000] Call Trace:",
    ),
    Wrapper(
        "cell",
        r"\s*\|(?:[^|\[]{0,60}\|(?= ?\\?\[ *\d))? ?(.*\S|)\s*\|$",
        lambda text: _markdown(text.replace("<br>", "")),
        "| 11:48:02 | [    1.500000] flags: 0x1(locked\\|lru) |",
        "[    1.500000] flags: 0x1(locked|lru)",
    ),
    Wrapper(
        "colour",
        r"\s*\{color(?::[^}]{0,20})?\}(.*?)\{color\}$",
        str,
        "{color:red}[    1.500000] Call Trace:{color}",
        "[    1.500000] Call Trace:",
    ),
    Wrapper(
        "backslashes",
        r"\s*(\\\[.*?)\\?$",
        _markdown,
        "\\[    1.500000\\] fizz\\_map+0x1/0x2\\",
        "[    1.500000] fizz_map+0x1/0x2",
    ),
    Wrapper("bullet", r"\s{0,8}[-*•] (.*)$", str, "- Call Trace:", "Call Trace:"),
    Wrapper("rich_text", r"(.*?)\\par$", str, "[    1.500000] Call Trace:\\par", "[    1.500000] Call Trace:"),
)
# What the beginning of a text must hold if any of these, or markup, is in it; and what shows fast that it does not.
_RARE_SIGNS = (b"&", b"{", b"`")
# Each begins with one byte, which is found fast.
_SIGNS = tuple(map(re.compile, (rb"<(?:br|/?(?:pre|code))", rb"\\par", rb"\[(?:code|quote|pre|/)", rb"'''")))
_SIGNED = re.compile(rb"(?im)" + _MARKUP.pattern.removeprefix(b"(?im)") + rb"|<br ?/?>|\\par[ \t\r]{0,4}$")
_FIRST, _DIGITS, _BRACKET = frozenset(b"\"'`|{\\-*\xe2[bur"), frozenset(b"0123456789"), frozenset(b"[")
_BEGINS = re.compile(rb"(?im)^[ \t]{0,40}(?:(?:- )?\[?[bur]?[\"'`|]|\{color|\\\[)|^[ \t]{0,8}(?:[-*]|\xe2\x80\xa2) ")
_COMPILED = tuple((re.compile(wrapper.pattern), wrapper.undo) for wrapper in WRAPPERS)


def unwrapped(lines: Lines) -> Lines:
    """The rows without what is put around most lines of the log; as they are if nothing is.

    Args:
        lines: physical lines.

    >>> unwrapped(Lines(b"".join(b'"[    1.00000%d] line",\\n' % n for n in range(4)))).text(2)
    '[    1.000001] line'
    """
    data = lines.data
    if lines.encoding.unit > 1 or not lines.plain or (first := _TELLING.search(data)) is None:
        return lines
    # Of a log with prefixes the beginning tells, as it tells the fast way.
    begin = 0 if first.start() < _REACH or _has_prefixes(lines) else first.start()
    if not is_wrapped(data[begin : begin + _REACH]):
        return lines
    if (bare := without_numbers(lines, begin + _REACH)) is not lines:
        return bare
    rows = sorted({lines.row_at(match.start()) for match in _TELLING.finditer(data, begin, begin + _REACH)})
    texts = [lines.text(row).rstrip() for row in rows]
    if sum(text.lower().count("<br") for text in texts) >= max(_ENOUGH, _SHARE * len(rows)):
        return Lines(data, lines.encoding, [_broken(lines)])
    for pattern, undo in _COMPILED:
        found = sum(pattern.match(text) is not None for text in texts)
        if found >= _ENOUGH and found >= _SHARE * len(texts):
            return Lines(data, lines.encoding, [Stretch(0, len(data), _without(lines.encoding, pattern, undo))])
    titles = [match.start() for match in _TITLE_WITHIN.finditer(data) if not _behind_prefix(lines, match.start())]
    if _of_log(_MARKUP, data, begin, begin + _REACH) or (titles and begin <= titles[0] < begin + _REACH):
        within = {*titles, *(match.start() for match in _CODE_WITHIN.finditer(data))}
        starts = array("Q", sorted({*lines.starts[:-1], *within})) if within else None
        return Lines(data, lines.encoding, [Stretch(0, len(data), _unmarked(lines.encoding), starts, plain=True)])
    return lines


def _of_log(marks: re.Pattern[bytes], data: bytes, begin: int, stop: int) -> bool:
    """Whether a mark stands in a line that is no program's message."""
    end = begin
    for match in marks.finditer(data, begin, stop):
        if match.end() > end:
            first, end = data.rfind(b"\n", 0, match.end()) + 1, data.find(b"\n", match.end())
            prefix = match_prefix(data[first:end].decode("utf-8", "replace"))
            if prefix is None or prefix.kernel:
                return True
            end = len(data) if end < 0 else end
    return False


def _has_prefixes(lines: Lines) -> bool:
    rows = [text for row in range(1, min(len(lines), _SAMPLE) + 1) if (text := lines.text(row)).strip()]
    return 2 * sum(match_prefix(text) is not None for text in rows) > len(rows)


def _behind_prefix(lines: Lines, offset: int) -> bool:
    """Whether only a prefix stands in front of `offset` on its row."""
    row = lines.row_at(offset)
    prefix = match_prefix(lines.text(row))
    return prefix is not None and prefix.end >= len(lines.encoding.decode(lines.data[lines.starts[row - 1] : offset]))


def is_wrapped(head: bytes) -> bool:
    """Whether a text may be wrapped, judged by its beginning: its lines must be seen as a whole.

    >>> is_wrapped(b"[    1.500000] &lt;TASK&gt;\\n"), is_wrapped(b"[    1.500000]  <TASK>\\n")
    (True, False)
    """
    low = head.lower()
    first = {row[0] for line in low.split(b"\n") if (row := line.lstrip(b" \t"))}
    return bool(
        (_has_signs(low) and _of_log(_SIGNED, head, 0, len(head)))
        # Most logs begin their lines with a bracket.
        or (first & _FIRST and (first != _BRACKET or b'\n["' in low or b"\n['" in low) and _BEGINS.search(head))
        or (first & _DIGITS and TELLING.search(head))
        or any(_TITLE_WITHIN.search(head, max(0, at - 10), at + 300) for at in _places(head, b"BUG: "))
    )


def _has_signs(low: bytes) -> bool:
    return any(sign in low for sign in _RARE_SIGNS) or any(sign.search(low) for sign in _SIGNS)


def _places(data: bytes, word: bytes) -> Iterator[int]:
    at = data.find(word)
    while at >= 0:
        yield at
        at = data.find(word, at + 1)


def _unmarked(encoding: Encoding) -> Callable[[bytes], str]:
    def text(raw: bytes) -> str:
        shown = encoding.decode(raw).rstrip("\r\n")
        shown = _TICK_ENDS.sub(r"\1", _CODE_ENDS.sub("", shown, count=1))
        return unescape(_CODE_BEGINS.sub("", shown, count=1))

    return text


def _without(encoding: Encoding, pattern: re.Pattern[str], undo: Callable[[str], str]) -> Callable[[bytes], str]:
    def text(raw: bytes) -> str:
        shown = encoding.decode(raw).rstrip("\r\n")
        match = pattern.match(shown.rstrip())
        return undo(match[1]) if match else shown

    return text


def _broken(lines: Lines) -> Stretch:
    """Rows that end in `<br>`, each on a line of its own or many on one."""
    data = lines.data
    ends = {match.end() for match in _BREAK.finditer(data)}
    rows = array("Q", sorted({*lines.starts[:-1], *(end for end in ends if end < len(data))}))
    decode = lines.encoding.decode
    return Stretch(0, len(data), lambda raw: unescape(decode(_BREAK.sub(b"", raw)).rstrip("\r\n")), rows)
