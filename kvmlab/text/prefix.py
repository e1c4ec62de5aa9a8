"""Takes the prefix off a line, by the table in `prefix_rows`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from kvmlab.text.prefix_rows import ROWS, Row, Stage
from kvmlab.text.shapes import has_shape

_LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")
_LEVEL_OF = {name: n for n, name in enumerate(_LEVELS)} | {"error": 3, "warning": 4}
_LETTER_OF = {"F": 2, "S": 2, "E": 3, "W": 4, "I": 6, "D": 7, "V": 7}
_KERNEL_IDENT = re.compile(r"(?:kernel|vmkernel|vmkwarning|vmalert|kern|unix)(?:\[\d{1,10}\])?$")
_CALLER_FIELD = re.compile(r",caller=([TC]\d{1,10})")
_FRAGMENT_FIELD = re.compile(r",ncfrag=(\d{1,7})/\d{1,7}$")
# The kernel's time in its brackets, wherever it stands in a line.
STAMP = r"\[ *\d{1,12}\.\d{6}\]"
# No prefix is longer; beyond it nothing is looked at.
REACH = 1200

# The rows `dmesg_seconds` and `caller` as kernel and console print them, in one step; whatever could be another row
# behind them (a host name, a column of a vendor) is left to the table.
_HOT = (
    r"\[ *(\d{1,12})\.(\d{6})\](?:\[ *([TC]\d{1,10})\])? "
    r"(?!\[ *[TC]\d| ?[IWECDN.-]?(?:\[(?:\d{1,3}: |pid:)|\(\d{1,3}\)\[)| ?<[0-7]>"
    r"| ?(?:\[(?:c\d{1,2}\]|\d{4}[:-]|\d{8}[ T_]\d\d:)|\(CPU:\d|c\d{1,2}(?: |$))"
    r"| {1,3}(?:EMERG|ALERT|CRIT|ERR|WARN|INFO|DEBUG): |NOTICE: "
    r"|kernel: |[A-Za-z0-9][\w.-]{0,63} (?:kernel: |[\w.()@/-]{1,64}\[\d))"
)
HOT, HOT_BYTES = re.compile(_HOT), re.compile(_HOT.encode())


@dataclass(frozen=True, slots=True)
class Prefix:
    """What stood in front of a message.

    Args:
        rows: names of the table rows that matched, outermost first.
        end: offset in the line where the message begins.
        kernel: whether the message is the kernel's (else a program's, by its syslog tag).
        timestamp: seconds since boot exactly as printed.
        time_ns: the same in nanoseconds.
        clock: wall-clock time as printed.
        host: host name.
        caller: `T123` or `C0`.
        level: syslog level 0-7.
        seq: number of the message in the kernel's log.
        fragment: offset of a netconsole fragment in its message.
    """

    rows: tuple[str, ...]
    end: int
    kernel: bool
    timestamp: str | None = None
    time_ns: int | None = None
    clock: str | None = None
    host: str | None = None
    caller: str | None = None
    level: int | None = None
    seq: int | None = None
    fragment: int | None = None

    @property
    def name(self) -> str:
        """The row names, joined by `+`."""
        return "+".join(self.rows)


# A further record of a list of modules: it has no shape of its own, but nothing else looks like it behind a prefix.
_FURTHER = re.compile(
    r" ?(?=(?:[^_ ]{0,60}[_ ]){3})(?=[^_]{0,60}_)[a-z0-9][\w-]{0,60}(?:\([A-Z]+[+-]?\)){0,4}"
    r"(?: [a-z0-9][\w-]{0,60}(?:\([A-Z]+[+-]?\)){0,4}){3,200}(?: \[last unloaded: [^\]]{0,80}\])? ?$"
)
_COMPILED = {row.name: re.compile(row.pattern) for row in ROWS}


_STAGES = tuple(Stage)
_AFTER_CARRIER = (Stage.LEVEL, Stage.TIME, Stage.CALLER)
_CARRIER, _CALLER = Stage.CARRIER, Stage.CALLER
_INNER = frozenset({Stage.LEVEL, Stage.TIME})
# Rows that no blank stands behind.
_FLUSH = frozenset(["dmesg_decoded", "kmsg", "caller_vmkernel", "level_word", "level_word_untimed"])
_UNKNOWN = Row("unknown_carrier", Stage.CARRIER, "", "", "", "")


@cache
def _candidates(stage: Stage, first: str) -> tuple[tuple[re.Pattern[str], Row], ...]:
    return tuple((_COMPILED[row.name], row) for row in ROWS if row.stage == stage and first in row.first)


def match_prefix(line: str, carrier: re.Pattern[str] | None = None) -> Prefix | None:
    """Find the prefix of `line`.

    Args:
        line: characters of a line; blanks before the prefix are skipped.
        carrier: a carrier that this text has and no table row knows.

    >>> p = match_prefix("[252080.141632] BUG: Bad page state")
    >>> p.name, p.timestamp, p.time_ns, p.end
    ('dmesg_seconds', '252080.141632', 252080141632000, 16)
    >>> match_prefix("[1] https://example.org") is None
    True
    """
    at = 0
    stop = min(len(line), REACH)
    while at < stop and line[at] in " \t":
        at += 1
    if at == stop:
        return None
    rows: list[Row] = []
    found: dict[str, str] = {}
    if carrier is not None and (known := carrier.match(line, 0, stop)):
        rows.append(_UNKNOWN)
        at = known.end()
    for stage in _STAGES if not rows else _AFTER_CARRIER:
        while True:
            one = _one(line, at, stop, stage)
            # A carrier may leave one blank before the kernel's own bracket.
            if one is None and rows and line.startswith((" [", " <"), at) and _CARRIER < stage < _CALLER:
                one = _one(line, at + 1, stop, stage)
            if one is None:
                break
            match, row = one
            rows.append(row)
            found.update({name: value for name, value in match.groupdict().items() if value})
            at = match.end()
            if stage is not _CALLER or len(rows) == 8:
                break
    return _prefix(line, rows, found, at)


def _one(line: str, at: int, stop: int, stage: Stage) -> tuple[re.Match[str], Row] | None:
    for pattern, row in _candidates(stage, line[at : at + 1]):
        if match := pattern.match(line, at, stop):
            return match, row
    return None


def _prefix(line: str, rows: list[Row], found: dict[str, str], at: int) -> Prefix | None:
    bare = bool(rows) and rows[0].whole and all(row.whole for row in rows)
    if not rows or (bare and not (has_shape(line, at) or _FURTHER.match(line, at))):
        return None
    # A caller column alone is a prefix only with CONFIG_PRINTK_TIME off.
    if rows[0].stage is _CALLER and not (rows[0].name == "caller" and line[at : at + 1] == " "):
        return None
    ident = found.get("ident")
    inner = rows[-1].stage in _INNER or any(row.stage in _INNER for row in rows)
    kernel = inner or ident is None or bool(_KERNEL_IDENT.match(ident)) or not ident
    if line[at : at + 1] == " " and rows[-1].stage is not _CARRIER and rows[-1].name not in _FLUSH:
        at += 1
    timestamp, time_ns = None, None
    if "sec" in found:
        timestamp = f"{found['sec']}.{found['usec']}"
        time_ns = nanoseconds(found["sec"], found["usec"])
    elif "us" in found:
        us = int(found["us"])
        seconds, micros = str(us // 1_000_000), f"{us % 1_000_000:06}"
        timestamp, time_ns = f"{seconds}.{micros}", nanoseconds(seconds, micros)
    caller = found.get("caller")
    fragment = None
    if "more" in found:
        named = _CALLER_FIELD.search(found["more"])
        caller = named.group(1) if named else caller
        cut = _FRAGMENT_FIELD.search(found["more"])
        fragment = int(cut.group(1)) if cut else None
    return Prefix(
        tuple([row.name for row in rows]),
        at,
        kernel,
        timestamp,
        time_ns,
        found.get("clock"),
        found.get("host"),
        caller,
        _level(found),
        int(found["seq"]) if "seq" in found else None,
        fragment,
    )


def nanoseconds(seconds: str, micros: str) -> int | None:
    """A printed time in nanoseconds; None if it does not fit into an int64, as no real one does.

    >>> nanoseconds("252080", "141632"), nanoseconds("9" * 12, "000000")
    (252080141632000, None)
    """
    return int(seconds) * 1_000_000_000 + int(micros) * 1000 if len(seconds) < 10 else None


def _level(found: dict[str, str]) -> int | None:
    if "pri" in found:
        return int(found["pri"]) & 7
    if "lvl" in found:
        return _LEVEL_OF[found["lvl"]]
    return _LETTER_OF.get(found.get("letter", ""))
