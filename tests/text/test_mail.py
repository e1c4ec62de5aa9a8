"""Mails: headers, quoting, signatures, prose and log, in each form that they come in."""

from __future__ import annotations

from kvmlab.text.headers import decoded
from kvmlab.text.mail_facts import patch_tag
from kvmlab.text.quotes import attribution_of, peel
from kvmlab.text.reader import read_text
from kvmlab.text.record import Role
from kvmlab.text.span import DamageKind

LOG = """\
[  252.141632] BUG: Bad page state in process CPU 0/KVM  pfn:fb1665
[  252.141633] page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x7fa8117c3 pfn:0xfb1665
[  252.141688] Call Trace:
[  252.141688]  <TASK>
[  252.141688]  dump_stack_lvl+0x60/0x80
"""
MAIL = f"""\
Return-Path: <ann@example.org>
From: =?utf-8?q?Ann_Benn=C3=A9?= <ann@example.org>
To: list@example.org
Subject: Re: [RFC PATCH v2 03/10] KVM:
 a long subject
Date: Wed, 31 Jul 2024 12:41:40 +0100
Message-ID: <87abc@example.org>

Bob <bob@example.org> writes:

> On Monday, Carol wrote:
>> It crashes, see [1] and
>> [2]. Nothing else.
>
> Really?

Yes, like this:

{LOG}
and then it stops.

--
Ann
An Office
"""


def test_one_mail():
    text = read_text(MAIL.encode())
    mail = text.mail
    assert (text.kind, mail.form) == ("mail", "rfc822")
    assert (mail.from_name, mail.from_address) == ("Ann Benné", "ann@example.org")
    assert mail.subject == "Re: [RFC PATCH v2 03/10] KVM: a long subject"
    assert mail.in_reply_to_subject == mail.subject[4:]
    assert (mail.patch_version, mail.patch_index, mail.patch_total) == (2, 3, 10)
    assert (mail.message_id, mail.date_zone_trustworthy) == ("87abc@example.org", True)
    assert [(a.line, a.name, a.address) for a in mail.attributions] == [(9, "Bob", "bob@example.org"), (11, None, None)]
    assert (mail.max_quote_depth, mail.body_unquoted_first_line) == (2, 17)
    assert (mail.prose_before, mail.prose_after) == ((17, 17), (25, 25))
    assert mail.signature == ("Ann", "An Office")
    assert [r.text for r in text.logs()] == [line[15:] for line in LOG.splitlines()]
    assert text.damage == ()


def test_numbers_in_quoted_prose_are_quotes():
    text = read_text(MAIL.encode())
    assert [r.role for r in text.records[10:13]] == [Role.QUOTE] * 3


def test_a_quoted_log_is_log_with_its_depth():
    quoted = "".join(f">> {line}\n" for line in LOG.splitlines())
    text = read_text(f"From: a@example.org\nSubject: x\n\n> B wrote:\n{quoted}>\n> Yes.\n".encode())
    assert [(r.text, r.quote_depth) for r in text.logs()] == [(line[15:], 2) for line in LOG.splitlines()]
    assert text.log_blocks[0].quote_depth == 2


def test_an_mbox():
    escaped = MAIL.replace("Yes, like this:", ">From here on:")
    box = f"From mboxrd@z Thu Jan  1 00:00:00 1970\n{escaped}\nFrom a@b Wed Jul 31 12:41:40 2024\n"
    box += "From: c@example.org\nSubject: y\n\nNo log here.\nFrom that I see nothing.\n"
    text = read_text(box.encode())
    assert text.kind == "mbox"
    assert [m.subject for m in text.mails] == ["Re: [RFC PATCH v2 03/10] KVM: a long subject", "y"]
    assert len(list(text.logs())) == 5
    assert [r.role for r in text.records[-2:]] == [Role.PROSE] * 2


def test_a_page_of_a_list_archive():
    page = "Re: [PATCH 1/2] x\n\nFrom: Ann\nDate: Wed Jul 31 2024 - 07:41:40 EST\n\n"
    page += f"Bob <bob@xxxxxxx> wrote:\n> no\n\nYes:\n\n$ dmesg\n{LOG}\n--\nAnn"
    text = read_text(page.encode())
    mail = text.mail
    assert (mail.form, mail.from_name, mail.from_address, mail.date_zone_trustworthy) == (
        "hypermail",
        "Ann",
        None,
        False,
    )
    assert DamageKind.MASKED_ADDRESS in {d.kind for d in text.damage}
    (block,) = text.log_blocks
    assert (block.shell_prompt.command, block.shell_prompt.user) == ("dmesg", None)
    assert text.records[block.first_record].role is Role.PROMPT


def test_prose_between_two_logs_parts_them():
    text = read_text(f"From: a@example.org\nSubject: x\n\nfirst\n\n{LOG}\nthen I did this and that\n\n{LOG}".encode())
    assert [(b.first_line, b.last_line) for b in text.log_blocks] == [(6, 10), (14, 18)]


def test_collapsed_blanks_are_damage_not_invented():
    log = LOG.replace("KVM  pfn", "KVM pfn").replace("]  <", "] <").replace("]  d", "] d")
    text = read_text(log.encode())
    assert {d.kind for d in text.damage} == {DamageKind.COLLAPSED_BLANKS, DamageKind.LOST_LEADING_BLANK}
    assert next(text.logs()).text == "BUG: Bad page state in process CPU 0/KVM pfn:fb1665"
    assert {d.kind for d in read_text(LOG.encode()).damage} == set()


def test_log_lines_may_begin_with_a_quote_mark():
    text = read_text(b"[    1.000000] a\n[    1.000001] > not a quote\n")
    assert [(r.text, r.quote_depth) for r in text.logs()] == [("a", 0), ("> not a quote", 0)]


def test_pieces():
    assert peel(">>> x") == (3, "x")
    assert attribution_of(1, "just a line that ends so:") is None
    assert decoded("=?bad?q?=") == "=?bad?q?="
    assert patch_tag("[PATCH net v3] x") == (3, None, None)
