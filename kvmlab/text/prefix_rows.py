"""The table of line prefixes: one row for each style that a kernel log line can begin with, with a sample.

A prefix is taken off in stages, outermost first, at most one row a stage (`CALLER` may repeat). Each stage's text is
stripped together with the blanks that the row names; one blank between the last stage and the message goes too.

Group names that the engine knows: `sec`/`usec` (seconds since boot), `us` (microseconds since boot), `clock` (wall
clock as printed), `host`, `ident` (program that logged), `pri`, `fac`/`lvl` (names), `letter` (logcat level), `caller`.

Sources: util-linux 2.38 and systemd 252 run on a made journal; kernel 4.19, 6.9 and 6.19 printk; the rest from samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Stage(IntEnum):
    """Where in a prefix a row may stand."""

    VIEWER = 0
    CARRIER = 1
    LEVEL = 2
    TIME = 3
    CALLER = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One prefix.

    Args:
        name: what `Record.prefix` says.
        stage: where it may stand.
        first: characters that it can begin with, to skip it quickly.
        pattern: regular expression, anchored at the start.
        sample: a line that the row matches; a test runs it.
        message: what is left of the sample when the whole prefix is gone.
        kernel: whether the row by itself shows a kernel message; else `ident` must say so or a later stage must match.
        whole: the row counts only if a later stage matches too, or the rest looks like a line of a kernel report.
    """

    name: str
    stage: Stage
    first: str
    pattern: str
    sample: str
    message: str
    kernel: bool = True
    whole: bool = False


_D = "0123456789"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_HMS = r"\d\d:\d\d:\d\d"
_DATE = r"\d{4}-\d\d-\d\d"
_ZONE = r"(?:Z|[+-]\d\d:?\d\d)"
# Program names: `kernel`, `kernel[0]`, `systemd[1]`, `(sd-pam)[12]`, `org.gnome.Shell.desktop[2]`; not `1-1` or `0000`,
# which are a device behind its driver.
# Nor are the words that lines of reports begin with programs.
_IDENT = (
    r"(?!(?:BUG|WARNING|CPU|Pid|page|page_type|flags|raw|head|Code|R[A-Z][A-Z]|R\d\d|CS|CR\d|FS|IP|PGD): )"
    r"(?P<ident>\(?[A-Za-z_/.][^\s:\[]{0,64}(?:\[\d{1,10}\])?): "
)
# No host, but how a line of a report begins that reads like a host and a program.
_HOST = r"(?!Hardware name: )(?P<host>[\w.:-]{1,255}(?<!:))"
_FACILITY = r"(?P<fac>kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|res\d|local\d)"
_LEVEL = r"(?P<lvl>emerg|alert|crit|err|error|warn|warning|notice|info|debug)"
_SEC = r"(?P<sec>\d{1,12})\.(?P<usec>\d{6})"

ROWS: tuple[Row, ...] = (
    # Viewers: what grep, cat -n and less -N put in front of lines.
    Row(
        "line_number",
        Stage.VIEWER,
        _D,
        r"\d{1,9}[:\t] ?(?!\d\d:\d\d|[0-9a-f]{8})",
        "4083:page dumped because: bad pte",
        "page dumped because: bad pte",
        whole=True,
    ),
    Row(
        "line_number_blank",
        Stage.VIEWER,
        _D,
        rf"\d{{1,9}} {{1,4}}(?={_MONTH} [ \d]?\d \d\d:|\[ *\d{{1,12}}\.\d{{6}}\]|{_DATE}T\d\d:)",
        "40831 Sep 15 08:51:36 styx kernel: page dumped because: bad pte",
        "page dumped because: bad pte",
        whole=True,
    ),
    Row(
        "bar",
        Stage.VIEWER,
        "|!",
        r"[|!] ?",
        "| BUG: Bad rss-counter state mm:ffff88020813c380 idx:1 val:-1",
        "BUG: Bad rss-counter state mm:ffff88020813c380 idx:1 val:-1",
        whole=True,
    ),
    Row(
        "file_name",
        Stage.VIEWER,
        "/.dmskj",
        r"(?:\.{0,2}/)?[\w./+-]{0,200}(?:log|messages|dmesg|txt|journal)[\w.+-]{0,64}[:-] ?(?:\d{1,9}[:-] ?)?",
        "/var/log/kern.log.1:1234:Apr 24 16:59:22 draig kernel: BUG: Bad page state",
        "BUG: Bad page state",
        whole=True,
    ),
    # What `journal` makes of a list of fields: level, microseconds, wall clock, host, program, caller.
    Row(
        "fields",
        Stage.CARRIER,
        "\x1d",
        r"\x1d(?P<pri>\d{0,3}),(?P<us>\d{0,16}),(?P<clock>[^,;]{0,64}),(?P<host>[^,;]{0,64}),(?P<ident>[^,;]{0,64}),"
        r"(?P<caller>[TC]\d{1,10})?[^;]{0,64};",
        "\x1d1,252080141632,1722426094141632,draig,kernel,;BUG: Bad page state",
        "BUG: Bad page state",
        kernel=False,
    ),
    # Carriers: what a syslog daemon, journalctl, a CI system or a console server puts in front.
    Row(
        "journal_monotonic",
        Stage.CARRIER,
        "[",
        rf"\[ *{_SEC}\] (?P<host>[A-Za-z0-9][\w.-]{{0,63}}) (?P<ident>kernel): ",
        "[252080.141632] draig kernel: BUG: Bad page state",
        "BUG: Bad page state",
        kernel=False,
    ),
    # The same with `--no-hostname`.
    Row(
        "journal_monotonic_hostless",
        Stage.CARRIER,
        "[",
        rf"\[ *{_SEC}\] (?P<ident>kernel): ",
        "[252080.141632] kernel: BUG: Bad page state",
        "BUG: Bad page state",
        kernel=False,
    ),
    Row(
        "journal_delta",
        Stage.CARRIER,
        "[",
        rf"\[ *{_SEC} (?:<[ +]*\d+\.\d+[ *]?>| {{8,24}})\] (?P<host>[A-Za-z0-9][\w.-]{{0,63}}) "
        r"(?P<ident>kernel): ",
        "[252080.141633 <    0.000001 >] draig kernel: page dumped because: x",
        "page dumped because: x",
        kernel=False,
    ),
    Row(
        "journal_unix",
        Stage.CARRIER,
        _D,
        rf"(?P<clock>\d{{9,11}}\.\d{{6}}) {_HOST} {_IDENT}",
        "1722426094.141632 draig kernel:  <TASK>",
        " <TASK>",
        kernel=False,
    ),
    Row(
        "journal_full",
        Stage.CARRIER,
        _UPPER,
        rf"(?P<clock>{_DAY} {_DATE} {_HMS}(?:\.\d{{1,9}})? [A-Z+-][A-Z0-9:+-]{{0,7}}) {_HOST} {_IDENT}",
        "Wed 2024-07-31 11:41:34 UTC draig kernel: flags: 0x0()",
        "flags: 0x0()",
        kernel=False,
    ),
    Row(
        "syslog_openwrt",
        Stage.CARRIER,
        _UPPER,
        rf"(?P<clock>{_DAY} {_MONTH} +\d{{1,2}} {_HMS} \d{{4}}) {_FACILITY}\.{_LEVEL} {_IDENT}",
        "Wed Jul 31 11:41:34 2024 kern.alert kernel: [  100.000001] BUG: Bad page state",
        "BUG: Bad page state",
        kernel=False,
    ),
    Row(
        "syslog_busybox",
        Stage.CARRIER,
        _UPPER,
        rf"(?P<clock>{_MONTH} +\d{{1,2}} {_HMS}) (?:{_HOST} )?{_FACILITY}\.{_LEVEL} {_IDENT}",
        "Jul 31 11:41:34 draig kern.alert kernel: [  100.000001] BUG: Bad page state",
        "BUG: Bad page state",
        kernel=False,
    ),
    Row(
        "syslog",
        Stage.CARRIER,
        _UPPER,
        rf"(?P<clock>{_MONTH} +\d{{1,2}} (?:\d{{4}} )?{_HMS}(?:\.\d{{1,9}})?) {_HOST} {_IDENT}",
        "May 26 04:02:34 mr-fox kernel: raw: 05fff0000000000c",
        "raw: 05fff0000000000c",
        kernel=False,
    ),
    # The same with the level in front, as a daemon sends it over the network (RFC 3164) or a collector stores it.
    Row(
        "syslog_rfc3164",
        Stage.CARRIER,
        "<",
        rf"<(?P<pri>\d{{1,3}})>(?P<clock>(?:{_MONTH} +\d{{1,2}} (?:\d{{4}} )?|{_DATE}T){_HMS}(?:\.\d{{1,9}})?{_ZONE}?) "
        rf"(?:{_HOST} )?{_IDENT}",
        "<1>Jul 31 11:41:34 draig kernel: [252080.141632] BUG: Bad page",
        "BUG: Bad page",
        kernel=False,
    ),
    Row(
        "syslog_hostless",
        Stage.CARRIER,
        _UPPER,
        rf"(?P<clock>{_MONTH} +\d{{1,2}} (?:\d{{4}} )?{_HMS}(?:\.\d{{1,9}})?) (?P<ident>kernel): ",
        "May 26 04:02:34 kernel: raw: 05fff0000000000c",
        "raw: 05fff0000000000c",
        kernel=False,
    ),
    Row(
        "syslog_untagged",
        Stage.CARRIER,
        _UPPER,
        rf"(?P<clock>{_MONTH} +\d{{1,2}} (?:\d{{4}} )?{_HMS}(?:\.\d{{1,9}})?)(?: {_HOST})? ",
        "Jul 31 11:41:34 10.0.2.15 [  100.000001] BUG: Bad page state",
        "BUG: Bad page state",
        kernel=False,
        whole=True,
    ),
    # The kernel of ESXi, which names its own programs and from 8.0 on the level.
    Row(
        "vmkernel",
        Stage.CARRIER,
        _D,
        rf"(?P<clock>{_DATE}T{_HMS}(?:\.\d{{1,9}})?{_ZONE}) (?:[A-Z][a-z]{{0,2}}\(\d{{1,3}}\)(?:\[[^\]]{{0,64}}\])? )?"
        rf"(?:{_HOST} )?(?P<ident>vm(?:kernel|kwarning|alert)): ",
        "2024-07-31T11:41:34.141Z In(182) vmkernel: cpu12:2097152)BUG: Bad page state",
        "BUG: Bad page state",
        kernel=False,
    ),
    Row(
        "syslog_rfc5424",
        Stage.CARRIER,
        "<",
        rf"<(?P<pri>\d{{1,3}})>1 (?P<clock>{_DATE}T{_HMS}(?:\.\d{{1,9}})?{_ZONE}) {_HOST} (?P<ident>\S{{1,48}}) "
        r"\S{1,128} \S{1,32} (?:-|(?:\[[^\]]{0,512}\]){1,8}) (?:\ufeff)?",
        '<1>1 2024-07-31T12:41:34.141632+01:00 draig kernel - - [time tzKnown="1"][meta sequenceId="3"] BUG: Bad page',
        "BUG: Bad page",
        kernel=False,
    ),
    Row(
        "syslog_iso",
        Stage.CARRIER,
        _D,
        rf"(?P<clock>{_DATE}[T ]{_HMS}(?:\.\d{{1,9}})? ?{_ZONE}?) {_HOST} {_IDENT}",
        "2024-07-31T12:41:34.141632+01:00 draig kernel: [252080.141632]  <TASK>",
        " <TASK>",
        kernel=False,
    ),
    Row(
        "logcat_threadtime",
        Stage.CARRIER,
        _D,
        rf"(?P<clock>(?:\d{{4}}-)?\d\d-\d\d {_HMS}\.\d{{3,6}})(?: [+-]\d{{4}})?(?: +\w+)? +(?P<pid>\d{{1,7}})"
        r" +\d{1,7} "
        r"(?P<letter>[VDIWEFS]) (?P<ident>[^:]{0,64}?) *: ",
        "07-31 11:41:34.141     0     0 E kernel  : [  100.000001] BUG: Bad page",
        "BUG: Bad page",
        kernel=False,
    ),
    Row(
        "logcat_time",
        Stage.CARRIER,
        _D,
        rf"(?P<clock>(?:\d{{4}}-)?\d\d-\d\d {_HMS}\.\d{{3,6}}) (?P<letter>[VDIWEFS])/(?P<ident>[^:(]{{0,64}}?) *"
        r"\( *\d{1,7}\): ",
        "07-31 11:41:34.141 E/kernel  (    0): [  100.000001] BUG: Bad page",
        "BUG: Bad page",
        kernel=False,
    ),
    Row(
        "logcat_brief",
        Stage.CARRIER,
        "VDIWEFS",
        r"(?P<letter>[VDIWEFS])/(?P<ident>kernel) *\( *\d{1,7}\): ",
        "E/kernel  (    0): [  100.000001] BUG: Bad page",
        "BUG: Bad page",
        kernel=False,
    ),
    Row(
        "container",
        Stage.CARRIER,
        _D,
        rf"(?P<clock>{_DATE}T{_HMS}(?:\.\d{{1,9}})?{_ZONE}) (?:stdout|stderr) [FP] ",
        "2024-07-31T11:41:34.141632123Z stdout F [  100.000001] BUG: Bad page state",
        "BUG: Bad page state",
        whole=True,
    ),
    # grabserial: time since its start, and since the line before.
    Row(
        "clock_delta",
        Stage.CARRIER,
        "[",
        r"\[ {0,5}\d{1,7}\.\d{6} {1,5}\d{1,7}\.\d{6}\] ",
        "[0.030000 0.000012] [ 1000.141671] page_type: 0xf2(table)",
        "page_type: 0xf2(table)",
    ),
    Row(
        "clock_iso",
        Stage.CARRIER,
        _D + "[",
        rf"\[?(?P<clock>{_DATE}[T ]{_HMS}(?:\.\d{{1,9}})?{_ZONE}?)\]?(?: \d\d[OE]\+?)?[ \t]+"
        r"(?:(?:INFO|DEBUG|console)[ :-]+)?",
        "2020-08-17 11:12:26.790000  kern  :alert : BUG: Bad page state",
        "BUG: Bad page state",
        whole=True,
    ),
    Row(
        "clock_time",
        Stage.CARRIER,
        _D + "[",
        rf"\[?(?P<clock>{_HMS}(?:\.\d{{1,9}})?)\]?[ \t]+",
        "11:41:34  [  100.000001] BUG: Bad page state",
        "BUG: Bad page state",
        whole=True,
    ),
    Row(
        "clock_colon",
        Stage.CARRIER,
        _D,
        rf"(?P<clock>{_HMS}(?:\.\d{{1,9}})?): ",
        "03:43:48: RIP: 0033:0x7f504d0ec1d7",
        "RIP: 0033:0x7f504d0ec1d7",
        whole=True,
    ),
    Row(
        "prefix_kernel",
        Stage.CARRIER,
        "kv",
        r"(?P<ident>(?:vm)?kernel):(?: |$)",
        "kernel: [  100.000001] BUG: Bad page state",
        "BUG: Bad page state",
        kernel=False,
    ),
    # What syslogd writes to all terminals, behind `Message from syslogd@draig at Jul 31 11:41:34 ...`.
    Row(
        "wall",
        Stage.CARRIER,
        "k",
        r"(?P<ident>kernel):(?=\[ *\d{1,12}\.\d{6}\])",
        " kernel:[252080.141632] BUG: Bad page state",
        "BUG: Bad page state",
        kernel=False,
    ),
    # The same where the kernel prints no time.
    Row(
        "wall_untimed",
        Stage.CARRIER,
        "k",
        r"(?P<ident>kernel):(?=[A-Za-z])",
        " kernel:BUG: Bad page state in process kl  pfn:12345",
        "BUG: Bad page state in process kl  pfn:12345",
        kernel=False,
        whole=True,
    ),
    Row(
        "xen_guest",
        Stage.CARRIER,
        "(",
        r"(?:\(XEN\) ?)?(?:\[[^\]]{1,40}\] ?)?\((?:d\d{1,5}(?:v\d{1,5})?|early)\) ?",
        "(XEN) [2024-07-31 11:41:34] (d3) [  100.000001] BUG: Bad page state",
        "BUG: Bad page state",
        whole=True,
    ),
    # Levels: dmesg -x, the raw `<6>`, and the header of /dev/kmsg and of netconsole.
    Row(
        "dmesg_decoded",
        Stage.LEVEL,
        "kumdaslncfr",
        rf"{_FACILITY} *: *{_LEVEL} *: ",
        "kern  :alert : [252080.141632] BUG: Bad page state",
        "BUG: Bad page state",
    ),
    Row(
        "kmsg",
        Stage.LEVEL,
        _D,
        r"(?:(?P<release>\d[\w.+~-]{2,64}),)?(?P<pri>\d{1,4}),(?P<seq>\d{1,20}),(?P<us>\d{1,16}),(?P<flag>[-c+]?)"
        r"(?P<more>(?:,[^;\s]{1,64})*);",
        "6,2565,102258085667,-,caller=T8;BUG: Bad page state",
        "BUG: Bad page state",
    ),
    Row(
        "netconsole_release",
        Stage.LEVEL,
        _D,
        r"(?P<release>\d+\.\d+[\w.+~-]{0,64}),(?=<\d|\[ *\d+\.\d{6}\])",
        "6.9.12-ajb,[252080.141632] BUG: Bad page state",
        "BUG: Bad page state",
    ),
    Row(
        "wall_before",
        Stage.CARRIER,
        "[",
        rf"\[(?P<clock>\d{{8}}_{_HMS})\](?=\[ *\d)",
        "[20250617_10:11:12][  341.141632s][pid:811,cpu2,surfaceflinger]BUG: Bad page state",
        "BUG: Bad page state",
    ),
    Row(
        "pri",
        Stage.LEVEL,
        "<",
        # Not the byte that a wrapped `Code:` line marks.
        r"<(?:(?P<pri>\d{1,3})|[cd])>(?!(?<=<\d\d>) (?:(?:[0-9a-f]{2} ){2}|[0-9a-f]{2}$))",
        "<1>[252080.141632] BUG: Bad page state",
        "BUG: Bad page state",
    ),
    # The same words without a time; whoever says so about something else says it with other words behind them.
    Row(
        "level_word_untimed",
        Stage.LEVEL,
        "EACW",
        r"(?:EMERG|ALERT|CRIT|ERR|WARN): ",
        "   WARN:  bad_page+0xcf/0x150",
        " bad_page+0xcf/0x150",
        whole=True,
    ),
    # Times: the kernel's own and those of dmesg.
    Row(
        "dmesg_seconds",
        Stage.TIME,
        "[",
        rf"\[ *{_SEC}\]",
        "[252080.141632] BUG: Bad page state",
        "BUG: Bad page state",
    ),
    Row(
        "dmesg_delta_pair",
        Stage.TIME,
        "[",
        rf"\[ *{_SEC} <[ +]*\d+\.\d+ ?>\]",
        "[252080.141633 <    0.000001>] page_type: 0x0()",
        "page_type: 0x0()",
    ),
    Row(
        "dmesg_delta",
        Stage.TIME,
        "[",
        r"\[<[ +]*\d+\.\d{6} ?>\]",
        "[<    0.000001>] page_type: 0x0()",
        "page_type: 0x0()",
    ),
    Row(
        "dmesg_relative_delta",
        Stage.TIME,
        "[",
        r"\[ *\+\d+\.\d{6}\]",
        "[  +0.000001] page_type: 0x0()",
        "page_type: 0x0()",
    ),
    Row(
        "dmesg_relative",
        Stage.TIME,
        "[",
        rf"\[(?P<clock>{_MONTH} ?[ \d]?\d \d\d:\d\d)\]",
        "[Nov25 05:15] BUG: Bad page state",
        "BUG: Bad page state",
    ),
    Row(
        "dmesg_ctime",
        Stage.TIME,
        "[",
        rf"\[(?P<clock>{_DAY} {_MONTH} +\d{{1,2}} {_HMS} \d{{4}})\]",
        "[Wed Nov 25 05:15:47 2026] BUG: Bad page state",
        "BUG: Bad page state",
    ),
    Row(
        "dmesg_iso",
        Stage.TIME,
        _D,
        rf"(?P<clock>{_DATE}T{_HMS},\d{{6}}{_ZONE})",
        "2026-11-25T05:15:47,141632+00:00 BUG: Bad page state",
        "BUG: Bad page state",
    ),
    Row(
        "seconds_cpu",
        Stage.TIME,
        "[",
        # Where interrupts are off, or a timer is behind, newer ones say so by a letter.
        rf"\[ *{_SEC}(?:[@,]\d{{1,4}}|s)\](?:[-d](?= ))?",
        "[    0.000000@0] Booting Linux on physical CPU 0x0",
        "Booting Linux on physical CPU 0x0",
    ),
    Row(
        "dmesg_wall",
        Stage.TIME,
        "[",
        rf"\[ *{_SEC} / (?P<clock>\d\d-\d\d {_HMS}\.\d{{1,9}})\](?:\[\d{{1,2}}\])?",
        "[  341.141632 / 06-17 10:11:12.345][2] BUG: Bad page state",
        "BUG: Bad page state",
    ),
    # The kernel's time of which a console dropped characters: it cannot be told how many, so no time is read.
    Row(
        "dmesg_cut",
        Stage.TIME,
        _D,
        r"\d{1,12}\.\d{6}\](?= |\[)",
        "252080.141632] BUG: Bad page state",
        "BUG: Bad page state",
    ),
    Row(
        "dmesg_cut_behind",
        Stage.TIME,
        "[",
        r"\[ *\d{1,12}\.\d{6}(?= |\[)(?! *<)",
        "[252080.141632 BUG: Bad page state",
        "BUG: Bad page state",
    ),
    Row(
        "dmesg_cut_within",
        Stage.TIME,
        "[",
        r"\[ *(?:\d{1,12}\.(?:\d{3,5})?|\.\d{6}|\d{6,18})\](?= |\[)",
        "[252080.14132] BUG: Bad page state",
        "BUG: Bad page state",
        whole=True,
    ),
    # Callers: CONFIG_PRINTK_CALLER and what phone vendors add.
    Row(
        "caller",
        Stage.CALLER,
        "[ ",
        # Unisoc puts the CPU behind the task.
        r" ?\[ *(?P<caller>[TC]\d{1,10})(?:@C\d{1,4})?\]",
        "[  100.000001][ T1848] BUG: Bad page state",
        "BUG: Bad page state",
    ),
    Row(
        "level_behind",
        Stage.CALLER,
        "< ",
        # To 2.6.2x a level in the middle of a record stayed in the text, behind a blank.
        r" {0,2}<(?P<pri>[0-7])>",
        "[  100.000001] <1>BUG: Bad page state",
        "BUG: Bad page state",
    ),
    # What writes down the kernel's messages on XenServer puts their level there, seven columns wide.
    Row(
        "level_word",
        Stage.CALLER,
        " ",
        r"(?:  EMERG|  ALERT|   CRIT|    ERR|   WARN| NOTICE|   INFO|  DEBUG): ",
        "[  100.000001]   WARN:  bad_page+0xcf/0x150",
        " bad_page+0xcf/0x150",
    ),
    Row(
        "wall_behind",
        Stage.CALLER,
        "[ ",
        rf" ?\[(?P<clock>\d{{4}}[:-]?\d\d[:-]?\d\d[ T_]{_HMS}(?:\.\d{{1,9}})?)\](?:@\d{{1,2}})?",
        "[  341.141632][2025:06:17 10:11:12] BUG: Bad page state",
        "BUG: Bad page state",
    ),
    # The CPU, or the CPU and the task; what begins so may also be a row of bytes.
    Row(
        "caller_cpu",
        Stage.CALLER,
        " c[(",
        r" {0,2}(?:c\d{1,2}(?: {2,7}\d{1,7})?(?= |$)(?! [0-9a-f]{2}(?: |$))|\[c\d{1,2}\]"
        r"|\(CPU:\d{1,3}-pid:\d{1,7}:[^()]{1,32}\))",
        "[  341.141632] c2     811 BUG: Bad page state",
        "BUG: Bad page state",
    ),
    Row(
        "caller_vmkernel",
        Stage.CALLER,
        _D + "c",
        r"(?:\d{1,5}:\d\d:\d\d:\d\d\.\d{3} )?cpu\d{1,4}:\d{1,9}(?: opID=[0-9a-f-]{1,16})?\)",
        "2024-07-31T11:41:34.141Z cpu12:2097152)BUG: Bad page state",
        "BUG: Bad page state",
    ),
    Row(
        "caller_vendor",
        Stage.CALLER,
        "[ IWECDN-.(",
        r" {0,2}[IWECDN.-]?(?:\(\d{1,3}\)\[\d{1,7}:[^\]\[]{1,32}\]"
        r"|\[\d{1,3}: {0,20}[^\]\[:]{1,32}(?::\d)?: {0,7}\d{1,7}\]"
        r"|\[pid:\d{1,7},cpu\d{1,3}[^\]]{0,40}\])",
        "[    1.234567] I[0:      swapper/0:    1] Booting Linux",
        "Booting Linux",
    ),
)
