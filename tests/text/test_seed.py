"""The reported trace as the archive shows it, against the golden record that was written from it by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kvmlab.text.reader import read_text
from kvmlab.text.record import Role
from kvmlab.text.text import Text

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
SEED = SHARED / "seed" / "lkml-report.txt"
EXPECTED = SHARED / "reference" / "seed_expected.json"

pytestmark = pytest.mark.skipif(not EXPECTED.exists(), reason="the reported mail lies beside the checkout, not in it")


@pytest.fixture(scope="module")
def text() -> Text:
    return read_text(str(SEED))


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return json.loads(EXPECTED.read_text())


def test_source(text, expected):
    e = expected["source"]
    assert text.source.sha256 == e["sha256"]
    assert text.source.size == e["bytes"]
    assert (text.n_lines, text.ends_with_newline) == (e["lines"], e["ends_with_newline"])
    assert (text.encoding, text.line_endings) == (e["encoding"], e["line_endings"])
    assert (text.kind, text.mail.form) == ("mail", "hypermail")
    assert {d.kind for d in text.damage} == {"collapsed_blanks", "lost_leading_blank", "masked_address", "wrapped"}


def test_mail(text, expected):
    e, mail = expected["email"], text.mail
    assert mail.subject == e["subject"]
    assert mail.subject_line == e["subject_line"]
    assert mail.in_reply_to_subject == e["in_reply_to_subject"]
    assert (mail.patch_version, mail.patch_index, mail.patch_total) == (11, 0, 8)
    assert (mail.from_name, mail.from_address) == (e["from_name"], e["from_address"])
    assert (mail.date_raw, mail.date_zone_trustworthy) == (e["date_raw"], e["date_zone_trustworthy"])
    got = [(a.line, a.name, a.address) for a in mail.attributions]
    assert got == [(a["line"], a["name"], a.get("address_masked")) for a in e["attribution_lines"]]
    assert mail.attributions[1].text == e["attribution_lines"][1]["text"]
    assert mail.max_quote_depth == e["max_quote_depth"]
    assert mail.body_unquoted_first_line == e["body_unquoted_first_line"]
    assert mail.signature_line == e["signature"]["separator_line"]
    assert list(mail.signature) == e["signature"]["lines"]
    assert list(mail.prose_before) == e["reporter_prose"]["before"]
    assert list(mail.prose_after) == e["reporter_prose"]["after"]
    assert text.line(mail.prose_after[0]) == e["reporter_prose"]["after_text"]


def test_log_block(text, expected):
    e = expected["log_block"]
    (block,) = text.log_blocks
    for name in [
        "first_line",
        "last_line",
        "prefix_style",
        "caller_id",
        "level_prefix",
        "first_timestamp",
        "last_timestamp",
        "logical_records",
        "physical_lines",
        "timestamps_monotonic",
    ]:
        assert getattr(block, name) == e[name], name
    assert block.level_prefix == e["level_prefix"]
    assert {name: getattr(block.shell_prompt, name) for name in e["shell_prompt"]} == e["shell_prompt"]
    logs = list(text.logs())
    assert len(logs) == e["logical_records"]
    assert (logs[0].span.first_line, logs[-1].span.last_line) == (54, 137)


def test_normalisation(text, expected):
    e, wrap = expected["normalisation"], text.wrap
    assert (wrap.kind, wrap.width) == ("columns", e["wrap_width"])
    assert len(wrap.records) == len(e["wrapped_records"])
    for got, want in zip(wrap.records, e["wrapped_records"], strict=True):
        assert (got.line_first, got.line_last, got.timestamp) == (
            want["line_first"],
            want["line_last"],
            want["timestamp"],
        )
        assert len(got.physical_lengths) == want["physical_lines"]
        assert list(got.physical_lengths) == want["physical_lengths"]
        assert got.collapsed_double_blank == want["collapsed_double_space_after_timestamp"]
        assert list(got.lost_leading_blank_lines) == want["lost_leading_space_lines"]
        assert (got.text_len, got.module_count) == (want["text_len"], want["module_count"])
        assert len(text.records[got.record].text) == got.text_len
    got = [(j.after_line, j.tail, j.head, j.joined, j.insert_blank) for j in wrap.joins]
    assert got == [(j["after_line"], j["tail"], j["head"], j["joined"], j["insert_space"]) for j in e["joins"]]
    rule = e["record_size_rule"]
    assert (wrap.limit, wrap.overhead) == (rule["limit"], rule["per_append_overhead"])
    assert [{"text_len": c.text_len, "next": c.next, "sum": c.sum} for c in wrap.size_checks] == rule["check"]
    assert all(c.holds for c in wrap.size_checks)


def test_the_blank_between_two_modules_is_proved_and_the_others_are_open(text):
    joins = {j.after_line: j for j in text.wrap.joins}
    assert joins[79].certain
    assert "record size confirms" in joins[79].why
    # The last piece of a record has no width; where neither sizes nor names tell, that is said.
    assert [line for line, join in joins.items() if not join.certain] == [71]


def test_module_names(text):
    names = [n for r in text.wrap.records for n in text.records[r.record].text.split()][3:]
    assert len(names) == len(set(names)) == 259
    assert {"nft_masq", "e1000e", "i2c_i801", "pinctrl_alderlake"} <= set(names)


def test_lines_of_joined_text(text):
    record = text.records[text.wrap.records[0].record]
    assert record.line_at(0) == 67
    assert record.line_at(record.text.index("nft_masq")) == 67
    assert record.line_at(record.text.index("snd_seq ")) == 68
    assert record.line_at(len(record.text) - 1) == 72


def test_roles(text):
    by_line = {r.span.first_line: r.role for r in text.records}
    assert by_line[1] is by_line[3] is by_line[4] is Role.HEADER
    assert by_line[10] is by_line[9] is Role.QUOTE
    assert by_line[48] is by_line[139] is Role.PROSE
    assert by_line[53] is Role.PROMPT
    assert by_line[141] is by_line[143] is Role.SIGNATURE
    assert by_line[52] is by_line[138] is Role.BLANK
