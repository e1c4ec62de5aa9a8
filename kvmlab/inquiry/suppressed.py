"""Lines that count reports which a kernel did not print: how many, and whose they were."""

from __future__ import annotations

from collections.abc import Sequence

from kvmlab.inquiry.signatures import Key
from kvmlab.report.records import Kind, Report


def suppressed_messages(report: Report) -> int:
    """How many reports a line says were not printed."""
    shown = report.fields.get("messages")
    return shown if isinstance(shown, int) else 0


def owners_of_suppressed(signed: Sequence[tuple[int, Key, str]]) -> dict[int, Key]:
    """For each line that counts suppressed reports, the family of the reports before and after it, where they agree.

    Args:
        signed: source, key of the signature, and what is suppressed (`state`, `map`), of each report in order.
    """
    wanted: dict[str, Kind] = {"state": Kind.BAD_PAGE, "map": Kind.BAD_PAGE_MAP}
    owners: dict[int, Key] = {}
    before: dict[tuple[int, Kind], Key] = {}
    waiting: dict[tuple[int, Kind], list[int]] = {}
    for at, (source, key, what) in enumerate(signed):
        if key[0] is Kind.SUPPRESSED:
            if (kind := wanted.get(what)) is not None:
                waiting.setdefault((source, kind), []).append(at)
            continue
        place: tuple[int, Kind] = (source, key[0])
        for line in waiting.pop(place, []):
            if before.get(place, key) == key:
                owners[line] = key
        before[place] = key
    for place, lines in waiting.items():
        if place in before:
            owners.update(dict.fromkeys(lines, before[place]))
    return owners
