"""Filters keep what fulfils every condition, and say what they do not understand."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmlab.inquiry.filters import FilterError, make_filter
from kvmlab.report.log import Log, read_log


@pytest.fixture(scope="module")
def log() -> Log:
    return read_log(Path(__file__).resolve().parents[2] / "data" / "2024-07-31-kvm-bad-page-state" / "raw.txt")


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ({}, [0, 1]),
        ({"kinds": ["bad_page"]}, [1]),
        ({"kinds": ["bad_page", "fragment"]}, [0, 1]),
        ({"kinds": ["oops"]}, []),
        ({"since": "252080.141630"}, [1]),
        ({"since": "252080.141629"}, [0, 1]),
        ({"since": "252080.141633"}, []),
        ({"pfns": ["fb1665"]}, [1]),
        ({"pfns": ["0xfb1000-0xfb1664", "fb1666-fb1fff"]}, []),
        ({"pfns": ["fb1000-fb1fff"]}, [1]),
        ({"functions": ["do_wp_page"]}, [1]),
        ({"functions": ["folio_batch_*"]}, [1]),
        ({"functions": ["wp_page"]}, []),
        ({"kinds": ["bad_page"], "pfns": ["1"]}, []),
    ],
)
def test_what_is_kept(log: Log, words: dict, kept: list[int]) -> None:
    assert [report.index for report in make_filter(**words).apply(log).reports] == kept


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"kinds": ["bad-page"]}, "bad_page_map"),
        ({"since": "yesterday"}, "seconds since boot"),
        ({"since": "NaN"}, "seconds since boot"),
        ({"since": "9" * 10_000}, "seconds since boot"),
        ({"pfns": ["fb16x5"]}, "hex number"),
        ({"pfns": ["2-1"]}, "ends before it begins"),
        ({"pfns": ["f" * 10_000]}, "hex number"),
    ],
)
def test_what_is_not_understood_is_said(words: dict, said: str) -> None:
    with pytest.raises(FilterError, match=said):
        make_filter(**words)
