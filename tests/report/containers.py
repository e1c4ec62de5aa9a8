"""Everything that a kernel's messages come in: one row a style, which prints them as that program or page does."""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import io
import json
import lzma
import quopri
import tarfile
import textwrap
import zipfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple


class Message(NamedTuple):
    """One printk record: its level, its time in seconds since boot, its caller and its text."""

    level: int
    time: float
    caller: str
    text: str


Messages = list[Message]
_BOOT = 1722426094.0
_LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")
_LETTERS = "FFEEWIID"
_HOST, _ID = "draig", "6fa8e3d1a7c34b6bb5e0bb1c3d2f9f11"


def clock(time: float, form: str) -> str:
    """The wall clock at a kernel time."""
    return datetime.fromtimestamp(_BOOT + time, UTC).strftime(form)


def stamp(m: Message) -> str:
    """A line as dmesg prints it."""
    return f"[{m.time:12.6f}] {m.text}"


def lines(rows: Iterable[str], end: str = "\n") -> str:
    """Rows as a text."""
    return "".join(row + end for row in rows)


def dmesg(ms: Messages) -> str:
    """The plain form, which the others are compared with."""
    return lines(map(stamp, ms))


def bare(ms: Messages) -> str:
    """Messages without a time."""
    return lines(m.text for m in ms)


def behind(form: str, *, kernel_time: bool = True) -> Callable[[Messages], str]:
    """A style that puts a clock and a name in front; `{level}`, `{name}`, `{letter}` and `{caller}` are filled in."""

    def render(ms: Messages) -> str:
        rows = []
        for m in ms:
            head = clock(m.time, form).format(
                level=m.level, name=_LEVELS[m.level], letter=_LETTERS[m.level], caller=m.caller
            )
            rows.append(head + (stamp(m) if kernel_time else m.text))
        return lines(rows)

    return render


def deltas(ms: Messages, form: Callable[[Message, float | None], str]) -> str:
    """A style that shows the time since the message before."""
    before = [None, *(m.time for m in ms)]
    return lines(form(m, None if b is None else m.time - b) for m, b in zip(ms, before, strict=False))


def relative(ms: Messages) -> str:
    """`dmesg -e`: the minute where it changes, else the time since the message before."""
    rows, minute, before = [], "", 0.0
    for m in ms:
        now = clock(m.time, "%b%d %H:%M")
        rows.append(f"[{now}] {m.text}" if now != minute else f"[{f'+{m.time - before:.6f}':>11}] {m.text}")
        minute, before = now, m.time
    return lines(rows)


def fields(m: Message) -> dict[str, str]:
    """The fields of a journal entry."""
    return {
        "__CURSOR": "s=abc;i=1", "__REALTIME_TIMESTAMP": str(int((_BOOT + m.time) * 1e6)),
        "__MONOTONIC_TIMESTAMP": str(round(m.time * 1e6) + 77), "_BOOT_ID": _ID, "_TRANSPORT": "kernel",
        "PRIORITY": str(m.level), "SYSLOG_IDENTIFIER": "kernel", "_HOSTNAME": _HOST,
        "_SOURCE_MONOTONIC_TIMESTAMP": str(round(m.time * 1e6)), "MESSAGE": m.text,
    }  # fmt: skip


def export_binary(ms: Messages) -> bytes:
    """`journalctl -o export` with messages as counted bytes."""
    out = b""
    for m in ms:
        entry = fields(m)
        text = entry.pop("MESSAGE").encode()
        out += "".join(f"{k}={v}\n" for k, v in entry.items()).encode()
        out += b"MESSAGE\n" + len(text).to_bytes(8, "little") + text + b"\n\n"
    return out


def verbose(ms: Messages) -> str:
    """`journalctl -o verbose`."""
    return "".join(
        clock(m.time, "%a %Y-%m-%d %H:%M:%S.%f UTC [s=abc;i=1;b=6fa8;m=1;t=2;x=3]\n")
        + lines(f"    {k}={v}" for k, v in fields(m).items() if not k.startswith("__"))
        for m in ms
    )


def kmsg(ms: Messages, extra: str = "", dictionary: str = "") -> str:
    """/dev/kmsg, with the lines that name a device below some messages."""
    return lines(
        f"{m.level},{500 + n},{round(m.time * 1e6)},-{extra.format(caller=m.caller)};{m.text}"
        + (dictionary if n % 3 == 0 else "")
        for n, m in enumerate(ms)
    )


def fragments(ms: Messages) -> str:
    """Extended netconsole: long messages in pieces."""
    rows = []
    for n, m in enumerate(ms):
        head, size = f"{m.level},{500 + n},{round(m.time * 1e6)},-", len(m.text)
        rows += (
            [f"{head},ncfrag={at}/{size};{m.text[at : at + 90]}" for at in range(0, size, 90)]
            if size > 100
            else [f"{head};{m.text}"]
        )
    return lines(rows)


def parts(ms: Messages) -> str:
    """A crash dump in three parts, the newest first."""
    cuts = [0, len(ms) // 3, 2 * len(ms) // 3, len(ms)]
    return "".join(
        f"Panic#1 Part{n}\n{lines(f'<{m.level}>{stamp(m)}' for m in ms[cuts[3 - n] : cuts[4 - n]])}" for n in (1, 2, 3)
    )


_HEADERS = (
    "From: A B <a@example.org>\nTo: kvm@example.org\nSubject: [BUG] bad page\nDate: Wed, 31 Jul 2024 12:41:34 +0100\n"
    "Message-ID: <x@example.org>\nMIME-Version: 1.0\n"
)


def mail(body: str, kind: str = "text/plain", encoding: str = "") -> str:
    """A mail with one part."""
    coded = f"Content-Transfer-Encoding: {encoding}\n" if encoding else ""
    return f"{_HEADERS}Content-Type: {kind}\n{coded}\n{body}"


def said(log: str) -> str:
    """A log within somebody's words."""
    return f"Hello,\n\nsee this:\n\n{log}\nThat is all.\n-- \nA B\n"


def attached(kind: str, data: bytes) -> str:
    """A mail with a log attached in base64."""
    part = base64.encodebytes(data).decode()
    return (
        f'{_HEADERS}Content-Type: multipart/mixed; boundary="=-="\n\n--=-=\nContent-Type: text/plain\n\nSee attached.\n'
        f"--=-=\nContent-Type: {kind}; name=dmesg\nContent-Transfer-Encoding: base64\n\n{part}--=-=--\n"
    )


def alternative(ms: Messages) -> str:
    """A mail that says the same as plain text and as HTML."""
    log = dmesg(ms)
    return (
        f"{_HEADERS}Content-Type: multipart/alternative; boundary=alt\n\n--alt\nContent-Type: text/plain\n\n{log}\n"
        f"--alt\nContent-Type: text/html\n\n<html><body><pre>{html.escape(log)}</pre></body></html>\n--alt--\n"
    )


def flowed(line: str, width: int = 72) -> list[str]:
    """A line as RFC 3676 breaks it: a blank stays at the end of what goes on, a blank goes before a blank."""
    rows = []
    while (
        len(line) > width and (at := line.rfind(" ", 1, width) if " " in line[1:width] else line.find(" ", width)) > 0
    ):
        rows.append(line[: at + 1])
        line = line[at + 1 :]
    return [" " + row if row.startswith((" ", ">", "From ")) else row for row in (*rows, line)]


def wrapped(text: str, width: int, mark: str = "") -> str:
    """A text whose lines a mailer broke at blanks."""
    return lines(
        mark + row
        for line in text.split("\n")[:-1]
        for row in textwrap.wrap(
            line, width, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
        ) or [""]
    )  # fmt: skip


def columns(text: str, width: int) -> str:
    """A text whose lines a terminal broke at its width."""
    return lines(line[at : at + width] for line in text.split("\n")[:-1] for at in range(0, max(1, len(line)), width))


def marked(text: str, mark: str) -> str:
    """A text with a mark in front of each line."""
    return lines((mark + line).rstrip() for line in text.split("\n")[:-1])


def mbox(*bodies: str) -> str:
    """Mails one behind the other."""
    return "".join(f"From mboxrd@z Thu Jan  1 00:00:00 1970\n{mail(body)}\n" for body in bodies)


def page(body: str) -> str:
    """An HTML page."""
    return f"<!DOCTYPE html><html><head><title>bad page</title></head><body>{body}</body></html>\n"


def tar(ms: Messages) -> bytes:
    """A compressed archive with one file."""
    out, data = io.BytesIO(), dmesg(ms).encode()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        entry = tarfile.TarInfo("var/crash/dmesg.txt")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def zipped(ms: Messages, inner: Callable[[bytes], bytes] = bytes) -> bytes:
    """An archive of the kind .zip with one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("logs/dmesg.txt", inner(dmesg(ms).encode()))
    return out.getvalue()


_LORE = (
    "<html><head><title>Re: bad page - A B</title></head><body><pre\nid=b>From: A &lt;a@example.org&gt;\nTo: mm\n"
    "Subject: Re: bad page\nDate: Wed, 31 Jul 2024 12:41:34 +0100\nMessage-ID: &lt;x@y&gt; (raw)\n\nOn Wed, B wrote:\n"
)
_ARCHIVE = (
    "<html><head><title>bad page</title></head><body><h1>bad page</h1><ul>\n<li><em>Subject</em>: bad page</li>\n"
    "<li><em>From</em>: A &lt;a@xxxxxx&gt;</li>\n<li><em>Date</em>: Wed, 31 Jul 2024 12:41:34 +0100</li>\n</ul><hr>"
)

STYLES: dict[str, Callable[[Messages], str | bytes]] = {
    # dmesg
    "dmesg-caller": lambda ms: lines(f"[{m.time:12.6f}][{m.caller:>6}] {m.text}" for m in ms),
    "dmesg-caller-blank": lambda ms: lines(f"[{m.time:12.6f}] [{m.caller:>6}] {m.text}" for m in ms),
    "dmesg-x": lambda ms: lines(f"kern  :{_LEVELS[m.level]:<6}: {stamp(m)}" for m in ms),
    "dmesg-r": lambda ms: lines(f"<{m.level}>{stamp(m)}" for m in ms),
    "dmesg-t": bare,
    "dmesg-T": behind("[%a %b %e %H:%M:%S %Y] ", kernel_time=False),
    "dmesg-d": lambda ms: deltas(ms, lambda m, d: f"[{m.time:12.6f} <{d or 0:12.6f}>] {m.text}"),
    "dmesg-delta": lambda ms: deltas(ms, lambda m, d: f"[<{d or 0:12.6f}>] {m.text}"),
    "dmesg-e": relative,
    "dmesg-iso": behind("%Y-%m-%dT%H:%M:%S,%f+00:00 ", kernel_time=False),
    "dmesg-json": lambda ms: json.dumps(
        {"dmesg": [{"pri": m.level, "time": m.time, "msg": m.text} for m in ms]}, indent=3
    ),
    "dmesg-colour": lambda ms: lines(f"\x1b[32m[{m.time:12.6f}] \x1b[0m\x1b[33m{m.text}\x1b[0m" for m in ms),
    "only-caller": lambda ms: lines(f"[{m.caller:>6}] {m.text}" for m in ms),
    # journalctl
    "journal-short": behind("%b %d %H:%M:%S draig kernel: ", kernel_time=False),
    "journal-boot": lambda ms: f"-- Boot {_ID} --\n{behind('%b %d %H:%M:%S draig kernel: ', kernel_time=False)(ms)}",
    "journal-precise": behind("%b %d %H:%M:%S.%f draig kernel: ", kernel_time=False),
    "journal-full": behind("%a %Y-%m-%d %H:%M:%S UTC draig kernel: ", kernel_time=False),
    "journal-iso": behind("%Y-%m-%dT%H:%M:%S+0000 draig kernel: ", kernel_time=False),
    "journal-iso-precise": behind("%Y-%m-%dT%H:%M:%S.%f+00:00 draig kernel: ", kernel_time=False),
    "journal-monotonic": lambda ms: lines(f"[{m.time:12.6f}] draig kernel: {m.text}" for m in ms),
    "journal-delta": lambda ms: deltas(
        ms, lambda m, d: f"[{m.time:12.6f}{' ' * 16 if d is None else f' <{d:12.6f} >'}] draig kernel: {m.text}"
    ),
    "journal-unix": lambda ms: lines(f"{_BOOT + m.time:.6f} draig kernel: {m.text}" for m in ms),
    "journal-json": lambda ms: lines(json.dumps(fields(m)) for m in ms),
    "journal-json-bytes": lambda ms: lines(json.dumps(fields(m) | {"MESSAGE": [*m.text.encode()]}) for m in ms),
    "journal-json-pretty": lambda ms: lines(json.dumps(fields(m), indent=8) for m in ms),
    "journal-json-sse": lambda ms: lines(f"data: {json.dumps(fields(m))}\n" for m in ms),
    "journal-json-seq": lambda ms: lines(f"\x1e{json.dumps(fields(m))}" for m in ms),
    "journal-export": lambda ms: lines("".join(f"{k}={v}\n" for k, v in fields(m).items()) for m in ms),
    "journal-export-binary": export_binary,
    "journal-verbose": verbose,
    # the kernel's own devices
    "kmsg": kmsg,
    "kmsg-dictionary": lambda ms: kmsg(ms, ",caller={caller}", "\n SUBSYSTEM=pci\n DEVICE=+pci:0000:03:00.0"),
    "netconsole-release": lambda ms: lines(f"6.9.12-klab,{stamp(m)}" for m in ms),
    "netconsole-fragments": fragments,
    "netconsole-data": lambda ms: kmsg(ms, ",caller={caller}", "\n cpu=3\n taskname=qemu\n release=6.12"),
    "pstore": lambda ms: f"Oops#1 Part1\n{lines(f'<{m.level}>{stamp(m)}' for m in ms)}",
    "pstore-parts": parts,
    "ramoops": lambda ms: (
        f"====1722426094.141632-D\n{lines(f'<{m.level}>{stamp(m)}' for m in ms)}ECC: No errors detected\n"
    ),
    # telephones
    "logcat": lambda ms: (
        "--------- beginning of kernel\n" + behind("%m-%d %H:%M:%S.123     0     0 {letter} kernel  : ")(ms)
    ),
    "logcat-time": behind("%m-%d %H:%M:%S.123 {letter}/kernel  (    0): "),
    "logcat-brief": behind("{letter}/kernel  (    0): "),
    "mediatek": lambda ms: lines(f"<{m.level}>[{m.time:12.6f}]  (2)[123:kworker/2:1]{m.text}" for m in ms),
    "samsung": lambda ms: lines(f"<{m.level}>[{m.time:12.6f}] I[2:    kworker/2:1:  123] {m.text}" for m in ms),
    # consoles
    "serial-crlf": lambda ms: lines(map(stamp, ms), "\r\n"),
    "serial-cr-cr-lf": lambda ms: lines(map(stamp, ms), "\r\r\n"),
    "serial-cr": lambda ms: lines(map(stamp, ms), "\r"),
    "serial-escapes": lambda ms: "\x1b[2J\x1b[01;1H" + lines((f"\x1b[0m{stamp(m)}\x1b[K" for m in ms), "\r\n"),
    "serial-zero-bytes": lambda ms: f"\0\0{dmesg(ms)}\0\0",
    "login-prompt": lambda ms: f"debian login: {dmesg(ms)}",
    "lost-bracket": lambda ms: lines(stamp(m)[n % 4 == 0 :] for n, m in enumerate(ms)),
    "minicom": behind("[%Y-%m-%d %H:%M:%S] "),
    "conserver": behind("[%a %b %e %H:%M:%S %Y]"),
    "hypervisor": lambda ms: f"(XEN) Xen version 4.17.1\n{dmesg(ms)}(XEN) d0 has maximum 832 PIRQs\n",
    "hypervisor-guest": behind("(XEN) [%Y-%m-%d %H:%M:%S] (d3) "),
    "crash-log": lambda ms: f"crash> log\n{dmesg(ms)}crash> quit\n",
    "crash-log-m": lambda ms: lines(f"[{m.time:12.6f}] <{m.level}>{m.text}" for m in ms),
    # system loggers
    "rfc3164": behind("<{level}>%b %e %H:%M:%S draig kernel: "),
    "rfc3164-no-time": behind("<{level}>%b %e %H:%M:%S draig kernel: ", kernel_time=False),
    "rfc5424": behind("<{level}>1 %Y-%m-%dT%H:%M:%S.%fZ draig kernel - - - "),
    "rfc5424-data": behind(
        '<{level}>1 %Y-%m-%dT%H:%M:%S.%fZ draig kernel - - [timeQuality tzKnown="1"][meta sequenceId="3"] ',
        kernel_time=False,
    ),
    "rsyslog": behind("%b %e %H:%M:%S draig kernel: "),
    "rsyslog-iso": behind("%Y-%m-%dT%H:%M:%S.%f+01:00 draig kernel: "),
    "syslog-ng": behind("%b %e %H:%M:%S 10.0.2.15 kernel[0]: "),
    "openwrt": behind("%a %b %e %H:%M:%S %Y kern.{name} kernel: "),
    "busybox": behind("%b %e %H:%M:%S draig kern.{name} kernel: "),
    # containers and test labs
    "container-cri": behind("%Y-%m-%dT%H:%M:%S.%f123Z stdout F "),
    "container-json": lambda ms: lines(json.dumps({"log": stamp(m) + "\n", "stream": "stdout"}) for m in ms),
    "compose": behind("vm_1      | "),
    "actions": behind("%Y-%m-%dT%H:%M:%S.%f0Z "),
    "gitlab": behind("%Y-%m-%dT%H:%M:%S.%fZ 01O "),
    "jenkins": behind("[%Y-%m-%dT%H:%M:%S.123Z] "),
    "lava": behind("%H:%M:%S.123  "),
    "lava-list": lambda ms: lines(
        f'- {{"dt": "2024-07-31", "lvl": "target", "msg": {json.dumps(stamp(m))}}}' for m in ms
    ),
    "kernelci": behind("%Y-%m-%d %H:%M:%S.%f  kern  :{name:<6}: "),
    "syzkaller": lambda ms: (
        "executing program 0:\nr0 = openat$kvm(0xffffffffffffff9c, 0x0)\n\n"
        + lines(f"[{m.time:12.6f}][{m.caller:>6}] {m.text}" for m in ms)
    ),
    # viewers
    "grep-n": lambda ms: lines(f"{n}:{stamp(m)}" for n, m in enumerate(ms, 4083)),
    "grep-name": lambda ms: marked(dmesg(ms), "/var/log/kern.log:"),
    "cat-n": lambda ms: lines(f"{n:6d}\t{stamp(m)}" for n, m in enumerate(ms, 1)),
    # carriers that no table knows, without the kernel's time
    "console-server": lambda ms: lines(f"[lab-7 port {n % 10}] {m.text}" for n, m in enumerate(ms)),
    "console-server-level": lambda ms: lines(f"vm1: kern  :{_LEVELS[m.level]:<6}: {m.text}" for m in ms),
    "clock-without-time": behind("%Y-%m-%dT%H:%M:%S.%f123Z ", kernel_time=False),
    "american-clock": behind("%m/%d/%Y %I:%M:%S %p ", kernel_time=False),
    "hypervisor-log": behind("%Y-%m-%dT%H:%M:%S.123Z cpu12:33333)", kernel_time=False),
    # trackers and forums
    "quoted": lambda ms: f"(In reply to A B from comment #3)\n{marked(dmesg(ms), '> ')}\nI see the same.\n",
    "quoted-bare": lambda ms: f"(In reply to A B from comment #3)\n{marked(bare(ms), '> ')}\nI see the same.\n",
    "fence": lambda ms: f"### What happened\n\nMy host crashed:\n\n```text\n{dmesg(ms)}```\n\nThanks!\n",
    "fence-bare": lambda ms: f"### What happened\n\nMy host crashed:\n\n```\n{bare(ms)}```\n\nThanks!\n",
    "indented": lambda ms: f"My host crashed:\n\n{marked(dmesg(ms), '    ')}\nThanks!\n",
    "noformat": lambda ms: f"{{noformat}}\n{dmesg(ms)}{{noformat}}\n",
    "commit": lambda ms: f"commit {_ID}\nAuthor: A <a@example.org>\n\n    mm: fix it\n\n{marked(bare(ms), '      ')}\n",
    "backticks": lambda ms: lines(f"`{stamp(m)}`  " for m in ms),
    "strings": lambda ms: "log = [\n" + lines(f"    {json.dumps(stamp(m))}," for m in ms) + "]\n",
    "written-out": lambda ms: html.escape(dmesg(ms)),
    "breaks": lambda ms: lines(html.escape(stamp(m)) + "<br>" for m in ms),
    "code-glued": lambda ms: f"[CODE]{dmesg(ms)[:-1]}[/CODE]\n",
    # pages
    "page-pre": lambda ms: page(f"<p>Hello</p><pre>{html.escape(dmesg(ms))}</pre>"),
    "page-lines": lambda ms: page("".join(html.escape(stamp(m)).replace("  ", "&nbsp; ") + "<br>\n" for m in ms)),
    "page-rows": lambda ms: page("".join(f"<div>{html.escape(stamp(m))}</div>" for m in ms)),
    "page-table": lambda ms: page(
        "<table>"
        + "".join(f"<tr><td>{n}</td><td>{html.escape(stamp(m))}</td></tr>\n" for n, m in enumerate(ms))
        + "</table>"
    ),
    "page-blockquote": lambda ms: page(
        f"<blockquote><blockquote><pre>{html.escape(dmesg(ms))}</pre></blockquote></blockquote>"
    ),
    "page-public-inbox": lambda ms: (
        f'{_LORE}<span\nclass="q">{html.escape(marked(dmesg(ms), "> "))}</span>\nOh.\n</pre></body></html>\n'
    ),
    "page-archive": lambda ms: (
        f"{_ARCHIVE}<pre>Hello,\n\n{html.escape(dmesg(ms))}\n--\nTo unsubscribe\n</pre></body></html>\n"
    ),
    # mails
    "mail": lambda ms: mail(said(dmesg(ms))),
    "mail-bare": lambda ms: mail(said(bare(ms))),
    "mail-quoted": lambda ms: mail(f"A wrote:\n> B wrote:\n{marked(dmesg(ms), '>> ')}\nOh dear.\n"),
    "mail-quoted-printable": lambda ms: (
        mail("", "text/plain; charset=utf-8", "quoted-printable").encode()
        + quopri.encodestring(said("Grüße\n" + dmesg(ms)).encode())
    ),
    "mail-base64": lambda ms: mail(base64.encodebytes(said(dmesg(ms)).encode()).decode(), encoding="base64"),
    "mail-html": lambda ms: mail(page(f"<p>Hi</p><pre>{html.escape(dmesg(ms))}</pre>"), "text/html"),
    "mail-alternative": alternative,
    "mail-attached": lambda ms: attached("text/plain", dmesg(ms).encode()),
    "mail-attached-gz": lambda ms: attached("application/gzip", gzip.compress(dmesg(ms).encode())),
    "mail-attached-xz": lambda ms: attached("application/x-xz", lzma.compress(dmesg(ms).encode())),
    "mail-flowed": lambda ms: mail(
        said(lines(row for m in ms for row in flowed(stamp(m).rstrip()))), "text/plain; format=flowed"
    ),
    "mail-wrapped": lambda ms: mail(said(wrapped(dmesg(ms), 72))),
    "mail-wrapped-quoted": lambda ms: mail(wrapped(dmesg(ms), 74, "> ") + "\nbye\n"),
    "mail-quoted-wrapped": lambda ms: mail(wrapped(marked(dmesg(ms), "> "), 76) + "\nbye\n"),
    "mbox": lambda ms: mbox(said(dmesg(ms)), "thanks\n"),
    "mbox-gz": lambda ms: gzip.compress(mbox(said(dmesg(ms)), "thanks\n").encode()),
    "mbox-thread": lambda ms: mbox(said(dmesg(ms)), marked(said(dmesg(ms)), "> ") + "\nthanks\n"),
    # terminals, encodings, archives
    "columns": lambda ms: columns(dmesg(ms), 80),
    "columns-bare": lambda ms: columns(bare(ms), 80),
    "columns-level": lambda ms: columns(lines(f"kern  :{_LEVELS[m.level]:<6}: {stamp(m)}" for m in ms), 132),
    "no-break-blanks": lambda ms: dmesg(ms).replace(" ", "\u00a0"),
    "no-break-blanks-latin": lambda ms: dmesg(ms).replace(" ", "\u00a0").encode("latin-1"),
    "quoted-utf-16": lambda ms: marked(dmesg(ms), "> ").encode("utf-16"),
    "no-width-blanks": lambda ms: dmesg(ms).replace("[", "\u200b["),
    "blanks-collapsed": lambda ms: lines(" ".join(stamp(m).split()) for m in ms),
    "utf-16": lambda ms: dmesg(ms).encode("utf-16"),
    "utf-16-be": lambda ms: ("\ufeff" + dmesg(ms)).encode("utf-16-be"),
    "utf-8-mark": lambda ms: dmesg(ms).encode("utf-8-sig"),
    "windows": lambda ms: ("\u201csee log\u201d \u2013 na\u00efve\n" + dmesg(ms)).encode("cp1252"),
    "bzip2": lambda ms: bz2.compress(dmesg(ms).encode()),
    "tar-gz": tar,
    "zip": zipped,
    "zip-gz": lambda ms: zipped(ms, gzip.compress),
    "mail-attached-zip": lambda ms: attached("application/zip", zipped(ms)),
}
