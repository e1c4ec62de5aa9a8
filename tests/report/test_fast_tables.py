"""What the fast engines look for is a superset of what the tolerant parser can see a part of a report in."""

from __future__ import annotations

import re

import pytest

from kvmlab.report.fast_grammar import DEAD, N_CLASSES, N_STATES, STEPS, step_table
from kvmlab.report.fast_heads import DRIVERS, EXACTLY, HEAD_BYTES, held_words, may_begin, searched_words
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_meaning import FOREIGN, INTERESTING, LOOSE, Template
from kvmlab.report.lines import Part, classify
from kvmlab.report.register_table import REGISTER_ROWS
from kvmlab.report.titles import titles
from kvmlab.text.prefix_rows import ROWS
from kvmlab.text.record import Record, Role
from kvmlab.text.shape_rows import SHAPES
from kvmlab.text.span import Span

SAMPLES = [*(row.sample for row in titles()), *(s.sample for s in SHAPES), *(row.sample for row in REGISTER_ROWS)]
# What the engines see in a line besides its beginning.
HINT = re.compile(r"\+0x|\[<|[^\t-\r -~]")
FILE = re.compile(r"[\[<].*\.[A-Za-z]{1,4}:[0-9]|\.[A-Za-z]{1,4}:[0-9].*[\[<]")


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_sample_of_the_parser_is_looked_at(sample: str) -> None:
    text = sample.strip()
    part, data = classify(text, Record(Span(0, 0, 1, 1), Role.LOG, text), False)
    if part in (Part.OTHER, Part.DETAIL, Part.BLANK) or (part is Part.STACK and not data.strict):
        return
    for searched, words in ((False, held_words()), (True, searched_words())):
        seen = may_begin(text[:HEAD_BYTES], searched) or HINT.search(text) or any(word in text for word in words)
        assert seen or FILE.search(text), "the fast engines would pass over this line"
    assert Lexicon().whole(text.encode(), 0) == INTERESTING


@pytest.mark.parametrize("row", REGISTER_ROWS, ids=lambda row: f"{row.arch} {row.sample[:12]}")
def test_digits_of_register_names_matter(row: object) -> None:
    sample = row.sample.strip()  # type: ignore[attr-defined]
    if re.match(r"[A-Za-z$%]{1,8}\d", sample):
        assert may_begin(sample[:HEAD_BYTES]) == EXACTLY


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_template_has_the_shape_of_the_prefix(row: object) -> None:
    line = row.sample.encode()  # type: ignore[attr-defined]
    found = Lexicon().template(line)
    if isinstance(found, Template):
        assert re.sub(rb"[0-9]", b"0", line).startswith(found.shape)
        assert line[len(found.shape) :].decode() == row.message  # type: ignore[attr-defined]
    else:
        assert found in (FOREIGN, LOOSE)


def test_step_table() -> None:
    table = step_table()
    assert len(table) == N_STATES * N_CLASSES
    for state, steps in STEPS.items():
        for found in range(N_CLASSES):
            assert table[state * N_CLASSES + found] == steps.get(found, DEAD)


def test_titles_that_begin_with_a_driver_hold_one_of_its_words() -> None:
    for start, words in DRIVERS.items():
        rows = [row for row in titles() if start in row.starts]
        assert rows, start
        for row in rows:
            pattern = row.pattern.replace("\\", "")
            assert any(word in pattern for word in words), row.name
            assert "|" not in re.sub(r"\([^()]*\)", "", row.pattern), "the word might be in one branch only"
