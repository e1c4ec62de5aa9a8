"""The grammar of call traces: entries and markers of every architecture, as printed and as decoders rewrite them."""

from __future__ import annotations

import re
from dataclasses import replace

from kvmlab.report.numbers import hex_number
from kvmlab.report.stack_items import Entry, Marker, StackLine
from kvmlab.report.stack_tail import AT, DECODED, FILE, FILE_ENTRY, Tail, match_tail

# An entry is at most one printk record; decoded entries carry file names and may be longer.
ENTRY_LENGTH = 4096


# alpha and arc have words of their own.
_HEADER = re.compile(r"(?:(?:Call [Tt]race|Backtrace):(?P<rest>.*)|(?:Stack )?Trace:\s*)", re.DOTALL)
_MARKER = re.compile(
    r"<{1,2}(?P<close>/)?(?P<stack>TASK|IRQ|EOI|SOFTIRQ|NMI|EOE|NULL|ENTRY(?:_TRAMPOLINE)?|UNKNOWN|#[A-Z]{2}|#VC2)>{1,2}\s*"
)
# What archives of mails made of a no-break blank in front of an entry.
_WAS_BLANK = re.compile(r"(?:[A?\xa0\xc2]\s+)+(?=\[<[0-9a-f]{8,16}>\]|<(?:IRQ|EOI|NMI|<EOE>)>)")
_CLOSING = {"EOI": "IRQ", "EOE": "NMI"}
# Pages take an address between angle brackets for a tag, and leave the brackets around it.
_EMPTY = r"\[(?:<\s?>)?\](?=\s*[(?A-Za-z_.$][^\[]{0,200}\+0x)"
_ADDRESS = rf"(?:\[<?(?:[0-9a-f]{{8,16}}|\(_*ptrval_*\)|\s*\(null\))>?\]|{_EMPTY})"
# One or two addresses in brackets (two on ppc: stack pointer and return address, the latter bare in its debugger).
_PREFIX = re.compile(
    rf"(?P<paren>\()?(?P<first>{_ADDRESS})\s*(?P<second>{_ADDRESS}|[0-9a-f]{{16}}(?=\s[A-Za-z_.][\w.]*\+0x))?\s*"
)
_SPARC = re.compile(r"\[(?P<address>[0-9a-f]{8,16}) :\s*(?P<rest>.*?)\s*\]?")
_SPARC_CALLER = re.compile(r"Caller\[(?P<address>[0-9a-f]{8,16})\]: +(?P<rest>.*)")
_SYMBOL = r"(?:[A-Za-z_.$](?:[\w.$]|::)*(?<![.:])|0x[0-9a-f]{1,16})"
_PLACE = r"\+0x(?P<off>[0-9a-f]{1,16})/0x(?P<size>[0-9a-f]{1,16})"
_ENTRY = re.compile(
    rf"(?P<unrel>\? )?\s*(?::(?P<old>[\w-]{{1,64}}):)?(?P<sym>{_SYMBOL})(?:{_PLACE})?(?P<tail>(?:[\s)\]].*)?)",
    re.DOTALL,
)
# Names that a decoder wrote out in the manner of Rust or C++, with blanks and brackets in them.
_ODD_ENTRY = re.compile(
    r"(?P<unrel>\? )?\s*(?P<sym>(?=[^+:<]{0,400}(?:::|<))<?[A-Za-z_][^\[\]+]{1,400})"
    rf"{_PLACE}(?P<tail>(?:[\s)].*)?)",
    re.DOTALL,
)
_INLINED_BY = re.compile(rf"\(inlined by\) (?P<sym>{_SYMBOL}) at (?P<file>{FILE})(?: \(discriminator \d{{1,6}}\))?")
# What early symbolizers of fuzzers made of it: the function that was inlined stands last.
_INLINED_OLD = re.compile(
    rf"\[<\s{{1,8}}inlined?\s{{1,8}}>\]\s(?P<unrel>\? )?(?:{_SYMBOL}{_PLACE}\s)?(?P<sym>{_SYMBOL})\s(?P<file>{FILE})"
)
_ARM = re.compile(
    rf"(?P<a1>{_ADDRESS} ?)?"
    rf"(?:\((?P<f>[^()\s]+)(?: \[(?P<fmod>[\w-]+){AT}\])?\)|(?P<f2>{_SYMBOL})(?: \[(?P<fmod2>[\w-]+){AT}\])?) "
    rf"from (?P<a2>{_ADDRESS} ?)?\(?(?P<g>{_SYMBOL})(?:{_PLACE})?(?: \[(?P<gmod>[\w-]+){AT}\])?\)?"
    rf"(?: {DECODED.pattern}(?: (?P<gmod2>[\w-]{{1,64}}))?)?"
)
# arm without CONFIG_KALLSYMS.
_ARM_BARE = re.compile(r"Function entered at \[<(?P<a1>[0-9a-f]{8,16})>\] from \[<(?P<a2>[0-9a-f]{8,16})>\]")
_NO_MODULE = re.compile(r"[0-9a-f]{8}|[0-9a-f]{16}")
_FROM_USER = re.compile(r"0x[0-9a-f]{8}")
_ARM_PART = re.compile(rf"(?P<sym>{_SYMBOL})(?:{_PLACE})?")
# x86-64 of 2.6.17 and before: several entries a line, decimal offsets.
_OLD_64 = re.compile(
    r"<(?P<address>[0-9a-f]{16})>\{(?::(?P<module>[\w-]{1,64}):)?(?P<sym>[\w.]{1,128})(?:(?P<off>[+-]\d{1,8}))?\}\s*"
)
# i386 of 2.6.16 to 2.6.18: several entries a line, their addresses between angle brackets.
_OLD_32 = re.compile(
    rf"<(?P<address>[0-9a-f]{{8}})>\s+(?P<rest>(?:\? )?(?::[\w-]{{1,64}}:)?{_SYMBOL}"
    rf"\+0x[0-9a-f]{{1,16}}/0x[0-9a-f]{{1,16}}(?:\s\[[\w-]{{1,64}}\])?)\s*"
)
# What klogd makes of an address, in front of what the kernel printed.
_KLOGD = re.compile(r"\[:?[\w.:]{1,128}(?:[+-]\d{1,10}/(?:-?\d{1,10})|\+0x[0-9a-f]{1,8}/0x[0-9a-f]{1,8})\]\s*")
_KLOGD_ITEM = re.compile(
    r"\[(?::?(?P<module>[\w-]{1,64}):)?(?P<sym>[A-Za-z_][\w.]{1,127})\+(?P<off>\d{1,7})/(?P<size>\d{1,7})\]\s*"
)
_KLOGD_ROW = re.compile(r"(?:\[(?::?[\w-]{1,64}:)?[A-Za-z_][\w.]{1,127}\+\d{1,7}/\d{1,7}\]\s*){1,16}")
_SEVERAL = re.compile(
    rf"(?:{_ADDRESS}\s*(?:\? )?{_SYMBOL}\+0x[0-9a-f]{{1,16}}/0x[0-9a-f]{{1,16}}(?:\s\[[\w-]{{1,64}}\])?\s*){{2,32}}"
)
_SEVERAL_ITEM = re.compile(
    rf"(?P<address>{_ADDRESS})\s*(?P<rest>(?:\? )?{_SYMBOL}\+0x[0-9a-f]+/0x[0-9a-f]+(?:\s\[[\w-]+\])?)"
)


def match_header(text: str) -> str | None:
    """What stands behind the header of a call trace (`""` as a rule); None if the line is another one.

    >>> match_header("Call Trace:"), match_header("Call me")
    ('', None)
    """
    found = _HEADER.fullmatch(text)
    return None if found is None else (found["rest"] or "").strip()


def match_stack_line(text: str, inside: bool = False) -> StackLine | None:
    """Reads one line of a call trace; None if it can be none.

    Args:
        text: the message.
        inside: whether a call trace is open, so that a bare function name is an entry too.

    >>> line = match_stack_line(" ? kvm_vcpu_ioctl+0x29e/0x6f0 [kvm]")
    >>> [(e.function, e.offset, e.size, e.module, e.reliable) for e in line.entries]
    [('kvm_vcpu_ioctl', 670, 1776, 'kvm', False)]
    >>> match_stack_line(" </TASK>").markers
    (Marker(stack='TASK', opens=False),)
    """
    rest = text[:ENTRY_LENGTH].strip()
    items: list[Marker | Entry] = []
    if found := _WAS_BLANK.match(rest):
        rest = rest[found.end() :]
    while rest.startswith("<"):
        if found := _MARKER.match(rest):
            stack = found["stack"]
            opens = found["close"] is None and stack not in _CLOSING
            items.append(Marker(_CLOSING.get(stack, stack), opens))
        elif found := _OLD_64.match(rest):
            items.append(_old_entry(found))
        elif (found := _OLD_32.match(rest)) and (entry := _addressed(found["rest"], found["address"])):
            items.append(entry)
        else:
            break
        rest = rest[found.end() :]
        if found := _WAS_BLANK.match(rest):
            rest = rest[found.end() :]
    if rest.startswith("[") and not _KLOGD_ROW.fullmatch(rest) and (found := _KLOGD.match(rest)):
        rest = rest[found.end() :]
    if not rest:
        return StackLine(tuple(items), True) if items else None
    if "+0x" not in rest and "[" not in rest and not inside and not items and "<" not in rest and " from " not in rest:
        return None
    found_entries = _entries(rest, inside or bool(items))
    if found_entries is None:
        return StackLine(tuple(items), True) if items else None
    entries, strict = found_entries
    return StackLine((*items, *entries), strict or bool(items))


def _entries(rest: str, inside: bool) -> tuple[tuple[Entry, ...], bool] | None:
    if " from " in rest and (arm := _arm(rest, inside)) is not None:
        return arm, True
    if (found := _SPARC.fullmatch(rest)) or (found := _SPARC_CALLER.fullmatch(rest)):
        if not found["rest"] or found["rest"] == "(null)":
            return (), True
        inner = _one(found["rest"], True, hex_number(found["address"]))
        return None if inner is None else ((inner[0],), True)
    if found := _PREFIX.match(rest):
        if found["second"] is None and _SEVERAL.fullmatch(rest):
            return tuple(
                e for item in _SEVERAL_ITEM.finditer(rest) if (e := _addressed(item["rest"], item["address"]))
            ), True
        shown = found["second"] or found["first"]
        behind = rest[found.end() :]
        if behind == "(null)" and "null" in shown:
            return (Entry(behind, address=0),), inside
        if not behind:
            return (Entry(f"0x{a:x}", address=a),) if (a := hex_number(shown.strip("[<>]"))) is not None else (), inside
        inner = _one(behind, True, hex_number(shown.strip("[<>]")))
        if inner is None:
            return None
        entry, _ = inner
        if found["paren"] and behind.endswith(")"):
            entry = replace(entry, reliable=False)
        unresolved = inside and shown.startswith("[<") and entry.function.startswith("0x")
        return (entry,), entry.offset is not None or found["second"] is not None or unresolved
    if _KLOGD_ROW.fullmatch(rest):
        items = _KLOGD_ITEM.finditer(rest)
        return tuple(
            Entry(item["sym"], int(item["off"]), int(item["size"]), item["module"], address=None) for item in items
        ), True
    if found := _INLINED_OLD.fullmatch(rest):
        return (Entry(found["sym"], source=(found["file"],), inlined=True, reliable=found["unrel"] is None),), True
    if found := _INLINED_BY.fullmatch(rest):
        return (Entry(found["sym"], source=(found["file"],), inlined=True),), True
    inner = _one(rest, inside, None)
    return None if inner is None else ((inner[0],), inner[1])


def _addressed(rest: str, address: str) -> Entry | None:
    inner = _one(rest, True, hex_number(address.strip("[<>]")))
    return None if inner is None else inner[0]


def _one(rest: str, inside: bool, address: int | None) -> tuple[Entry, bool] | None:
    found = _ENTRY.fullmatch(rest) or (_ODD_ENTRY.fullmatch(rest) if "+0x" in rest else None)
    if found is None:
        return None
    placed = found["off"] is not None
    tail = match_tail(found["tail"], placed)
    if tail is None:
        # Something else stands behind the entry (two CPUs wrote into one line); the entry itself is whole.
        if not (inside and placed):
            return None
        tail = Tail()
    decoded = bool(tail.source)
    if not placed and tail.module is not None and _NO_MODULE.fullmatch(tail.module):
        # A register of powerpc: its name and its value in brackets.
        return None
    bare = not placed and not decoded and address is None and tail.module is None
    if bare and not inside:
        return None
    if bare and (rest != found["sym"] and not found["unrel"] and tail.info is None):
        return None
    reliable = found["unrel"] is None and tail.info != "unreliable"
    # x86-64 of 2.6 puts the module before the symbol, between colons.
    module = tail.module or found.groupdict().get("old")
    entry = Entry(
        found["sym"].strip(), hex_number(found["off"]), hex_number(found["size"]), module, tail.build_id, reliable,
        address, tail.source, tail.inlined, tail.info,
    )  # fmt: skip
    # An address that no symbol covers stands behind a mark, or by itself inside a trace.
    unresolved = inside and found["sym"].startswith("0x")
    return entry, placed or decoded or unresolved or (address is not None and tail.module is not None)


def _arm(rest: str, inside: bool) -> tuple[Entry, ...] | None:
    if found := _ARM_BARE.fullmatch(rest):
        pair = (found["a1"], False), (found["a2"], True)
        return tuple(Entry(f"0x{a}", address=hex_number(a), caller=caller) for a, caller in pair)
    found = _ARM.fullmatch(rest)
    if found is None:
        return None
    callee = _ARM_PART.fullmatch(found["f"] or found["f2"])
    # A program has no symbols: in a trace, the entry from it ends in its bare address.
    source = tuple(item[0] for item in FILE_ENTRY.finditer(found["files"] or ""))
    placed = found["a1"] or found["off"] is not None or source or (inside and _FROM_USER.fullmatch(found["g"]))
    if callee is None or not placed:
        return None
    a1, a2 = (hex_number((found[g] or "").strip("[<>] ")) for g in ("a1", "a2"))
    return (
        Entry(
            callee["sym"], hex_number(callee["off"]), hex_number(callee["size"]), found["fmod"] or found["fmod2"],
            address=a1, caller=False,
        ),
        Entry(
            found["g"], hex_number(found["off"]), hex_number(found["size"]), found["gmod"] or found["gmod2"],
            address=a2, source=source, caller=True,
        ),
    )  # fmt: skip


def _old_entry(found: re.Match[str]) -> Entry:
    offset = int(found["off"]) if found["off"] else None
    return Entry(found["sym"], offset, None, found["module"], address=hex_number(found["address"]))
