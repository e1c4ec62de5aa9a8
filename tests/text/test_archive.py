"""Mails as list archives show them, as text copied from a browser and as pages."""

from __future__ import annotations

from html import escape

import pytest

from kvmlab.text.record import Role
from tests.text.test_containers import LOG, MESSAGES, check, messages

BODY = f"Bob <bob@xxxxxxx> writes:\n\n> It crashes, see [1].\n\nYes, like this:\n\n{LOG}\nand it stops.\n"
PAGES = {
    "hypermail": f"Re: [PATCH v3 1/2] x\n\nFrom: Ann Benn\u00e9\nDate: Wed Jul 31 2024 - 07:41:40 EST\n\n\n{BODY}",
    "hypermail links": (
        "Re: [PATCH v3 1/2] x\n\nFrom: Ann Benn\u00e9\nDate: Wed Jul 31 2024 - 07:41:40 EST\n\n"
        f'  * Next message: Carol: "y"\n  * Previous message: Dave: "z"\n\n{BODY}'
    ),
    "archive marc": (
        "[prev in list] [next in list] [prev in thread] [next in thread] \n\nList:       linux-mm\n"
        "Subject:    Re: [PATCH v3 1/2] x\nFrom:       Ann Benn\u00e9 <ann () example ! org>\n"
        f"Date:       2024-07-31 11:41:40\nMessage-ID: 87abc () example ! org\n[Download RAW message or body]\n\n{BODY}"
    ),
    "archive spinics": (
        "Re: [PATCH v3 1/2] x\n[Date Prev][Date Next][Thread Prev][Thread Next]\n\n    Subject: Re: [PATCH v3 1/2] x\n"
        "    From: Ann Benn\u00e9 <ann@xxxxxxxxxxx>\n    Date: Wed, 31 Jul 2024 12:41:40 +0100\n"
        "    Cc: Bob <bob@xxxxxxxx>,\n"
        f"      Carol <carol@xxxxxxxx>\n    In-reply-to: <87x@xxxxxxxx>\n\n{BODY}"
    ),
    "archive lkml": (
        "[lkml]   [2024]   [Jul]   [31]   [last100]\nMessages in this thread\n\nDate\tWed, 31 Jul 2024 12:41:40 +0100\n"
        f"From\tAnn Benn\u00e9 <>\nSubject\tRe: [PATCH v3 1/2] x\n\n{BODY}"
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_as_text(name):
    text = check(PAGES[name].encode())
    mail = text.mail
    assert (text.kind, mail.form) == ("mail", name.split()[0])
    assert (mail.subject, mail.patch_version, mail.from_name) == ("Re: [PATCH v3 1/2] x", 3, "Ann Benn\u00e9")
    assert mail.date_zone_trustworthy == (mail.form != "hypermail")
    assert messages(text) == MESSAGES
    assert [a.address for a in mail.attributions] == ["bob@xxxxxxx"]
    assert text.line(mail.prose_after[0]) == "and it stops."


@pytest.mark.parametrize("name", PAGES)
def test_the_same_pages_in_html(name):
    top, body = PAGES[name].split("Bob <", 1)
    parts = f"<pre>{escape(top)}</pre>\n<pre>{escape('Bob <' + body)}</pre>\n"
    page = f"<!DOCTYPE html>\n<html><body>\n{parts}</body></html>\n"
    text = check(page.encode())
    assert (text.mail.form, text.mail.from_name) == (name.split()[0], "Ann Benn\u00e9")
    assert messages(text) == MESSAGES
    assert text.line(text.mail.prose_after[0]) == "and it stops."
    assert "Subject" in text.line(text.mail.subject_line) or "PATCH" in text.line(text.mail.subject_line)


def test_a_thread_of_public_inbox():
    page = "public inbox for kvm@vger.kernel.org\n * help / color / mirror / Atom feed\n* [PATCH v3 1/2] x\n"
    page += "@ 2024-07-31 11:41 Ann\n  2024-07-31 12:00 ` Bob\n\n"
    page += f"From: Ann Benn\u00e9 @ 2024-07-31 11:41 UTC (permalink / raw)\n  To: Bob\n  Cc: kvm\n\n{BODY}\n"
    page += "^ permalink raw reply\t[flat|nested] 27+ messages in thread\n\n"
    quoted = "".join(f"> {line}\n" for line in LOG.splitlines())
    page += f"From: Bob @ 2024-07-31 12:00 UTC (permalink / raw)\n  To: Ann\n\n{quoted}\nThanks.\n"
    text = check(page.encode())
    assert [(m.form, m.from_name, m.date_raw) for m in text.mails] == [
        ("lore", "Ann Benn\u00e9", "2024-07-31 11:41 UTC"),
        ("lore", "Bob", "2024-07-31 12:00 UTC"),
    ]
    assert text.mails[0].subject == "[PATCH v3 1/2] x"
    assert messages(text) == MESSAGES * 2
    assert {r.quote_depth for r in text.logs()} == {0, 1}


def test_a_log_with_colons_is_no_mail():
    text = check(b"Date: yesterday\n" + LOG.encode())
    assert text.kind == "dmesg"
    assert [r.role for r in text.records][:2] == [Role.OTHER, Role.LOG]
