"""What people and their mailers do to logs before they send them."""

from __future__ import annotations

import pytest

from kvmlab.text.reader import read_text
from kvmlab.text.record import Role
from tests.text.test_containers import LOG, MESSAGES, check, messages

HEAD = "From: Ann <ann@example.org>\nTo: l@example.org\nSubject: bug\n"


def mail(body: str, *headers: str) -> bytes:
    return (HEAD + "".join(f"{h}\n" for h in headers) + "\n" + body).encode()


def test_wrapped_lines_that_lost_their_quote_marks():
    body = "> Jan 29 14:21:58 h kernel: BUG: Bad page state in process\nsystemd-udevd  pfn:103328\n"
    body += (
        "> Jan 29 14:21:58 h kernel: page:00000000128101f9 refcount:-1\nmapcount:0 mapping:0000000000000000 index:0x0\n"
    )
    body += "> Jan 29 14:21:58 h kernel: Modules linked in: aaaaaaaa bbbbbbbb cccccccc dddd\neeee ffffffff\n"
    body += "> Jan 29 14:21:58 h kernel: flags:\n0x2ffff0000000000(node=0|zone=2)\n\nThat is all.\n"
    assert messages(check(mail(body))) == [
        "BUG: Bad page state in process systemd-udevd  pfn:103328",
        "page:00000000128101f9 refcount:-1 mapcount:0 mapping:0000000000000000 index:0x0",
        "Modules linked in: aaaaaaaa bbbbbbbb cccccccc dddd eeee ffffffff",
        "flags: 0x2ffff0000000000(node=0|zone=2)",
    ]


def test_what_viewers_put_in_front():
    for front in ("4083:", "/var/log/kern.log.1:", "./dmesg.txt:12:", "| ", " 17\t"):
        raw = "".join(front + line + "\n" for line in LOG.splitlines())
        assert messages(check(raw.encode())) == MESSAGES, front
    numbered = "".join(f"{n} Sep 15 08:51:36 styx kernel: {m}\n" for n, m in enumerate(MESSAGES, 40831))
    assert messages(check(numbered.encode())) == MESSAGES


def test_rows_of_digits_are_no_line_numbers():
    stack = [
        "Stack : 00000000 10008400 80408020 87010974 80440063 80408020 00000001 81000000",
        "00300231 80148558 00000003 10008400 80408020 87010974 80440063 80408020",
    ]
    assert (
        messages(check(("BUG: Bad page state in process a  pfn:1\n" + "\n".join(stack) + "\n").encode()))[1:] == stack
    )


def test_messages_without_any_time():
    raw = "".join(f"kernel: {m}\n" for m in MESSAGES)
    assert messages(check(raw.encode())) == MESSAGES
    raw = "".join(f"03:43:48: {m}\n" for m in MESSAGES)
    assert messages(check(raw.encode())) == MESSAGES


def test_several_records_in_one_long_line():
    glued = "> " + LOG.rstrip("\n").replace("\n", " " * 40) + "\n> Yes.\n"
    text = check(mail(glued))
    assert [m.rstrip() for m in messages(text)] == MESSAGES
    assert {r.quote_depth for r in text.logs()} == {1}
    import quopri

    raw = quopri.encodestring(glued.encode()).decode()
    text = check(mail(raw, "Content-Transfer-Encoding: quoted-printable"))
    assert [m.rstrip() for m in messages(text)] == MESSAGES


def test_further_lines_of_one_record():
    raw = "[  561.336199] The buggy address belongs to the object\n" + " " * 16 + "which belongs to the cache\n"
    text = check((raw + "[  561.340919] next\n").encode())
    assert [r.role for r in text.records] == [Role.LOG] * 3
    assert [m.strip() for m in messages(text)] == [
        "The buggy address belongs to the object",
        "which belongs to the cache",
        "next",
    ]


def test_an_indented_quotation_with_wraps():
    body = "".join(
        f">     {line}\n"
        for line in (
            "[74672.768271][T27736] page:ffffea00008bb000 refcount:1 mapcount:0",
            "mapping:0000000000000000 index:0x0 pfn:0x22ec0",
            "[74672.769366][T27736] head:ffffea00008bb000 order:3 entire_mapcount:0",
            "nr_pages_mapped:0 pincount:0",
            "[74672.770239][T27736] flags:",
            "0xfff00000010200(slab|head|node=0|zone=1|lastcpupid=0x7ff)",
        )
    )
    assert messages(check(mail(body))) == [
        "page:ffffea00008bb000 refcount:1 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x22ec0",
        "head:ffffea00008bb000 order:3 entire_mapcount:0 nr_pages_mapped:0 pincount:0",
        "flags: 0xfff00000010200(slab|head|node=0|zone=1|lastcpupid=0x7ff)",
    ]


def test_commit_messages():
    body = "When running tests, there is such an error:\n\n BUG: Bad page state in process a  pfn:00000\n"
    body += " Modules linked in: snd_seq_dummy snd_seq snd_seq_device rfkill vfat fat fuse\n"
    body += "    virtio_balloon efi_pstore virtio_net pstore\n CPU: 2 PID: 1913 Comm: a Not tainted 6.12.0 #184\n"
    body += " Call Trace:\n  dump_stack+0x1/0x2\n  folio_put\n\nFix it.\n"
    text = check(mail(body))
    assert messages(text) == [
        "BUG: Bad page state in process a  pfn:00000",
        "Modules linked in: snd_seq_dummy snd_seq snd_seq_device rfkill vfat fat fuse"
        " virtio_balloon efi_pstore virtio_net pstore",
        "CPU: 2 PID: 1913 Comm: a Not tainted 6.12.0 #184",
        "Call Trace:",
        " dump_stack+0x1/0x2",
        " folio_put",
    ]
    assert text.records[-1].role is Role.PROSE


def test_odd_blanks_and_marks():
    log = LOG.replace("[  252", "[\u00a0 252").replace("]  <", "]\u00a0 <")
    assert messages(check(log.encode())) == MESSAGES
    marked = LOG.replace("[  252.141632] BUG", "**[  252.141632] BUG").replace("fb1665\n", "fb1665**\n", 1)
    assert messages(check(marked.encode())) == MESSAGES


def test_elisions_are_not_log():
    first, *rest = LOG.splitlines()
    text = check("\n".join([first, "[...]", "... skipped ...", *rest, "<snip>", ""]).encode())
    assert messages(text) == MESSAGES


def test_endings_that_a_terminal_program_wrote_out() -> None:
    text = read_text("[    1.000000] BUG: Bad page state␍␊\n[    1.000001] page: refcount:0␍␊\n".encode())
    assert [record.text for record in text.logs()] == ["BUG: Bad page state", "page: refcount:0"]


@pytest.mark.parametrize(
    "time",
    [
        "[Wed Dec 19 03:36:07 2018] ",
        "Dec 19 03:36:07 draig kernel: ",
        "2018-12-19T03:36:07.123456+00:00 draig kernel: ",
        "kern  :alert : [    1.000000] ",
    ],
)
def test_quoted_logs_of_any_prefix(time: str) -> None:
    rows = ["BUG: Bad page state in process loader  pfn:12345", "page dumped because: nonzero mapcount", " <TASK>"]
    text = read_text("".join(f"> {time}{row}\n" for row in rows).encode())
    assert [record.text for record in text.logs()] == rows


def test_module_list_broken_within_a_further_record() -> None:
    names = " ".join(f"module_{n:03}" for n in range(90))
    text = read_text(
        f"<4>[    1.000000] Modules linked in: kvm ttm tun\n<4>[    1.000001]  {names[:900]}\n{names[900:]}\n"
        "<4>[    1.000002]  last_one another_one the_end\n<4>[    1.000003] CPU: 1 PID: 2 Comm: x\n".encode()
    )
    assert [record.text for record in text.logs()][1:3] == [f" {names}", " last_one another_one the_end"]


def test_journal_without_host_names() -> None:
    raw = b"[  349.123493] systemd[1]: x\n[  372.540188] kernel:  <TASK>\n[  372.540189] kernel: RIP: 0010:f\n"
    text = read_text(raw)
    assert [record.text for record in text.logs()][1:] == [" <TASK>", "RIP: 0010:f"]
