"""The reported trace, field by field: a golden record around a stand-in mail, and the original where it is present."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kvmlab.report.log import Log, read_log
from tests.report.seed_shape import seed_shape
from tests.report.standin import standin_mail

GOLDEN = Path(__file__).parent / "golden" / "reported-trace.json"
ABOUT = (
    "What kvmlab says about the reported trace, with a stand-in for the words of the mail around it. "
    "Rewritten with pytest --update; read the difference before it is committed."
)
# Fields of the hand-written record that hold a sentence of its author: compared only for being said at all.
PROSE = {
    "schema", "conventions", "source.path_basename", "source.kind", "source.archive_damage",
    "normalisation.restored_text_examples", "normalisation.joins.10.why", "reports.0.what",
    "reports.0.decoded.rax_note",
    "reports.1.page_dump.decoded.layout", "reports.1.page_dump.decoded.anon_exclusive_alias",
    "reports.1.page_dump.decoded.looks_like", "reports.1.missing", "reports.1.inferences", "repeat",
}  # fmt: skip
# Names that the JSON contract gives to things that the hand-written record calls otherwise.
RENAMED = {"reports.1.kind": ("bad_page_state", "bad_page")}


@pytest.fixture(scope="module")
def log(case_dir: Path) -> Log:
    return read_log(standin_mail((case_dir / "raw.txt").read_bytes()))


def test_golden_record(log: Log, update: bool) -> None:
    made = {"about": ABOUT, **seed_shape(log)}
    if update:
        GOLDEN.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    held = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert list(_differences(held, json.loads(json.dumps(made)))) == []


def test_every_field_of_the_hand_written_record(shared: Path) -> None:
    expected = json.loads((shared / "reference" / "seed_expected.json").read_text(encoding="utf-8"))
    made = json.loads(json.dumps(seed_shape(read_log(shared / "seed" / "lkml-report.txt"))))
    wrong = []
    for path, value in _leaves(expected):
        if any(path == prose or path.startswith(prose + ".") for prose in PROSE):
            continue
        got = _at(made, path)
        was, now = RENAMED.get(path, (value, value))
        assert was == value
        if got != now:
            wrong.append((path, now, got))
    assert wrong == []


def test_the_golden_record_says_what_the_hand_written_one_says(shared: Path) -> None:
    """The golden record was made by the program; apart from the stand-in's words it must be the hand-written one."""
    expected = json.loads((shared / "reference" / "seed_expected.json").read_text(encoding="utf-8"))
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    words = ("source.", "email.")
    wrong = [
        (path, value, _at(golden, path))
        for path, value in _leaves(expected)
        if not path.startswith(words)
        and not any(path == prose or path.startswith(prose + ".") for prose in PROSE)
        and _at(golden, path) != RENAMED.get(path, (value, value))[1]
    ]
    assert wrong == []


def test_prose_fields_are_filled(log: Log) -> None:
    fragment, report = log.reports
    assert fragment.damage
    assert all(d.reason for d in fragment.damage)
    assert len(report.missing) == 2
    assert log.text.wrap is not None
    assert [j.why for j in log.text.wrap.joins if j.insert_blank]


def test_restored_text(log: Log) -> None:
    texts = {record.span.first_line: record.text for record in log.text.records}
    # Two blanks before `pfn:` and the blank before `<TASK>` were lost in the archive; the parsers read the same.
    assert " ".join(texts[60].split()) == "BUG: Bad page state in process CPU 0/KVM pfn:fb1665"
    assert texts[89].strip() == "<TASK>"


def test_title_is_the_text_of_the_record(log: Log) -> None:
    assert log.reports[1].title == "BUG: Bad page state in process CPU 0/KVM pfn:fb1665"
    assert log.reports[1].complete is False


def test_nothing_is_unparsed(log: Log) -> None:
    assert log.unparsed == ()


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for i, inner in enumerate(value):
            yield from _leaves(inner, f"{path}.{i}")
    else:
        yield path, value


def _at(value: Any, path: str) -> Any:
    for key in path.split("."):
        if isinstance(value, dict):
            if key not in value:
                return "(absent)"
            value = value[key]
        elif isinstance(value, list) and int(key) < len(value):
            value = value[int(key)]
        else:
            return "(absent)"
    return value


def _differences(held: Any, made: Any) -> Iterator[tuple[str, Any, Any]]:
    before, after = dict(_leaves(held)), dict(_leaves(made))
    for path in before.keys() | after.keys():
        if before.get(path, "(absent)") != after.get(path, "(absent)"):
            yield path, before.get(path, "(absent)"), after.get(path, "(absent)")
