"""Quoting in mails: marks taken off, and the lines that say who is quoted."""

from __future__ import annotations

import re

from kvmlab.text.text import Attribution

_MARKS = re.compile(r"(?: ?>)+ ?")
_ADDRESS = r"[\w.+=-]{1,64}@[\w.-]{1,255}"
_WROTE = re.compile(
    rf"(?:(?P<date>(?:On|Am|Le|El) .{{0,120}}?), )?(?P<name>[^<>]{{0,120}}?) ?(?:<(?P<address>{_ADDRESS})>)? ?"
    r"(?:writes|wrote|said|schrieb|a écrit|escribió) ?:\s*$"
)
_FROM = re.compile(rf"From: (?P<name>[^<>]{{0,120}}?) ?<(?P<address>{_ADDRESS})>\s*$")
MASKED = re.compile(r"[\w.+-]@x{3,}")


def peel(line: str) -> tuple[int, str]:
    """Quote depth of a line, and what is left of it.

    >>> peel(">> From: David"), peel("> >  <TASK>"), peel("[1.0] a > b")
    ((2, 'From: David'), (2, ' <TASK>'), (0, '[1.0] a > b'))
    """
    match = _MARKS.match(line)
    if match is None:
        return 0, line
    return match.group().count(">"), line[match.end() :]


def attribution_of(number: int, line: str) -> Attribution | None:
    """Who wrote what follows, if line `number` says so; quoted `From:` lines count, too.

    >>> found = attribution_of(7, "Sean Christopherson <seanjc@xxxxxxxxxx> writes:")
    >>> found.line, found.name, found.address
    (7, 'Sean Christopherson', 'seanjc@xxxxxxxxxx')
    """
    depth, content = peel(line)
    if len(content) > 400:
        return None
    match = _WROTE.match(content) or (_FROM.match(content) if depth else None)
    if match is None:
        return None
    parts = match.groupdict()
    # "On Thu, Feb 29, 2024, David Stevens wrote:" does not show where the date ends.
    name = None if content.startswith(("On ", "Am ", "Le ", "El ")) and not parts["address"] else parts["name"].strip()
    return Attribution(number, name or None, parts["address"], line)
