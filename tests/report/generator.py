"""Logs for the tests of the fast scan: made by the benchmark's generator, then damaged in the ways that logs are."""

from __future__ import annotations

import random
from collections.abc import Callable

from benchmarks.scan.logs import Maker

STYLES = ("dmesg", "caller", "syslog", "iso", "short")


def log(seed: int, style: str = "dmesg", share: float = 0.6, size: int = 40_000) -> list[str]:
    """The lines of a made log, without line ends."""
    maker = Maker(seed, style, share, us=1_500_000 + seed * 999_000_001)
    return "".join(maker.pieces(size)).splitlines()


def _cut(rnd: random.Random, lines: list[str]) -> list[str]:
    at = rnd.randrange(len(lines))
    return lines[at:] if rnd.random() < 0.5 else lines[:at]


def _drop_lines(rnd: random.Random, lines: list[str]) -> list[str]:
    return [line for line in lines if rnd.random() > 0.01]


def _drop_characters(rnd: random.Random, lines: list[str]) -> list[str]:
    out = list(lines)
    for _ in range(12):
        i = rnd.randrange(len(out))
        if out[i]:
            at = rnd.randrange(len(out[i]))
            out[i] = out[i][:at] + out[i][at + rnd.randrange(1, 4) :]
    return out


def _change_characters(rnd: random.Random, lines: list[str]) -> list[str]:
    out = list(lines)
    for _ in range(12):
        i = rnd.randrange(len(out))
        if out[i]:
            at = rnd.randrange(len(out[i]))
            out[i] = out[i][:at] + rnd.choice("0a x\x1b\x00ü\u00a0\t:<>[]()+|%=*") + out[i][at + 1 :]
    return out


def _cut_lines(rnd: random.Random, lines: list[str]) -> list[str]:
    return [line[: rnd.randrange(len(line) + 1)] if rnd.random() < 0.01 else line for line in lines]


def _wrap(rnd: random.Random, lines: list[str]) -> list[str]:
    width = rnd.choice((72, 79, 80, 100, 132, 173))
    return [line[i : i + width] for line in lines for i in range(0, max(1, len(line)), width)]


def _wrap_one(rnd: random.Random, lines: list[str]) -> list[str]:
    i = rnd.randrange(len(lines))
    return [*lines[:i], *_wrap(rnd, lines[i : i + 1]), *lines[i + 1 :]]


def _interleave(rnd: random.Random, lines: list[str]) -> list[str]:
    half = len(lines) // 2
    one, two, out = lines[:half], lines[half:], []
    while one and two:
        source = one if rnd.random() < 0.5 else two
        n = rnd.randrange(1, 30)
        out += source[:n]
        del source[:n]
    return out + one + two


def _foreign(rnd: random.Random, lines: list[str]) -> list[str]:
    words = (
        "login: ", "hello from a program", "Jul 31 11:41:34 labhost systemd[1]: Started a unit.", "", "  indented",
        "RAX: 0000000000000000 RBX: 0000000000000001", " ? kvm_vcpu_ioctl+0x29e/0x6f0 [kvm]", "Call Trace:",
        "[12345.000001] WARNING: CPU: 1 PID: 2 at mm/gup.c:229 try_grab_page+0x64/0x100",
        "[12345.000001] ------------[ cut here ]------------", "[12345.000001] Code: 00 01 02",
        "[12345.000001] page dumped because: nonzero mapcount", "[12345.000001]  </TASK>", "root@lab:~# dmesg",
    )  # fmt: skip
    out = list(lines)
    for _ in range(rnd.randrange(1, 9)):
        out.insert(rnd.randrange(len(out) + 1), rnd.choice(words))
    return out


def _repeat(rnd: random.Random, lines: list[str]) -> list[str]:
    i = rnd.randrange(len(lines))
    return lines + lines[i : i + rnd.randrange(1, 300)]


def _titles_again(rnd: random.Random, lines: list[str]) -> list[str]:
    return lines + [line for line in lines if "Bad page state" in line][: rnd.randrange(1, 4)]


def _no_markers(rnd: random.Random, lines: list[str]) -> list[str]:
    return [line for line in lines if "TASK>" not in line]


def _no_registers(rnd: random.Random, lines: list[str]) -> list[str]:
    return [line for line in lines if not any(f"{name}: " in line for name in ("RIP", "RSP", "RAX", "Code", "RDX"))]


def _collapse(rnd: random.Random, lines: list[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines]


def _quote(rnd: random.Random, lines: list[str]) -> list[str]:
    return [f"> {line}" for line in lines]


def _time_jumps(rnd: random.Random, lines: list[str]) -> list[str]:
    out = list(lines)
    for _ in range(10):
        i = rnd.randrange(len(out))
        out[i] = out[i].replace(".", f"{rnd.randrange(10)}.", 1)
    return out


DAMAGES: dict[str, Callable[[random.Random, list[str]], list[str]]] = {
    "nothing": lambda rnd, lines: lines, "cut": _cut, "drop lines": _drop_lines, "drop characters": _drop_characters,
    "change characters": _change_characters, "cut lines": _cut_lines, "wrap": _wrap, "wrap one": _wrap_one,
    "interleave": _interleave, "foreign lines": _foreign, "repeat": _repeat, "titles again": _titles_again,
    "no markers": _no_markers, "no registers": _no_registers, "collapse": _collapse, "quote": _quote,
    "time jumps": _time_jumps,
}  # fmt: skip
ENDINGS = ("\n", "\r\n", "\r\r\n")


def damaged(
    seed: int, style: str, kinds: list[str], ending: str = "\n", share: float = 0.6, size: int = 40_000
) -> bytes:
    """A made log with some kinds of damage, one after the other."""
    rnd = random.Random(seed)
    lines = log(seed, style, share, size)
    for kind in kinds:
        lines = DAMAGES[kind](rnd, lines) or [""]
    return ending.join([*lines, ""]).encode("utf-8", "surrogateescape")
