"""What terminals, consoles and mailers add to a line: escape sequences, odd blanks, marks, prompts."""

from __future__ import annotations

import re

_BLANKS = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
# Characters of no width, which pages and mailers put between others.
_NOTHINGS = re.compile("[\u200b-\u200d\u2060\ufeff\u00ad]")
# How terminal programs show the ending of a line.
_ENDINGS = "\u240a\u240d\u2424\u21b5\u23ce"
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-9;?<=>]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,1024}(?:\x07|\x1b\\)|[()*+#%][0-9A-Za-z]"
    r"|[@-Z\\^_=>78c-z])"
)
# The same where the escape character was printed as ^[ or lost, as in text copied from a pager.
_ORPHANS = re.compile(r"(?:\^\[|#033|ESC)?\[\d{1,2}(?:;\d{1,3}){0,4}m|\^\[\[[0-9;?]{0,16}[A-Za-z]")
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
# Without any of these `clean` leaves a line of ASCII as it is, unless its writer made it stand out.
MARKS = ("\x1b", "[0m", "^[", "\x00")
STANDS_OUT = ("*", "_", " *")
# Where tmux and screen's copy mode stands, at the right edge of the uppermost line.
COPY_MODE = re.compile(rb"[ \t]\[\d{1,7}/\d{2,7}\][ \t]*(?:\r?\n|$)")
_COPY_MODE = re.compile(r"\s+\[(\d{1,7})/(\d{2,7})\]\s*$")
_REACH = 24
# A line that its writer made stand out.
_EMPHASIS = re.compile(r"\s{0,40}(\*{1,3}|_{1,3})(\[ *\d{1,12}\.\d{6}\].*?)(?:\1)?\s*$")


def clean(text: str) -> str:
    """A line without escape sequences and zero bytes, with every kind of blank as a blank.

    >>> clean("[\\u00a0 1.116480] \\x1b[1mBUG\\x1b[0m")
    '[  1.116480] BUG'
    """
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "[0m" in text or "^[" in text:
        text = _ORPHANS.sub("", text)
    if "\x00" in text:
        text = text.replace("\x00", "")
    if not text.isascii():
        text = _NOTHINGS.sub("", _BLANKS.sub(" ", text)).rstrip(_ENDINGS)
    if text.endswith(("]", "] ")) and (mark := _COPY_MODE.search(text, max(0, len(text) - _REACH))):
        text = text[: mark.start()].rstrip() if int(mark[1]) <= int(mark[2]) else text
    if text.startswith(STANDS_OUT) and (match := _EMPHASIS.match(text)):
        text = match.group(2)
    return text


def is_prompt(content: str) -> bool:
    """Whether a line is a shell prompt.

    >>> is_prompt("12:16:54 [root@draig:~] # dmesg -c"), is_prompt("root cause")
    (True, False)
    """
    return _PROMPT.match(content, 0, 400) is not None


def prompt_parts(content: str) -> dict[str, str | None]:
    """Parts of a shell prompt.

    >>> prompt_parts("12:16:54 [root@draig:~] # dmesg -c")["command"]
    'dmesg -c'
    """
    match = _PROMPT.match(content)
    if match is None:
        return {"command": content}
    parts = match.groupdict()
    command = (parts["command"] or parts["bare"] or "").strip()
    return {**{name: parts[name] for name in ("time", "user", "host", "cwd")}, "command": command}
