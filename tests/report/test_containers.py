"""The same reports come out of everything that a kernel's messages come in, read in the slow way and in the fast."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from kvmlab.report.log import Log, read_log
from tests.report.containers import STYLES, Message, dmesg
from tests.report.damage import LOGS, facts_of
from tests.report.test_scan_equal import check

NAMES = ("5.11-arm64-owner", "7.3-lab-bad-page")


@cache
def messages(name: str) -> tuple[Message, ...]:
    """The messages of a log that lies here, printed anew."""
    found = read_log(LOGS / f"{name}.log").text.logs()
    return tuple(
        Message(1 if "page" in record.text else 4, 1000.141632 + n * 13e-6, "T1234", record.text)
        for n, record in enumerate(found)
    )


def said(log: Log) -> tuple[Counter[str], list[object]]:
    """What the reports say, whatever blanks between words were lost."""
    values = Counter(" ".join(str(fact.value).split()) for fact in facts_of(log))
    return values, [(report.kind, report.pfn, report.complete) for report in log.reports]


@cache
def expected(name: str) -> tuple[Counter[str], list[object]]:
    """What the plain form says."""
    return said(read_log(dmesg(list(messages(name))).encode()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("style", STYLES)
def test_a_container_changes_nothing(style: str, name: str) -> None:
    text = STYLES[style](list(messages(name)))
    data = text.encode() if isinstance(text, str) else text
    values, reports = said(read_log(data))
    wanted, known = expected(name)
    assert not wanted - values, "lost"
    assert not values - wanted, "made up"
    assert reports == known


@pytest.mark.parametrize("style", STYLES)
def test_the_fast_way_reads_each_container_alike(style: str) -> None:
    text = STYLES[style](list(messages(NAMES[0])))
    check(text.encode() if isinstance(text, str) else text, "python", 4096)


@pytest.mark.parametrize("engine", ["python", "numba"])
@pytest.mark.parametrize("path", sorted(LOGS.glob("*.log")), ids=lambda path: path.stem)
def test_the_fast_way_reads_each_golden_log_alike(path: Path, engine: str) -> None:
    check(str(path), engine)
    check(str(path), engine, 1500)
