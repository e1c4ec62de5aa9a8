"""Mails of several parts: each is read in its place or as a text of its own, and every byte stays accounted for."""

from __future__ import annotations

import base64
import binascii
import gzip
import lzma
import quopri
from html import escape

import pytest

from kvmlab.text.charset import charset_decoder, is_utf8
from kvmlab.text.reader import read_text
from kvmlab.text.record import Role
from kvmlab.text.span import DamageKind
from tests.text.test_containers import LOG, MESSAGES, check, messages

HEAD = "From: Ann <ann@example.org>\nTo: l@example.org\nSubject: bug\nMIME-Version: 1.0\n"
QP = quopri.encodestring(LOG.encode()).decode()
HTML = "<p>Hello<br>\n" + escape(LOG).replace("\n", "<br>\n") + "</p>\n"


def b64(data: bytes) -> str:
    return base64.encodebytes(data).decode()


def part(kind: str, body: str, *more: str) -> str:
    return f"--xx\nContent-Type: {kind}\n" + "".join(f"{line}\n" for line in more) + f"\n{body}\n"


def mixed(*parts: str) -> bytes:
    return (
        HEAD + 'Content-Type: multipart/mixed; boundary="xx"\n\npreamble\n' + "".join(parts) + "--xx--\nend\n"
    ).encode()


def test_quoted_printable_stays_in_its_place():
    text = check(
        mixed(part("text/plain", f"Hi =C3=A9,\n\n{QP}\n--=20\nAnn", "Content-Transfer-Encoding: quoted-printable"))
    )
    assert messages(text) == MESSAGES
    first, second, *_ = text.logs()
    assert (first.span.first_line, second.span.first_line, second.span.last_line) == (14, 15, 16)
    assert text.mail.signature == ("Ann",)
    assert text.records[11].text == "Hi \u00e9,"
    assert text.parts == ()


@pytest.mark.parametrize("end", ["=0A=\n", "=0a=\n", "=0D=0A=\r\n", "=0A"])
def test_line_ends_that_a_mailer_spelled_out(end):
    body = QP.replace("=\n", "").replace("\n", end)
    text = check((HEAD + "Content-Transfer-Encoding: quoted-printable\n\nHello=0A=\n" + body).encode())
    assert messages(text) == MESSAGES


@pytest.mark.parametrize("packed", [gzip.compress, lzma.compress, bytes])
def test_an_attachment_is_a_part(packed):
    name = 'Content-Disposition: attachment; filename="dmesg.log"'
    text = check(
        mixed(
            part("text/plain", "see below"),
            part("application/octet-stream", b64(packed(LOG.encode())), "Content-Transfer-Encoding: base64", name),
        )
    )
    (attached,) = text.parts
    assert messages(attached.text) == MESSAGES
    assert (attached.name, attached.text.source.path) == ("dmesg.log", "<bytes>!dmesg.log")
    assert text.line(attached.span.first_line - 1) == ""
    assert not list(text.logs())


def test_html_is_read_only_without_plain_text():
    both = "Content-Type: multipart/alternative; boundary=yy\n\n--yy\nContent-Type: text/plain\n\n" + LOG
    both = f"{HEAD}{both}\n--yy\nContent-Type: text/html\n\n{HTML}\n--yy--\n"
    text = check(both.encode())
    assert (messages(text), text.parts) == (MESSAGES, ())
    text = check(f"{HEAD}Content-Type: text/html\n\n{HTML}".encode())
    assert [p.text.kind for p in text.parts] == ["html"]
    assert messages(text) == MESSAGES


def test_bodies_in_base64_and_other_charsets():
    words = f"Benn\u00e9e schrieb:\n\n{LOG}"
    text = check(
        f"{HEAD}Content-Type: text/plain; charset=iso-8859-15\nContent-Transfer-Encoding: base64\n\n".encode()
        + b64(words.encode("latin-1")).encode()
    )
    (body,) = text.parts
    assert body.text.records[0].text == "Benn\u00e9e schrieb:"
    assert messages(text) == MESSAGES
    text = check(
        f"{HEAD}Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n{words}".encode(
            "latin-1"
        )
    )
    assert text.records[7].text == "Benn\u00e9e schrieb:"
    assert text.damage == ()


def test_uuencode():
    packed = gzip.compress(LOG.encode())
    rows = "".join(binascii.b2a_uu(packed[n : n + 45]).decode() for n in range(0, len(packed), 45))
    text = check(f"{HEAD}\nsee:\n\nbegin 644 dmesg.gz\n{rows}`\nend\n\nbye\n".encode())
    assert [p.name for p in text.parts] == ["dmesg.gz"]
    assert messages(text) == MESSAGES
    assert text.records[-1].role is Role.PROSE


@pytest.mark.parametrize("delsp", ["", "; delsp=yes"])
def test_format_flowed(delsp):
    soft = "  \n" if delsp else " \n"
    lines = [" " + line for line in LOG.splitlines()]
    lines[1] = lines[1].replace(" mapping", f"{soft}mapping")
    body = "This goes\n\n" + "\n".join(lines) + "\n"
    text = check(f"{HEAD}Content-Type: text/plain; format=flowed{delsp}\n\n{body}".encode())
    assert messages(text) == MESSAGES


def test_a_mail_within_a_mail_and_quoted_parts():
    inner = f"From: b@example.org\nSubject: inner\n\n{LOG}"
    text = check(mixed(part("text/plain", "see"), part("message/rfc822", inner)))
    assert messages(text) == MESSAGES


def test_broken_parts_are_damage():
    body = b64(gzip.compress(LOG.encode() * 50))
    text = check(mixed(part("application/gzip", body[: len(body) // 2 - 3], "Content-Transfer-Encoding: base64")))
    (attached,) = text.parts
    assert DamageKind.TRUNCATED_CONTAINER in {d.kind for d in attached.text.damage}
    bomb = b64(gzip.compress(b"\0" * 5_000_000))
    text = read_text(mixed(part("application/gzip", bomb, "Content-Transfer-Encoding: base64")), limit=1_000_000)
    assert ["--max-bytes" in d.reason for d in text.damage] == [True]


def test_pictures_are_left_alone():
    text = check(mixed(part("image/png", "iVBORw0KGgo=", "Content-Transfer-Encoding: base64")))
    assert text.parts == ()


def test_ten_thousand_parts_and_deep_nesting():
    assert messages(check(mixed(*[part("text/plain", LOG)] * 200))) == MESSAGES * 200
    nested = "".join(f"--b{n}\nContent-Type: multipart/mixed; boundary=b{n + 1}\n\n" for n in range(2000))
    text = check(f"{HEAD}Content-Type: multipart/mixed; boundary=b0\n\n{nested}{LOG}".encode())
    assert text.kind == "mail"


def test_charsets():
    assert is_utf8(None)
    assert is_utf8("us-ascii")
    assert is_utf8("no-such-charset")
    assert is_utf8("rot13")
    assert is_utf8("utf-7")
    assert not is_utf8("koi8-r")
    assert charset_decoder("koi8-r")(b"\xc1") == "\u0430"
