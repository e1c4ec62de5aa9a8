"""Tables: hex, whole, escaped."""

from __future__ import annotations

import pandas as pd

from kvmlab.charts.table import MOST_ROWS, table
from tests.charts.sample import HOSTILE


def test_64_bit_values_are_hex_and_never_rounded() -> None:
    frame = pd.DataFrame({"flags": pd.array([0x17FFFFC00A000C, None], "UInt64"), "refcount": [0, -1]})
    shown = table(frame)
    assert shown.rows == (("0x17ffffc00a000c", "0"), ("-", "-1"))


def test_text_of_a_log_is_escaped_and_whole() -> None:
    frame = pd.DataFrame({"comm": [HOSTILE, "a\x1b[0m" + "x" * 200], "agrees": [True, False]})
    markup = table(frame, caption=HOSTILE)._repr_html_()
    assert "<script" not in markup
    assert markup.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert "x" * 200 in markup
    assert "\x1b" not in markup
    assert table(frame, ["agrees"]).rows == (("yes",), ("no",))


def test_a_long_table_says_what_it_leaves_out() -> None:
    shown = table(pd.DataFrame({"n": range(MOST_ROWS + 7)}))
    assert len(shown.rows) == MOST_ROWS
    assert str(shown).endswith("... and 7 more rows")
    assert "... and 7 more rows" in shown._repr_html_()


def test_an_empty_frame_keeps_its_headings() -> None:
    assert str(table(pd.DataFrame({"pfn": [], "line": []}))) == "pfn  line"
