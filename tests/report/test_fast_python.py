"""The parts of the engine without a compiler: words and hints found all at once, reports cut out whole."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.report.fast_cut import TITLE, Cutter
from kvmlab.report.fast_hints import digits_zeroed_at, hints, places, rare, seldom
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_meaning import DIGITS
from kvmlab.report.fast_steps import Attempt
from kvmlab.report.fast_words import WordFinder
from tests.report.generator import log

_HINTS = re.compile(
    rb"\+0x|(?<=\[)<|\x7f|(?:(?<=\.[A-Za-z])|(?<=\.[A-Za-z]{2})|(?<=\.[A-Za-z]{3})|(?<=\.[A-Za-z]{4})):[0-9]"
)
WORDS = (b"page allocation failure", b"invoked oom-killer:", TITLE)


@given(st.lists(st.sampled_from([*WORDS, *(word[:-1] for word in WORDS), b"x", b"page all", b"\0" * 8, b" "])))
def test_words_are_found_wherever_they_stand(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    wanted = sorted((found.start(), word) for word in WORDS for found in re.finditer(re.escape(word), text))
    assert WordFinder(WORDS).find(text) == wanted


@given(
    st.lists(st.sampled_from([b"+0x", b"[<", b"<", b".c:1", b".cpp:22", b".c:", b":1", b"a.longer:1", b"\x7f", b"xyz"]))
)
def test_hints_miss_nothing(pieces: list[bytes]) -> None:
    text = b"[0.1] " + b"".join(pieces) + b" end of line"
    found = set(hints(text, np.frombuffer(text, np.uint8)).tolist())
    assert {match.start() for match in _HINTS.finditer(text)} <= found


def test_rare_bytes_and_common_ones() -> None:
    for text in (b"." * 5_000 + b"#" + b"." * 5_000, b"#." * 5_000):
        data = np.frombuffer(text, np.uint8)
        wanted = [i for i, byte in enumerate(text) if byte == 35]
        assert rare(text, data, 35).tolist() == wanted
        assert places(text, data, b"#.").tolist() == wanted


@given(st.lists(st.booleans(), max_size=70), st.integers(1, 12))
def test_places_that_are_seldom(flags: list[bool], apart: int) -> None:
    shown = np.repeat(np.array(flags, bool), apart) & (np.arange(len(flags) * apart) % apart == 0)
    assert seldom(shown).tolist() == np.flatnonzero(shown).tolist()


@given(st.binary(min_size=30, max_size=40), st.integers(1, 20))
def test_shapes_of_prefixes(text: bytes, length: int) -> None:
    text = text.translate(bytes.maketrans(bytes(range(0x80, 0xA0)), b"0123456789:/" * 2 + b"[] .,-;+"))
    padded = np.frombuffer(text + bytes(8), np.uint8)
    shape = text[:length].translate(DIGITS)
    starts = np.arange(len(text) - length)
    wanted = [text[i : i + length].translate(DIGITS) == shape for i in range(len(starts))]
    assert digits_zeroed_at(padded, starts, shape).tolist() == wanted


def test_a_report_is_cut_only_if_all_its_lines_are_alike() -> None:
    text = "\n".join([*log(3, "caller", 0.9, 20_000), ""]).encode()
    titles = [found.start() for found in re.finditer(TITLE, text)]

    def cuts(data: bytes) -> int:
        lexicon = Lexicon()
        return len(Cutter(lexicon, Attempt(lexicon)).cut(data, titles, len(data), []))

    whole = cuts(text)
    assert whole > 1
    at = text.index(b"\n", titles[1]) + 1
    prefix = text[at : text.index(b"page:", at)]
    for place in range(len(prefix)):
        # Another digit in the fraction is another time; anywhere else, it is another second, caller or style.
        byte = prefix[place : place + 1]
        other = b"7" if byte != b"7" else b"8"
        damaged = text[: at + place] + other + text[at + place + 1 :]
        dot = prefix.index(b".")
        assert cuts(damaged) == (whole if dot < place <= dot + 6 else whole - 1), (prefix, place)
