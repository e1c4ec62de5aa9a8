"""How register lines look on each architecture: rows of patterns, each with a sample that is run as a test."""

from __future__ import annotations

import re

from kvmlab.report.register_row import HEX, How, RegisterRow

_X86_64 = (
    r"(?P<name>R[A-D]X|R[SD]I|R[BS]P|R(?:0[89]|1[0-5])|CR[0234]|DR[0-367]|PKRU|CS|DS|ES|FS|knlGS|GS|EFLAGS|ORIG_RAX):"
    r" {0,2}(?:(?P<seg>[0-9a-f]{4}):)?(?P<value>[0-9a-f]{4,16})(?:\((?P<sel>[0-9a-f]{4})\))?"
)
_I386 = (
    r"(?P<name>E[A-D]X|E[SD]I|E[BS]P|e[a-d]x|e[sd]i|e[bs]p|CR[0234]|DR[0-367]|[C-GS]S|[c-gs]s|preempt|EFLAGS):"
    r" {1,4}(?:(?P<seg>[0-9a-f]{4}):)?(?P<value>[0-9a-f]{4,8})"
)
_POWERPC = (
    r"(?P<name>NIP|LR|CTR|REGS|TRAP|MSR|CR|XER|CFAR|DAR|DSISR|DEAR|ESR|IRQMASK|SOFTE): {1,2}(?P<value>[0-9a-f]{1,16}),?"
    r"(?: {1,3}(?:<[\w,]*+>|\(?(?:Not tainted|Tainted)[^)]*+\)?))?"
)
_MIPS = (
    r"(?P<name>Hi|Lo|BadVA|PrId|Status|Cause)\s*: (?P<value>[0-9a-f]{8,16})"
    r"(?:(?:\s+[A-Z]{2,10})++|\s+\([^)]*+\))?"
)
# To 4.18 the names of some began with an s.
_RISCV = r"(?P<name>gp|tp|t[0-6]|s(?:1[01]|\d)|a[0-7]|sp|s?status|s?badaddr|s?cause) ?: (?P<value>[0-9a-f]{8,16})"
_SPARC = (
    r"(?P<name>[goil][0-7]|sp|ret_pc|PSR|PC|NPC|TSTATE|TPC|TNPC|Y): (?P<value>[0-9a-f]{8,16})"
    r"(?:\s+(?:Not t|T)ainted.*)?"
)
_SH = r"(?P<name>R\d{1,2}|PC|SP|SR|TEA|MACH|MACL|GBR|PR)\s*: (?P<value>[0-9a-f]{8})"
_ALPHA = (
    r"(?P<name>v0|[tsa]\d{1,2}|pc|ra|ps|pv|gp|sp|at|fp)\s*= (?:\[<)?(?P<value>[0-9a-f]{16}|[0-9a-f]{4}(?=\s))(?:>\])?"
    r"(?:\s+(?:Not t|T)ainted.*)?"
)
_IA64 = (
    r"(?P<name>psr|ifs|ip|unat|pfs|rsc|rnat|bsps|pr|ldrs|ccv|fpsr|csd|ssd|[bf]\d{1,2}|r\d{1,2})\s*: "
    r"(?:\[<)?(?P<value>[0-9a-f]{16,21})(?:>\])?(?:\s+(?:Not t|T)ainted.*)?"
)
# A value by itself could be anything's: another one stands behind it, or before it.
_NIOS2 = (
    r"(?P<name>r(?:1[0-5]|[1-9])(?:(?<=[0-9a-f] r\d)|(?<=[0-9a-f] r\d\d)|(?=: [0-9a-f]{8} r\d))"
    r"|ra(?=: [0-9a-f]{8} fp)|(?<=[0-9a-f] )(?:fp|sp|gp|estatus)|ea(?=: [0-9a-f]{8} estatus)):"
    r" {1,2}(?P<value>[0-9a-f]{8})"
)
_OPENRISC = (
    r"(?P<name>GPR\d\d(?:(?<=[0-9a-f] GPR\d\d)|(?=: [0-9a-f]{8} GPR))|PC(?=: [0-9a-f]{8}\s+SR)|SR(?=: [0-9a-f]{8}\s+SP)"
    r"|(?<=\s)(?:SP|FPCSR|oGPR11)|RES(?=: [0-9a-f]{8} oGPR11)): (?P<value>[0-9a-f]{8})"
)
_MICROBLAZE = (
    r"(?P<name>(?:r(?:PC|[12]\d|3[01]|[1-9])|msr|ear|esr|fsr)(?:(?<=, r\d)|(?<=, \w{3})|(?==[0-9A-F]{8}, )))"
    r"=(?P<value>[0-9A-F]{8}),?"
)
_ARC = (
    r"(?P<name>ECR|EFA|ERET|STAT(?:32)?|BTA|SP|FP|LP[SEC]|r\d\d)\s*: 0x(?P<value>[0-9a-f]{8})(?: \[[^\]]{0,16}\])?"
    r"(?:\s+BLK: .*)?"
)
_XTENSA = r"(?P<name>pc|ps|depc|excvaddr|lbeg|lend|lcount|sar): (?P<value>[0-9a-f]{8}),?"

REGISTER_ROWS: tuple[RegisterRow, ...] = (
    RegisterRow("x86_64", How.PAIRS, _X86_64, "RAX: ffffffffffffffda RBX: 0000560a64915500 RCX: 00007faa23e81c5b"),
    RegisterRow(
        "x86_64", How.PAIRS, _X86_64, "FS:  0000000000000000(0000) GS:ffff8b68883cb000(0000) knlGS:0000000000000000"
    ),
    RegisterRow("i386", How.PAIRS, _I386, "DS: 007b ES: 007b FS: 0000 GS: 0033 SS: 007b EFLAGS: 00010207"),
    RegisterRow("i386", How.PAIRS, _I386, "eax: 00000000   ebx: c11bb6f4   ecx: 00000001   edx: c11bb6f4"),
    RegisterRow(
        "arm64",
        How.PAIRS,
        r"(?P<name>x[0-2]?\d|x3[01]|sp|pmr_save) ?: (?P<value>[0-9a-f]{8,16})",
        "x29: ffff80001a6b3b20 x28: ffff0000c5f2d640 x27: 0000000000000000",
    ),
    RegisterRow("nios2", How.PAIRS, _NIOS2, "ra: c0003b54 fp:  c1cd3e20 sp: c1cd3e0c gp: c0a1f000"),
    RegisterRow(
        "arm",
        How.PAIRS,
        r"(?P<name>r(?:10|\d)|sp|ip|fp) ?: (?P<value>[0-9a-f]{8})",
        "r10: c0ffee00  r9 : c6c0e000  r8 : 00000001",
    ),
    RegisterRow("riscv", How.PAIRS, _RISCV, "gp : ffffffff82c1a7b8 tp : ff6000002b4ee000 t0 : 0000000000000000"),
    RegisterRow(
        "sparc",
        How.PAIRS,
        _SPARC,
        "g0: 0000000000000000 g1: 0000000000000001 g2: 0000000000000000 g3: 0000000000000000",
    ),
    RegisterRow(
        "m68k", How.PAIRS, r"(?P<name>[da][0-7]|SR|SP): (?P<value>[0-9a-f]{4,8})", "d0: 00000001    d1: 41fe0ca0"
    ),
    RegisterRow("openrisc", How.PAIRS, _OPENRISC, "GPR04: 00000001 GPR05: c0355f28 GPR06: 00000000 GPR07: c0355f30"),
    RegisterRow("microblaze", How.PAIRS, _MICROBLAZE, "r1=C0A1FE20, r2=00000000, r3=FFFFFFF2, r4=C0301C00"),
    RegisterRow("microblaze", How.TEXT, r"Registers dump: mode=[0-9A-F]{1,8}", "Registers dump: mode=1"),
    RegisterRow("sh", How.PAIRS, _SH, "PC  : 8c0a1234 SP  : 8f81be2c SR  : 40008000 TEA : 00000018"),
    RegisterRow("alpha", How.PAIRS, _ALPHA, "v0 = 0000000000000007  t0 = 0000000000000001  t1 = fffffc0000900000"),
    RegisterRow("ia64", How.PAIRS, _IA64, "b0  : a000000200ab0240 b6  : a0000001000354c0 b7  : a000000100010020"),
    RegisterRow("ia64", How.TEXT, r"sp=[0-9a-f]{16} bsp=[0-9a-f]{16}", "sp=e0000001fb2af810 bsp=e0000001fb2a9210"),
    RegisterRow("arc", How.PAIRS, _ARC, "ECR: 0x00050200 EFA: 0x00000000 ERET: 0x80123456"),
    RegisterRow("xtensa", How.PAIRS, _XTENSA, "pc: d0012345, ps: 00060f30, depc: 00000014, excvaddr: 00000014"),
    RegisterRow(
        "xtensa",
        How.ROW,
        r"(?P<name>a)(?P<first>\d\d): (?P<values>[0-9a-f]{8}(?: [0-9a-f]{8}){0,7})",
        "a00: 90012345 d1234560 00000000 00000001",
    ),
    RegisterRow("powerpc", How.PAIRS, _POWERPC, "NIP:  6ffc5eb0 LR: 6ffc5e84 CTR: c0335cb0"),
    RegisterRow(
        "loongarch",
        How.PAIRS,
        r"(?P<name>pc|ra|tp|sp|[ats]\d|u0|fp) (?P<value>[0-9a-f]{16})",
        "pc 9000000000224a4c ra 9000000000224a3c tp 900000010016c000 sp 900000010016fb60",
    ),
    RegisterRow(
        "loongarch",
        How.PAIRS,
        r"(?:CSR )?(?P<name>CRMD|PRMD|EUEN|ECFG|ESTAT|BADV|PRID|BADI|crmd|prmd|euen|ecfg|estat): "
        r"(?P<value>[0-9a-f]{8,16})(?:\s+[(\[].*)?",
        "CRMD: 000000b0 (PLV0 -IE -DA +PG DACF=CC DACM=CC -WE)",
    ),
    RegisterRow("mips", How.PAIRS, _MIPS, "Status: 10008403 KERNEL EXL IE"),
    RegisterRow(
        "powerpc",
        How.ROW,
        rf"(?P<name>GPR)(?P<first>\d\d): (?P<values>{HEX}(?:\s{{1,4}}{HEX}){{0,7}})",
        "GPR00: 6ffc60bc af9a9650 a7a15550 0064c9ac",
    ),
    RegisterRow(
        "mips",
        How.ROW,
        rf"(?P<name>\$)\s*(?P<first>\d{{1,2}})\s*: (?P<values>(?:{HEX}|\?+)(?:\s(?:{HEX}|\?+)){{0,7}})",
        "$ 0   : 00000000 10008400 8040dd2c 87c1b974",
    ),
    RegisterRow(
        "parisc",
        How.ROW,
        rf"(?P<name>s?r)(?P<first>\d\d)-\d\d\s+(?P<values>{HEX}(?:\s{HEX}){{0,7}})",
        "r00-03  000000ff0804ff0f 0000000040c54770 000000004017f1d8 00000000a8c3c4a0",
    ),
    RegisterRow(
        "s390",
        How.ROW,
        r"(?P<name>(?:Krnl|User) GPRS): (?P<first>)(?P<values>[0-9a-f]{16}(?: [0-9a-f]{16}){3})",
        "Krnl GPRS: 0000000000000001 00000000010d6ca0 0000000000000000 000003e000000000",
    ),
    RegisterRow(
        "i386",
        How.STATE,
        r"(?P<name>EFLAGS): (?P<value>[0-9a-f]{8})(?: CPU: \d{1,6}|\s+\([^)]*\))\s*",
        "EFLAGS: 00000246 CPU: 0",
    ),
    RegisterRow(
        "sparc",
        How.ROW,
        rf"(?P<name>%[GOLI])(?P<first>): (?P<values>{HEX}(?:\s+{HEX}){{0,7}})",
        "%G: f0933420 00000001  00000000 00000000  00000000 00000000  f00e0000 00000000",
    ),
    RegisterRow(
        "arm64",
        How.STATE,
        rf"(?P<name>pstate)\s*: (?P<value>{HEX})(?: \(.*)?",
        "pstate: 60400009 (nZCv daif +PAN -UAO -TCO -DIT -SSBS BTYPE=--)",
    ),
    RegisterRow("arm", How.STATE, rf"(?P<name>psr)\s*: (?P<value>{HEX}).*", "psr: 60000013"),
    RegisterRow(
        "s390",
        How.STATE,
        rf"(?P<name>(?:Krnl|User) PSW) : (?P<value>{HEX}).*",
        "Krnl PSW : 0704e00180000000 00000000002e4f5a (bad_page+0x122/0x128)",
    ),
    RegisterRow("parisc", How.TEXT, r"YZrvWESTHLNXBCVMcbcbcbcbOGFRQPDI", "YZrvWESTHLNXBCVMcbcbcbcbOGFRQPDI"),
    RegisterRow("parisc", How.TEXT, r"PSW: [01]{20,64}.*", "PSW: 00001000000001001111111100001111 Not tainted"),
    RegisterRow(
        "parisc",
        How.TEXT,
        r"I[AI][SO]?[QR]+:? .*|IAOQ\[\d\]: .*|ORIG_R28:.*",
        "IASQ: 0000000000000000 0000000000000000",
    ),
    RegisterRow(
        "parisc", How.TEXT, r"CPU:\s+\d{1,4}\s+CR30:.*", "CPU:        0   CR30: 00000000a8c3c000 CR31: ffffffffffffffff"
    ),
    RegisterRow(
        "arm", How.TEXT, r"Flags: \w{4}\s+IRQs .*", "Flags: nZCv  IRQs on  FIQs on  Mode SVC_32  ISA ARM  Segment none"
    ),
    RegisterRow(
        "arm", How.TEXT, r"Control: [0-9a-f]{4,8}\s+Table: .*", "Control: 10c5387d  Table: 9e11806a  DAC: 00000051"
    ),
    RegisterRow("arm", How.TEXT, r"Register \w{1,4} information: .*", "Register r0 information: NULL pointer"),
    RegisterRow(
        "arm", How.TEXT, r"(?:r(?:10|\d):[0-9a-f]{8}\s*){1,12}", "r7:c20ccad4 r6:00000000 r5:60010193 r4:c20ccad4"
    ),
    RegisterRow(
        "arm",
        How.TEXT,
        r"Exception stack\(0x[0-9a-f]{8,16} to 0x[0-9a-f]{8,16}\)",
        "Exception stack(0xd28a1d38 to 0xd28a1d80)",
    ),
    RegisterRow(
        "arm", How.TEXT, r"[0-9a-f]{3,4}0:(?:\s+[0-9a-f]{8}){0,8}", "1d40: e8632de0 be974000 e714b000 40048000"
    ),
    RegisterRow(
        "s390", How.TEXT, r"R:\d T:\d IO:\d .*", "R:0 T:1 IO:1 EX:1 Key:0 M:1 W:0 P:0 AS:3 CC:2 PM:0 RI:0 EA:3"
    ),
    RegisterRow(
        "sparc",
        How.TEXT,
        r"TSTATE: .*",
        "TSTATE: 0000004480e01606 TPC: 0000000000456cd0 TNPC: 0000000000456cd4 Y: 00000000    Not tainted",
    ),
    RegisterRow("loongarch", How.TEXT, r"ExcCode : .*", "ExcCode : 1 (SubCode 0)"),
    RegisterRow("m68k", How.TEXT, r"Frame format=.*", "Frame format=7 eff addr=00000000 ssw=0505 faddr=00000000"),
)

# All rows at once, one group a row instead of theirs: most lines of a log are none of them.
ANY_ROW = re.compile("|".join("(" + re.sub(r"\(\?P<\w+>", "(?:", row.regex.pattern) + ")" for row in REGISTER_ROWS))
