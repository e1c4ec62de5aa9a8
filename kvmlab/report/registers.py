"""Register blocks: which lines belong to one, what they say, and what a whole block would hold besides."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kvmlab.report.numbers import hex_number
from kvmlab.report.records import Registers
from kvmlab.text.span import Span


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


_H = r"[0-9a-f]{1,16}"
_SYMBOL = r"[A-Za-z_.$][\w.$:<> ]{0,300}?\+0x[0-9a-f]{1,16}/0x[0-9a-f]{1,16}(?: \[[\w -]{1,110}\])?"

# Lines that consist of `name value` pairs: the names of each architecture and how a pair is written.
_PAIR_LINES: tuple[tuple[str, re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (arch, re.compile(rf"(?:{pair}\s*)+"), re.compile(pair))
    for arch, pair in (
        (
            "x86_64",
            r"(?P<name>R[A-D]X|R[SD]I|R[BS]P|R(?:0[89]|1[0-5])|CR[0234]|DR[0-37]|DR6|PKRU|CS|DS|ES|FS|knlGS|GS|EFLAGS|"
            r"ORIG_RAX): {0,2}(?:(?P<seg>[0-9a-f]{4}):)?(?P<value>[0-9a-f]{4,16})(?:\((?P<sel>[0-9a-f]{4})\))?",
        ),
        (
            "i386",
            r"(?P<name>E[A-D]X|E[SD]I|E[BS]P|e[a-d]x|e[sd]i|e[bs]p|CR[0234]|DR[0-37]|DR6|[C-GS]S|[c-gs]s|EFLAGS|ESP):"
            r" {1,3}(?:(?P<seg>[0-9a-f]{4}):)?(?P<value>[0-9a-f]{4,8})(?P<sel>)",
        ),
        ("arm64", r"(?P<name>x[0-2]?\d|x3[01]|sp|pmr_save) ?: (?P<value>[0-9a-f]{8,16})(?P<seg>)(?P<sel>)"),
        ("arm", r"(?P<name>r(?:10|\d)|sp|ip|fp) ?: ?(?P<value>[0-9a-f]{8})(?P<seg>)(?P<sel>)"),
        (
            "riscv",
            r"(?P<name>gp|tp|t[0-6]|s(?:1[01]|\d)|a[0-7]|sp|status|badaddr|cause) ?: (?P<value>[0-9a-f]{8,16})(?P<seg>)(?P<sel>)",
        ),
        ("sparc", r"(?P<name>[goil][0-7]|sp|ret_pc|PSR|PC|NPC|TSTATE|TPC|TNPC|Y): (?P<value>[0-9a-f]{8,16})(?P<seg>)(?P<sel>)"),
        ("m68k", r"(?P<name>[da][0-7]|SR|SP): (?P<value>[0-9a-f]{4,8})(?P<seg>)(?P<sel>)"),
        ("powerpc", r"(?P<name>NIP|LR|CTR|REGS|TRAP|MSR|CR|XER|CFAR|DAR|DSISR|DEAR|ESR|IRQMASK|SOFTE): {1,2}(?P<value>[0-9a-f]{1,16})(?P<seg>)(?P<sel>)(?: {1,3}(?:<[\w,]*>|\(?(?:Not tainted|Tainted)[^)]*\)?(?:\s+\([^)]*\))?))?"),
        ("loongarch", r"(?P<name>pc|ra|tp|sp|[ats]\d|u0|fp|s8|a[0-7]) (?P<value>[0-9a-f]{16})(?P<seg>)(?P<sel>)"),
        ("mips", r"(?P<name>Hi|Lo|BadVA|PrId|Status|Cause)\s*: (?P<value>[0-9a-f]{8,16})(?P<seg>)(?P<sel>)(?:\s+(?:[A-Z]{2,10}\s*)+|\s+\([^)]*\))?"),
    )
)  # fmt: skip

# Rows of values behind the name of the first register: `GPR00: .. .. .. ..`.
_ROWS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("powerpc", re.compile(rf"(?P<name>GPR)(?P<first>\d\d): (?P<values>{_H}(?:\s{_H}){{0,7}})")),
    ("mips", re.compile(rf"(?P<name>\$)\s*(?P<first>\d{{1,2}})\s*: (?P<values>(?:{_H}|\?+)(?:\s(?:{_H}|\?+)){{0,7}})")),
    ("parisc", re.compile(rf"(?P<name>s?r)(?P<first>\d\d)-\d\d\s+(?P<values>{_H}(?:\s{_H}){{0,7}})")),
    (
        "s390",
        re.compile(r"(?P<name>Krnl GPRS|User GPRS|)(?P<first>):? ?(?P<values>[0-9a-f]{16}(?: [0-9a-f]{16}){3})"),
    ),
    ("sparc", re.compile(rf"(?P<name>%[GOLI])(?P<first>): (?P<values>{_H}(?:\s+{_H}){{0,7}})")),
)

_RIP = re.compile(
    rf"(?P<name>RIP|EIP|IP): {{1,4}}(?:(?P<cs>[0-9a-f]{{4}}):)?(?:\[<(?P<a1>{_H})>\]\s*(?:\[<{_H}>\]\s*)?)?"
    rf"(?:(?P<symbol>{_SYMBOL})|0x(?P<user>{_H})|(?P<plain>{_H})(?=\s|$))?(?P<rest>.*)"
)
_AT = re.compile(r"(?P<name>EIP|PC|LR|RIP) is at (?P<symbol>\S.*)")
_ARM_PC = re.compile(
    rf"(?P<name>pc|lr|epc|ra|era|ERA|RP\(r2\)|TPC|RPC|I7|PC|NPC)\s*: (?:\[<(?P<a1>{_H})>\]|(?P<a2>{_H})(?=\s|$))?\s*(?:<?(?P<symbol>{_SYMBOL})>?)?(?P<rest>.*)"
)
_BRACKETED = re.compile(rf"(?P<name>NIP|LR|PC): {{0,2}}\[<?(?P<value>{_H})>?\] (?P<symbol>\S.*)")
_PSTATE = re.compile(rf"(?P<name>pstate|psr|PSW|Krnl PSW|User PSW)\s*: (?P<value>{_H})(?P<rest>.*)")
_OTHER: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("arm", re.compile(r"Flags: \w{4}\s+IRQs .*|Control: [0-9a-f]{4,8}\s+Table: .*|Register \w+ information: .*")),
    ("arm", re.compile(r"(?:r(?:10|\d):[0-9a-f]{8}\s*)+")),
    ("arm", re.compile(r"Exception stack\(0x[0-9a-f]{8} to 0x[0-9a-f]{8}\)")),
    ("arm", re.compile(r"[0-9a-f]{3,4}0:(?:\s+[0-9a-f]{8}){1,8}")),
    ("arm64", re.compile(r"pstate: [0-9a-f]{8,16} \(.*\)?")),
    ("s390", re.compile(r"R:\d T:\d IO:\d .*|(?:Krnl|User) Code:.*")),
    ("parisc", re.compile(r"YZrvWESTHLNXBCVMcbcbcbcbOGFRQPDI|PSW: [01]{20,} .*|I[AI][SO]?[QR]+:? .*|IAOQ\[\d\]: .*|ORIG_R28:.*|CPU:\s+\d+\s+CR30:.*")),
    ("sparc", re.compile(r"TSTATE: .*")),
    ("loongarch", re.compile(r"(?:CRMD|PRMD|EUEN|ECFG|ESTAT|BADV|PRID|BADI): [0-9a-f]{8,16}.*")),
    ("m68k", re.compile(r"SR: [0-9a-f]{4}\s+SP: .*|Frame format=.*")),
)  # fmt: skip
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
    if ":" not in text[:24] and "[" not in text[:8] and " is at " not in text and not text[:2].islower():
        return None
    if found := _RIP.match(text):
        return _instruction_pointer(found)
    for arch, whole, pair in _PAIR_LINES:
        if whole.fullmatch(text):
            return _pairs(arch, pair, text)
    for arch, row in _ROWS:
        if found := row.fullmatch(text):
            first = found["first"]
            start = int(first) if first else 0
            name = {"Krnl GPRS": "R", "User GPRS": "R", "": "R"}.get(found["name"], found["name"])
            values = {
                f"{name}{start + i}": v
                for i, word in enumerate(found["values"].split())
                if (v := hex_number(word)) is not None
            }
            return RegisterLine(arch, {} if not found["name"] else values)
    if found := _BRACKETED.fullmatch(text):
        return RegisterLine(
            "powerpc" if found["name"] != "PC" else "m68k", {}, {found["name"]: found["symbol"].strip()}
        )
    if found := _AT.fullmatch(text):
        return RegisterLine(
            "i386" if found["name"] == "EIP" else None, {}, {found["name"]: found["symbol"]}, first=True
        )
    if found := _PSTATE.fullmatch(text):
        value = hex_number(found["value"])
        arch = {"pstate": "arm64", "psr": "arm", "PSW": "parisc"}.get(found["name"], "s390")
        return RegisterLine(arch, {} if value is None else {found["name"]: value}, first=True)
    if found := _ARM_PC.fullmatch(text):
        return _program_counter(found)
    for arch, pattern in _OTHER:
        if pattern.fullmatch(text):
            return RegisterLine(arch)
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
    span = lines[0][1]
    mode = None
    arches: dict[str, int] = {}
    for line, where in lines:
        values.update(line.values)
        symbols.update(line.symbols)
        span |= where
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
    return Registers(arch, mode, values, tuple(missing), tuple(missing_lines), span, symbols)


def _pairs(arch: str, pair: re.Pattern[str], text: str) -> RegisterLine:
    values: dict[str, int] = {}
    mode = None
    for found in pair.finditer(text):
        value = hex_number(found["value"])
        name = found["name"].upper() if arch == "i386" else found["name"]
        if value is not None:
            values[name] = value
        if found["seg"]:
            segment = int(found["seg"], 16)
            values["SS"] = segment
            mode = "user" if segment & _USER_RPL == _USER_RPL else "kernel"
        if found["sel"]:
            values[f"{name}_selector"] = int(found["sel"], 16)
    return RegisterLine(arch, values, {}, mode)


def _instruction_pointer(found: re.Match[str]) -> RegisterLine | None:
    name, segment = found["name"], found["cs"]
    if not (segment or found["a1"] or found["symbol"] or found["user"] or found["plain"]):
        return None
    if name == "IP" and not found["symbol"] and not found["a1"]:
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
    for arch, whole, pair in _PAIR_LINES[:2]:
        if rest and whole.fullmatch(rest):
            more = _pairs(arch, pair, rest)
            values.update(more.values)
            mode = mode or more.mode
    arch = "i386" if name == "EIP" or (name == "IP" and value is not None and value < 1 << 32) else "x86_64"
    return RegisterLine(arch, values, symbols, mode, first=True)


def _program_counter(found: re.Match[str]) -> RegisterLine | None:
    name = found["name"]
    value = hex_number(found["a1"] or found["a2"])
    if value is None and not found["symbol"]:
        return None
    values = {} if value is None else {name: value}
    symbols = {name: found["symbol"]} if found["symbol"] else {}
    rest = found["rest"].strip()
    while rest and (
        more := re.match(rf"(?P<n>\w+)\s*: (?:\[<(?P<a1>{_H})>\]|(?P<s>{_SYMBOL})|(?P<a2>{_H})(?=\s|$))\s*", rest)
    ):
        shown = hex_number(more["a1"] or more["a2"])
        if shown is not None:
            values[more["n"]] = shown
        if more["s"]:
            symbols[more["n"]] = more["s"]
        rest = rest[more.end() :]
    if rest:
        return None
    arch = {"epc": None, "ra": None, "pc": None, "lr": "arm64"}.get(name)
    return RegisterLine(arch, values, symbols, first=name in ("pc", "epc"))
