"""Real logs and captures that lie beside the checkout: what is read of them, and that nothing is lost."""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path

import pytest

from kvmlab.text.reader import read_text
from kvmlab.text.record import Role
from kvmlab.text.text import Text

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
CORPUS = SHARED / "corpora" / "bad_page"
CAPTURES = SHARED / "captures"

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpora lie beside the checkout, not in it")


def index() -> list[dict[str, str]]:
    if not CORPUS.is_dir():
        return []
    with (CORPUS / "index.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@cache
def read(path: Path) -> Text:
    return read_text(str(path))


ROWS = index()
CONSOLES = [
    p
    for p in sorted(CAPTURES.rglob("*"))
    if re.match(r"serial\.txt|dmesg_|.*\.dmesg\.txt", p.name) and p.stat().st_size
]


@pytest.mark.parametrize("row", ROWS, ids=[row["file"][:24] for row in ROWS])
def test_a_real_log(row):
    text = read(CORPUS / row["file"])
    data = text.source.data
    assert b"".join(data[r.span.start : r.span.stop] for r in text.records) == data
    logs = list(text.logs())
    # Every header that the index counts is one record, whole: a comm and a pfn on one line.
    heads = [r.text for r in logs if re.match(r"\s*BUG: Bad page state in process ", r.text)]
    pfns = [m[1] for head in heads if (m := re.search(r"pfn:([0-9a-f]+)", head))]
    if int(row["n_headers"]) and "Bad page state at" not in "".join(r.text for r in logs):
        assert len(heads) == int(row["n_headers"])
        assert sorted(set(pfns)) == sorted(set(row["pfns"].split()))
    dumps = [r.text for r in logs if re.match(r"\s*page:", r.text)]
    assert not [d for d in dumps if not re.search(r"index:\s*\S", d)], "a page line is broken"
    raws = [r.text.split() for r in logs if re.match(r"\s*raw: ", r.text)]
    assert {len(word) for raw in raws for word in raw[1:]} <= {8, 16}, "a word is broken"
    cpus = [r.text for r in logs if re.match(r"\s*(?:CPU: \d+ (?:UID|PID)|Pid: \d+, comm)", r.text)]
    for release in row["kernel_releases"].split():
        assert any(release in cpu for cpu in cpus), release


def test_most_lines_are_recognised():
    shares = {}
    for row in ROWS:
        text = read(CORPUS / row["file"])
        kinds = [r.role for r in text.records if r.role is not Role.BLANK]
        shares[row["file"]] = kinds.count(Role.LOG) / len(kinds)
    # The journal has cron between, the decoded log disassembly, the commented mail comments.
    low = {name for name, share in shares.items() if share < 0.9}
    assert {name[:3] for name in low} <= {"005", "007", "022", "037", "058"}
    assert sum(shares.values()) / len(shares) > 0.96


@pytest.mark.parametrize("path", CONSOLES, ids=[f"{p.parent.name} {p.name}" for p in CONSOLES])
def test_a_capture(path):
    text = read_text(str(path))
    data = text.source.data
    assert b"".join(data[r.span.start : r.span.stop] for r in text.records) == data
    others = [r.text for r in text.records if r.role not in (Role.LOG, Role.BLANK)]
    # On the serial line the lab's own words stand between; a dmesg holds nothing else.
    assert all(re.match(r"\s*lab:|klab|Run|\S+: |crw-", other) for other in others)
    assert len(others) <= (0.05 * len(text.records) if path.name.startswith("serial") else 0)
    assert text.wraps == ()
