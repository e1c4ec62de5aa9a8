"""Register blocks: which lines belong to one, what they say, and what a whole block would hold besides."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kvmlab.report.numbers import hex_number
from kvmlab.report.records import Registers
from kvmlab.report.register_row import HEX, SYMBOL, How, RegisterRow
from kvmlab.report.register_table import ANY_ROW, REGISTER_ROWS
from kvmlab.text.span import Span, hull


@dataclass(frozen=True, slots=True)
class RegisterLine:
    """What one line of a register block says.

    Args:
        arch: architecture, None if several have such a line.
        values: register name to value.
        symbols: register name to symbol.
        mode: `user` or `kernel`, if the line shows it.
        first: whether the line begins a block.
    """

    arch: str | None
    values: Mapping[str, int] = field(default_factory=dict)
    symbols: Mapping[str, str] = field(default_factory=dict)
    mode: str | None = None
    first: bool = False


_H = HEX
# A place as a decoder writes it, `do_exit (kernel/exit.c:814)`, and what it puts behind one that keeps its offset.
_FILE = r"[\w./+~-]{1,256}\.[a-zA-Z]{1,4}:\d{1,7}"
_DECODED = (
    rf"[A-Za-z_.$][\w.$]{{0,128}} \({_FILE}[^()]{{0,256}}(?:\(discriminator \d{{1,6}}\)[^()]{{0,256}}){{0,8}}\)"
    r"(?: \[?[\w-]{1,64}\]?)?"
)
_BEHIND = re.compile(rf"{_FILE}(?: \(discriminator \d{{1,6}}\))?$")
# mips to 2.6.3x puts the taint behind it.
_TAINT_BEHIND = re.compile(r"(?:Not tainted|Tainted: [A-Z ]{1,64})$")
_INLINED = re.compile(rf"(?:pc|lr|epc|ra|RIP) ?: ?(?:[0-9a-f]{{4}}:)?[A-Za-z_.$][\w.$]{{0,128}} {_FILE} \[inline\]$")
_RIP = re.compile(
    rf"(?P<name>RIP|EIP): {{1,4}}(?:(?P<cs>[0-9a-f]{{4}}):)?(?:\[<(?P<a1>{_H})>\]\s*(?:\[<{_H}>\]\s*)?"
    # klogd may put its own idea of the place there.
    r"|(?:\[\]\s*){1,2}|(?:\[:?[\w.:]{1,128}\+(?:0x[0-9a-f]{1,8}/0x[0-9a-f]{1,8}|\d{1,8}/\d{1,8})\]\s*){1,2})?"
    rf"(?:(?P<symbol>{SYMBOL}|{_DECODED})|0x(?P<user>{_H})|(?P<plain>{_H})(?=\s|$))?(?P<rest>.*)"
)
_AT = re.compile(r"(?P<name>EIP|PC|LR|RIP|PR|pc|ra|ip) is at (?P<symbol>\S.*)")
_ARM_PC = re.compile(
    rf"(?P<name>pc|lr|s?epc|ra|era|ERA|RP\(r2\)|TPC|RPC|I7|PC|NPC)\s*: "
    rf"(?:\[<(?P<a1>{_H})>\]|(?:0x)?(?P<a2>{_H})(?=[\s:]|$):?)?\s*"
    rf"(?:<?(?P<symbol>{SYMBOL}|{_DECODED})>?|0x{_H})?(?:\s*\[[\w@+-]{{1,96}}\])?(?P<rest>.*)"
)
_BRACKETED = re.compile(rf"(?P<name>NIP|LR|PC):? {{1,2}}\[<?(?P<value>{_H})>?\] (?P<symbol>\S.*)")
_CODE = re.compile(r"(?:Code|Instruction dump|Krnl Code|Code Start|Instruction DUMP): ?(?P<code>.*)")

_X86_64_GENERAL = (
    "RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "R08", "R09", "R10", "R11", "R12", "R13", "R14", "R15",
)  # fmt: skip
# What a whole user-mode block of x86-64 holds, and the lines it stands on (arch/x86/kernel/process_64.c, 4.15 to 6.19).
_WHOLE: Mapping[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    "x86_64": (
        (("RIP", "CS"), "RIP:"),
        ((), "Code:"),
        (("RSP", "SS", "EFLAGS", "ORIG_RAX"), "RSP: ... EFLAGS: ... ORIG_RAX:"),
        (_X86_64_GENERAL, "RAX: ... R15:"),
    ),
}
_USER_RPL = 3
# Bits of riscv's status and of arm64's pstate that are clear when a program ran.
_SR_SPP, _PSR_MODE = 0x100, 0xF
_COLONLESS = re.compile(
    r"[a-z][a-z0-9] |s?r\d\d-|YZ|I[AI]|Exception stack|Frame format|Register|[0-9a-f]{16} |\$ |sp=|r\d{1,2}=|msr="
)
_X86_ROWS = tuple(row for row in REGISTER_ROWS if row.arch in ("x86_64", "i386") and row.how is How.PAIRS)
_ROW_NAMES = {"Krnl GPRS": "R", "User GPRS": "R"}


def match_registers(text: str) -> RegisterLine | None:
    """Reads one line of a register block of any architecture; None if it is none.

    Args:
        text: the message, blanks around it removed.

    >>> line = match_registers("RDX: 0000000000000000 RSI: 000000000000ae80 RDI: 0000000000000017")
    >>> line.arch, {name: hex(value) for name, value in line.values.items()}
    ('x86_64', {'RDX': '0x0', 'RSI': '0xae80', 'RDI': '0x17'})
    >>> match_registers("RIP: 0033:0x7f8367f4eaca").mode
    'user'
    """
    if ":" not in text[:24] and "[" not in text[:8] and " is at " not in text and not _COLONLESS.match(text):
        return None
    if text.endswith("[inline]") and _INLINED.match(text):
        return RegisterLine(None)
    if found := _RIP.match(text):
        return _instruction_pointer(found)
    if (any_row := ANY_ROW.fullmatch(text)) and any_row.lastindex:
        row = REGISTER_ROWS[any_row.lastindex - 1]
        if row.how is How.PAIRS:
            return _pairs(row, text)
        if found := row.regex.fullmatch(text):
            return _row(row, found)
    if found := _BRACKETED.fullmatch(text):
        return RegisterLine(
            "powerpc" if found["name"] != "PC" else "m68k", {}, {found["name"]: found["symbol"].strip()}
        )
    if found := _AT.fullmatch(text):
        return RegisterLine(
            "i386" if found["name"] == "EIP" else None, {}, {found["name"]: found["symbol"]}, first=True
        )
    if found := _ARM_PC.fullmatch(text):
        return _program_counter(found)
    return None


def match_code(text: str) -> str | None:
    """What stands behind `Code:` (bytes around the instruction pointer); None if the line is another one."""
    found = _CODE.fullmatch(text)
    return None if found is None else found["code"].strip()


def build_registers(lines: Sequence[tuple[RegisterLine, Span]], code: bool, user: bool) -> Registers:
    """One block from its lines.

    Args:
        lines: the lines with their spans, in order.
        code: whether a `Code:` line belongs to it.
        user: whether its place shows that it is the user-mode block of a task (directly before `</TASK>`).
    """
    values: dict[str, int] = {}
    symbols: dict[str, str] = {}
    mode = None
    arches: dict[str, int] = {}
    for line, _ in lines:
        values.update(line.values)
        symbols.update(line.symbols)
        mode = mode or line.mode
        if line.arch is not None:
            arches[line.arch] = arches.get(line.arch, 0) + 1
    arch = max(arches, key=lambda name: arches[name]) if arches else "unknown"
    mode = mode or ("user" if user else None)
    missing: list[str] = []
    missing_lines: list[str] = []
    if mode == "user":
        for names, printed in _WHOLE.get(arch, ()):
            lost = [name for name in names if name not in values and name not in symbols]
            missing += lost
            if (lost and len(lost) == len(names)) or (not names and not code):
                missing_lines.append(printed)
    span = hull([where for _, where in lines])
    return Registers(arch, mode, values, tuple(missing), tuple(missing_lines), span, symbols)


def _row(row: RegisterRow, found: re.Match[str]) -> RegisterLine:
    if row.how is How.STATE:
        value = hex_number(found["value"])
        mode = None
        if found["name"] == "pstate" and value is not None:
            mode = "kernel" if value & _PSR_MODE else "user"
        return RegisterLine(row.arch, {} if value is None else {found["name"]: value}, {}, mode, first=True)
    if row.how is How.ROW and found["name"]:
        start = int(found["first"] or "0")
        name = _ROW_NAMES.get(found["name"], found["name"])
        words = [hex_number(word) for word in found["values"].split()]
        return RegisterLine(row.arch, {f"{name}{start + i}": word for i, word in enumerate(words) if word is not None})
    return RegisterLine(row.arch)


def _pairs(row: RegisterRow, text: str) -> RegisterLine:
    values: dict[str, int] = {}
    mode = None
    segments, selectors = "seg" in row.pair.groupindex, "sel" in row.pair.groupindex
    for found in row.pair.finditer(text):
        value = hex_number(found["value"])
        name = found["name"].upper() if row.arch == "i386" else found["name"]
        if value is not None:
            values[name] = value
        if segments and (seg := found["seg"]):
            segment = int(seg, 16)
            values["SS"] = segment
            mode = "user" if segment & _USER_RPL == _USER_RPL else "kernel"
        if selectors and (sel := found["sel"]):
            values[f"{name}_selector"] = int(sel, 16)
    if row.arch == "riscv" and (status := values.get("status", values.get("sstatus"))) is not None:
        mode = "kernel" if status & _SR_SPP else "user"
    return RegisterLine(row.arch, values, {}, mode)


def _instruction_pointer(found: re.Match[str]) -> RegisterLine | None:
    name, segment = found["name"], found["cs"]
    if not (segment or found["a1"] or found["symbol"] or found["user"] or found["plain"]):
        return None
    values: dict[str, int] = {}
    symbols: dict[str, str] = {}
    mode = None
    if segment:
        values["CS"] = int(segment, 16)
        mode = "user" if values["CS"] & _USER_RPL == _USER_RPL else "kernel"
    value = hex_number(found["a1"] or found["user"] or found["plain"])
    if value is not None:
        values[name] = value
    if found["symbol"]:
        symbols[name] = found["symbol"]
    rest = found["rest"].strip()
    for row in _X86_ROWS:
        if rest and row.regex.fullmatch(rest):
            more = _pairs(row, rest)
            values.update(more.values)
            mode = mode or more.mode
    arch = "i386" if name == "EIP" else "x86_64"
    return RegisterLine(arch, values, symbols, mode, first=True)


def _program_counter(found: re.Match[str]) -> RegisterLine | None:
    name = found["name"]
    value = hex_number(found["a1"] or found["a2"])
    if value is None and not found["symbol"]:
        return None
    values = {} if value is None else {name: value}
    symbols = {name: found["symbol"]} if found["symbol"] else {}
    rest = found["rest"].strip()
    if rest.endswith("ainted") or "Tainted: " in rest:
        rest = _TAINT_BEHIND.sub("", rest).rstrip()
    while rest and (
        more := re.match(rf"(?P<n>\w+)\s*: (?:\[<(?P<a1>{_H})>\]|(?P<s>{SYMBOL})|(?P<a2>{_H})(?=\s|$))\s*", rest)
    ):
        shown = hex_number(more["a1"] or more["a2"])
        if shown is not None:
            values[more["n"]] = shown
        if more["s"]:
            symbols[more["n"]] = more["s"]
        rest = rest[more.end() :]
    if rest and not _BEHIND.match(rest):
        return None
    arch = {"epc": None, "ra": None, "pc": None, "lr": "arm64"}.get(name)
    return RegisterLine(arch, values, symbols, first=name in ("pc", "epc", "sepc"))
