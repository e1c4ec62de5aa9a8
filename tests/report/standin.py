"""A mail of our own words around the reported log, with the same lines at the same places as the mail it came in."""

from __future__ import annotations

PROMPT = b"12:16:54 [root@draig:~] # dmesg -c\n"

_HEADER = b"""\
Re: [PATCH v11 0/8] example: words in place of a subject

From: Ann \xc3\x89xample
Date: Wed Jul 31 2024 - 07:41:40 EST


Bob Placeholder <bobplc@xxxxxxxxxx> writes:

> On Thu, Feb 29, 2024, Carol Standin wrote:
>> From: Carol Standin <standinc@xxxxxxxxxxxx>
>>
"""
_DOUBLY_QUOTED = (4, 5, 5, 8, 4)
_QUOTED = 4
_WORDS = b"These words stand in place of what was written here, so that the lines keep their numbers"
_BEFORE = b"""
These lines stand in for what the reporter wrote before the log; they
say nothing about it and are here to keep its place among the lines of
the mail, because the golden record names those lines by their numbers,
as the parser has to do:

"""
_AFTER = b"""
One line of words behind the log, in place of another

--
Ann \xc3\x89xample
Example Engineer @ Nowhere"""


def standin_mail(raw: bytes) -> bytes:
    """The stand-in mail.

    Args:
        raw: the log part of the report, as the case folder keeps it.
    """
    quoted: list[bytes] = []
    for lines in _DOUBLY_QUOTED:
        quoted += [b">> " + _WORDS] * lines
        quoted.append(b">>")
    quoted[-1] = b">"
    quoted += [b"> " + _WORDS] * _QUOTED
    return _HEADER + b"\n".join(quoted) + b"\n" + _BEFORE + PROMPT + raw + _AFTER
