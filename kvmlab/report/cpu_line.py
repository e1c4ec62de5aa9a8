"""The lines that say on which CPU, in which task and on which kernel and machine a report was printed."""

from __future__ import annotations

import re

from kvmlab.kernel.release import KernelRelease
from kvmlab.report.numbers import decimal_number
from kvmlab.report.records import CpuLine, Hardware
from kvmlab.text.span import Span

_NEW = re.compile(
    # A number may have been broken by a mail and put together with a blank in it.
    r"CPU: (?P<cpu>\d{1,6}(?: \d{1,5})?) (?:UID: (?P<uid>\d{1,10}(?: \d{1,9})?) )?"
    r"PID: (?P<pid>-?\d{1,10}(?: \d{1,9})?) Comm: (?P<rest>.*)",
    re.DOTALL,
)
_OLD = re.compile(r"Pid: (?P<pid>-?\d{1,10}),? comm: (?P<rest>.*)", re.DOTALL)
# arm to 3.0 names no task here, ia64 puts the CPU into the middle, mips to 3.x has the CPU alone.
_BARE = re.compile(
    r"CPU: (?P<cpu>\d{1,6})\s+(?P<rest>(?:Not tainted|Tainted:).*)"
    r"|Pid: (?P<pid>-?\d{1,10}), CPU:? (?P<cpu2>\d{1,6}), comm: (?P<comm>.*)"
    r"|Cpu (?P<cpu3>\d{1,6})",
    re.DOTALL,
)
_COMM_END = re.compile(r"(?=Kdump: loaded|Tainted: |Not tainted|Tainted:$)")
_KDUMP = re.compile(r"Kdump: loaded\s*")
# Taint letters in columns, glued or collapsed; distributions put a row of dashes and letters of their own behind them.
_TAINTED = re.compile(r"Tainted:(?P<letters>(?:\s+(?:[A-Z]{1,24}-{0,64}|-{1,64})(?=\s|$))*)\s*")
_NOT_TAINTED = re.compile(r"Not tainted(?:\s+-{1,64}(?=\s|$))*\s*")
_RELEASE = re.compile(r"(?P<release>\S{1,200})(?:\s+(?P<build>#\S{1,80}))?(?P<tail>.*)", re.DOTALL)
_PARENTHESES = re.compile(r"^\(([^()]{1,200})\)(.*)", re.DOTALL)
# A release in which such a blank stands: nothing but the build number ever follows a release.
_BROKEN_RELEASE = re.compile(r"(?P<begin>\d\S{0,100}) (?P<end>[\w.+~-]{1,100}\s+#\S.*)", re.DOTALL)
_BROKEN_VERSION = re.compile(r"(?<=\d) (?=\.\d)|(?<=\d\.) (?=\d)")
_BUILD_ALONE = re.compile(r"#\d{1,6}(?:-\S{1,60})?(?: .{0,120})?")
_BUILD_ID = re.compile(r"\b[0-9a-f]{40}\b")
_PREEMPT = re.compile(r"PREEMPT(?:_RT|_DYNAMIC)?(?:\((?P<model>[\w+-]+)\))?")
_VERBOSE_TAINT = re.compile(r"Tainted: (?:\[[A-Z]\]=\w+(?:, )?)+")
_HARDWARE = re.compile(r"Hardware name: ?(?P<text>.*)", re.DOTALL)
_BIOS = re.compile(r"(?P<machine>.*?), BIOS (?P<version>.*?)(?: (?P<date>\d\d/\d\d/\d{4}))?")
_WORKQUEUE = re.compile(r"Workqueue: ?(?P<text>.*)", re.DOTALL)
_PROCESS = re.compile(
    r"Process (?P<comm>.{0,21}?) ?\(pid: {0,3}(?P<pid>\d{1,10})|"
    r"pid {1,4}= (?P<pid3>\d{1,10}), comm = (?P<comm3>.{0,15})|"
    r"TASK (?:= |: )[0-9a-f]{8,16}\[(?P<pid2>\d{1,10})\] '(?P<comm2>[^']{0,20})'"
)
# The words that end the name of a company; DMI prints vendor and product with a single blank between them.
_COMPANY_END = frozenset(
    [
        "Inc.",
        "Inc",
        "INC.",
        "INC",
        "Ltd.",
        "Ltd",
        "LTD.",
        "Ltd.,",
        "Corp.",
        "Corp",
        "Corporation",
        "CORPORATION",
        "GmbH",
        "Co.",
        "Limited",
        "Computer,",
        "Technologies",
        "Systems",
        "AG",
        "SA",
        "S.A.",
        "BV",
        "LLC",
        "Foundation",
        "L.P.",
    ]
)
_COMPANY_WORDS = 8
# dump_stack_set_arch_desc() keeps 128 bytes.
_HARDWARE_LENGTH = 256


def match_cpu_line(text: str, span: Span) -> CpuLine | None:
    """The line `CPU: .. PID: .. Comm: ..`, or `Pid: .., comm: ..` of 3.x and before.

    Args:
        text: the message, blanks around it removed; blanks inside may have been collapsed by an archive.
        span: where it stands.

    >>> line = match_cpu_line("CPU: 8 PID: 1819169 Comm: CPU 0/KVM Tainted: G B W 6.9.12-ajb-00008-gfcd4b7efbad0 #17",
    ...                       Span(0, 0, 1, 1))
    >>> line.cpu, line.comm, line.taint_text, line.release.base, line.build
    (8, 'CPU 0/KVM', 'G B W', '6.9.12', '#17')
    >>> old = match_cpu_line("CPU: 0    Not tainted  (2.6.35.7-perf #1)", Span(0, 0, 1, 1))
    >>> old.cpu, old.pid, old.release.text, old.build
    (0, None, '2.6.35.7-perf', '#1')
    """
    found = _NEW.fullmatch(text) or _OLD.fullmatch(text) or _BARE.fullmatch(text)
    if found is None:
        return None
    shown = found.groupdict()
    rest = shown.get("rest") or shown.get("comm") or ""
    kdump = tainted = False
    taint_text: str | None = None
    comm: str | None = rest.strip()
    if end := _COMM_END.search(rest):
        comm, rest = rest[: end.start()].strip(), rest[end.end() :]
        if loaded := _KDUMP.match(rest):
            kdump, rest = True, rest[loaded.end() :]
        if letters := _TAINTED.match(rest):
            tainted, taint_text, rest = True, letters["letters"].replace("-", "").strip(), rest[letters.end() :]
        elif clean := _NOT_TAINTED.match(rest):
            rest = rest[clean.end() :]
    else:
        rest = ""
    release, build, tail = _release(rest)
    return CpuLine(
        cpu=_number(shown.get("cpu") or shown.get("cpu2") or shown.get("cpu3")),
        uid=_number(shown.get("uid")),
        pid=_number(shown.get("pid")),
        comm=comm or None,
        kdump_loaded=kdump,
        tainted=tainted,
        taint_text=taint_text,
        release=None if release is None else KernelRelease.parse(release),
        build=build,
        version_tail=tail,
        package_id=_package(tail),
        preempt_model=_preempt(tail),
        build_id=found_id[0] if tail and (found_id := _BUILD_ID.search(tail)) else None,
        span=span,
    )


def continues_cpu_line(line: CpuLine, text: str) -> str | None:
    """The release, or the build number alone, that a wrap split off a CPU line; None if the text is no such rest.

    Args:
        line: the CPU line, whose release or build number is missing.
        text: the line behind it.
    """
    text = text.strip()
    if line.release is not None:
        return text if line.build is None and _BUILD_ALONE.fullmatch(text) else None
    begins = text[:1].isdigit() and "." in text.split(None, 1)[0]
    return text if begins and _RELEASE.fullmatch(text) and "#" in text else None


def taint_letters(text: str | None) -> tuple[str, ...]:
    """The letters of a taint text, in order, whether or not their columns are kept.

    >>> taint_letters("G    B   W  OE")
    ('G', 'B', 'W', 'O', 'E')
    """
    return tuple(letter for letter in (text or "") if letter.isalpha())


def match_verbose_taint(text: str) -> bool:
    """Whether the line is the long form of the taint (`Tainted: [B]=BAD_PAGE`, 6.11 and later)."""
    return _VERBOSE_TAINT.fullmatch(text.strip()) is not None


def match_hardware(text: str, span: Span) -> Hardware | None:
    """The `Hardware name:` line; vendor and product are told apart by the word that ends a company's name.

    Args:
        text: the message, blanks around it removed.
        span: where it stands.

    >>> h = match_hardware("Hardware name: Dell Inc. Precision 3660/0PRR48, BIOS 2.8.1 08/14/2023", Span(0, 0, 1, 1))
    >>> h.vendor, h.product, h.board, h.bios_version, h.bios_date
    ('Dell Inc.', 'Precision 3660', '0PRR48', '2.8.1', '08/14/2023')
    """
    found = _HARDWARE.fullmatch(text)
    if found is None:
        return None
    shown = found["text"].strip()
    if ", BIOS " in shown:
        shown = _BROKEN_VERSION.sub("", shown)
    bios = _BIOS.fullmatch(shown) if len(shown) <= _HARDWARE_LENGTH else None
    if bios is None:
        return Hardware(shown, None, None, None, None, None, span)
    machine, slash, board = bios["machine"].rpartition("/")
    vendor, product = vendor_and_product(machine if slash else bios["machine"])
    return Hardware(shown, vendor, product, board if slash else None, bios["version"] or None, bios["date"], span)


def match_process(text: str) -> tuple[str, int] | None:
    """Name and process id from the line of an oops that names the task, where no CPU line does; None if it is another.

    Args:
        text: the message.

    >>> match_process("Process pdflush (pid: 64, stack limit = 0xc037c258)")
    ('pdflush', 64)
    >>> match_process("TASK = cfa5d000[950] 'bash' THREAD: cf9ce000")
    ('bash', 950)
    """
    found = _PROCESS.match(text.strip())
    if found is None:
        return None
    comm = found["comm"] or found["comm2"] or found["comm3"]
    pid = decimal_number(found["pid"] or found["pid2"] or found["pid3"])
    return None if pid is None else ((comm or "").strip(), pid)


def match_workqueue(text: str) -> str | None:
    """What stands behind `Workqueue:`; None if the line is another one."""
    found = _WORKQUEUE.fullmatch(text)
    return None if found is None else found["text"].strip()


def _number(shown: str | None) -> int | None:
    return decimal_number(None if shown is None else shown.replace(" ", ""))


def _release(rest: str) -> tuple[str | None, str | None, str | None]:
    # 2.6 put release and build into parentheses in the lines of an oops.
    rest = rest.strip()
    if broken := _BROKEN_RELEASE.fullmatch(rest):
        rest = broken["begin"] + broken["end"]
    found = _RELEASE.fullmatch(_PARENTHESES.sub(r"\1\2", rest, count=1))
    if found is None:
        return None, None, None
    return found["release"], found["build"], found["tail"].strip() or None


def _package(tail: str | None) -> str | None:
    if not tail:
        return None
    rest = _BUILD_ID.sub("", _PREEMPT.sub("", tail)).strip()
    return rest or None


def _preempt(tail: str | None) -> str | None:
    found = _PREEMPT.search(tail or "")
    return None if found is None else found["model"]


def vendor_and_product(machine: str) -> tuple[str | None, str | None]:
    words = machine.split(" ")
    cut = 1
    for i, word in enumerate(words[:_COMPANY_WORDS], 1):
        if word in _COMPANY_END:
            cut = i
    vendor, product = " ".join(words[:cut]).strip(), " ".join(words[cut:]).strip()
    return vendor or None, product or None
