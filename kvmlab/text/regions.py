"""What each stretch of a text is before its lines are looked at: headers, bodies to read in place, encoded parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from kvmlab.text.lines import Lines, Stretch
from kvmlab.text.mail import Section
from kvmlab.text.mime import Leaf, leaves, stretch_of, uuencoded


class What(Enum):
    """What is done with a region."""

    HEADERS = "headers"
    BODY = "body"
    PART = "part"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Region:
    """Lines `first` to `last` of mail number `mail`, and what is done with them."""

    mail: int
    first: int
    last: int
    what: What
    leaf: Leaf


def regions_of(lines: Lines, number: int, section: Section) -> Iterator[Region]:
    """The regions of one mail, in order and without gaps.

    Args:
        lines: physical lines.
        number: which mail it is.
        section: where it stands.
    """
    none = Leaf(section.first, section.first, section.first)
    yield Region(number, section.first, section.body - 1, What.HEADERS, none)
    at = section.body
    found = leaves(lines, section.headers, section.body, section.last)
    for leaf in found if not section.archived else [Leaf(section.body, section.body, section.last)]:
        if leaf.body > at:
            yield Region(number, at, leaf.body - 1, What.HEADERS, none)
        if leaf.body > leaf.last:
            at = max(at, leaf.body)
            continue
        if leaf.inline:
            yield from _body(lines, number, leaf)
        else:
            yield Region(number, leaf.body, leaf.last, What.PART if leaf.worth_reading else What.SKIP, leaf)
        at = leaf.last + 1
    if at <= section.last:
        yield Region(number, at, section.last, What.HEADERS, none)


def _body(lines: Lines, number: int, leaf: Leaf) -> Iterator[Region]:
    at = leaf.body
    for first, last, name in uuencoded(lines, leaf.body, leaf.last):
        if first > at:
            yield Region(number, at, first - 1, What.BODY, leaf)
        file = Leaf(first, first, last, "application/octet-stream", None, "uuencode", name)
        yield Region(number, first, last, What.PART, file)
        at = last + 1
    if at <= leaf.last:
        yield Region(number, at, leaf.last, What.BODY, leaf)


def stretches_of(lines: Lines, regions: list[Region]) -> list[Stretch]:
    """How the bodies among the regions are decoded where they stand."""
    found = []
    for region in regions:
        if region.what is What.BODY:
            leaf = region.leaf
            part = Leaf(region.first, region.first, region.last, leaf.content_type, leaf.charset, leaf.encoding)
            if stretch := stretch_of(lines, part):
                found.append(stretch)
    return found
