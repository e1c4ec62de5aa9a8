"""The bodies of trace events by era: templates with typed fields, each row with a sample that is run as a test."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# What a field's letter reads: (regular expression, stored as).
#   d  decimal, may be negative        x  hexadecimal with or without 0x     n  decimal, or hexadecimal with 0x (pfn)
#   s  text up to a blank or the next literal's first character              w  text up to a blank
#   g  the rest of the line            p  a pointer that says nothing (hashed, or of another boot); not stored
_PATTERNS = {
    "d": r"-?[0-9]{1,19}",
    "x": r"(?:0x)?[0-9a-fA-F]{1,16}",
    "n": r"0x[0-9a-fA-F]{1,16}|[0-9]{1,19}",
    "w": r"[^ \t]+",
    "g": r".*",
    "p": r"[^ \t,]+",
}
TEXT_KINDS = frozenset("swg")
_FIELD = re.compile(r"\{(\w*):([a-z])\}")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event body: its `name` (empty if not stored) and its `kind`, a letter of the table above."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class EventForm:
    """One way in which an event's body was printed.

    Args:
        index: position in the table; the same number in every engine.
        system: trace system, `kmem`.
        event: event name.
        era: name of this form.
        literals: the fixed text around the fields, one more than fields.
        fields: the fields, in order.
        since: first release that prints it, as far as known.
        until: last release that prints it, None if it still does.
        sample: a body in this form.
        source: where this is from.
        regex: the same as a regular expression; blanks may be of any width.
    """

    index: int
    system: str
    event: str
    era: str
    literals: tuple[str, ...]
    fields: tuple[Field, ...]
    since: str
    until: str | None
    sample: str
    source: str
    regex: re.Pattern[str]

    @property
    def stored(self) -> tuple[Field, ...]:
        """The fields that have a name, in order."""
        return tuple(f for f in self.fields if f.name)

    def match(self, body: str) -> tuple[int | str, ...] | None:
        """The stored fields of a body, None if it has another form.

        Args:
            body: what stands behind the event's name, blanks at its ends removed.

        >>> form = forms_of("kvm_mmu_spte_requested")[0]
        >>> form.match("gfn 100 pfn 3975c level 1")
        (256, 235356, 1)
        """
        found = self.regex.fullmatch(body)
        if found is None:
            return None
        values: list[int | str] = []
        for field, text in zip(self.stored, found.groups(), strict=True):
            if field.kind in TEXT_KINDS:
                values.append(text)
                continue
            value = int(text, 16) if field.kind == "x" or text.startswith("0x") else int(text)
            if not -(1 << 63) <= value < 1 << 64 or (field.kind == "d" and value >= 1 << 63):
                return None
            values.append(value)
        return tuple(values)


def _compile(literals: tuple[str, ...], fields: tuple[Field, ...]) -> re.Pattern[str]:
    parts = [_literal(literals[0])]
    for field, literal in zip(fields, literals[1:], strict=True):
        pattern = _PATTERNS.get(field.kind)
        if pattern is None:
            stop = literal[:1].strip()
            pattern = rf"[^ \t{re.escape(stop)}]+"
        parts += [f"({pattern})" if field.name else f"(?:{pattern})", _literal(literal)]
    return re.compile("".join(parts))


def _literal(text: str) -> str:
    # The runs of blanks are bounded, so that a hostile line cannot make the match quadratic.
    return r"[ \t]{1,64}".join(re.escape(part) for part in re.split(r" +", text))


@cache
def event_forms() -> tuple[EventForm, ...]:
    """Every form of the table, in its order."""
    text = files("kvmlab.kernel").joinpath("data/events.csv").read_text(encoding="utf-8")
    forms = []
    for index, row in enumerate(csv.DictReader(text.splitlines())):
        pieces = _FIELD.split(row["template"])
        literals = tuple(pieces[0::3])
        fields = tuple(Field(name, kind) for name, kind in zip(pieces[1::3], pieces[2::3], strict=True))
        forms.append(
            EventForm(
                index,
                row["system"],
                row["event"],
                row["era"],
                literals,
                fields,
                row["since"],
                row["until"] or None,
                row["sample"],
                row["source"],
                _compile(literals, fields),
            )
        )
    return tuple(forms)


@cache
def _by_event() -> dict[str, tuple[EventForm, ...]]:
    found: dict[str, tuple[EventForm, ...]] = {}
    for form in event_forms():
        found[form.event] = (*found.get(form.event, ()), form)
    return found


def forms_of(event: str) -> tuple[EventForm, ...]:
    """The forms of one event, in the order in which they are tried; empty for an event that the table lacks.

    Args:
        event: its name without the system.

    >>> [form.era for form in forms_of("kvm_page_fault")]
    ['address error_code', 'vcpu rip', 'vcpu rip and more']
    """
    return _by_event().get(event, ())


def read_body(event: str, body: str) -> tuple[EventForm, tuple[int | str, ...]] | None:
    """The form of an event's body and its stored fields; None if the event or the form is not in the table.

    Args:
        event: name without the system.
        body: the text behind it.

    >>> form, values = read_body("mm_page_free", "page=0000 pfn=1155800 order=0")
    >>> dict(zip((f.name for f in form.stored), values))
    {'pfn': 1155800, 'order': 0}
    """
    for form in forms_of(event):
        values = form.match(body)
        if values is not None:
            return form, values
    return None
