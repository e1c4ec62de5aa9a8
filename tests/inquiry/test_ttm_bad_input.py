"""Captures that cannot be: what the pool command says to files that are damaged, made up or from elsewhere."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from kvmlab.inquiry.ttm_capture import state_of_capture
from kvmlab.memory import buddy_counted, buddy_setup
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.buddy_check import violations
from kvmlab.memory.buddy_text import buddyinfo
from kvmlab.memory.zone import ZoneError

SHELF = Path(__file__).resolve().parents[2] / "data" / "captures" / "6.12.117+deb12-amd64"
FILES = ("buddyinfo.txt", "pagetypeinfo.txt", "zoneinfo.txt", "iomem.txt")


def line(*counts: int, node: int = 0, zone: str = "Normal") -> str:
    return f"Node {node}, zone {zone:>8} " + "".join(f"{n:6d} " for n in counts) + "\n"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The files of a real machine, to be damaged."""
    base = next(path.parent for path in SHELF.glob("machine/**/kpageflags.bin.gz"))
    for name in FILES:
        (tmp_path / name).write_bytes((base / name).read_bytes())
    (tmp_path / "kpageflags.bin").write_bytes(gzip.decompress((base / "kpageflags.bin.gz").read_bytes()))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (line(5, 5, 5, 0, 0, 0, 0, 0, 0, 0, 9, 7, 7), "13 orders; the model has 11"),
        (line(5, 5, 5), "3 orders"),
        (line(*[5] * 11) * 2, "two zones Normal"),
        (line(10**17, *[0] * 10), "not a range of memory|free blocks"),
        (line(300_000_000, *[0] * 10), "positions of at most"),
        (line(*[5] * 11, node=60_000), "no such number"),
    ],
)
def test_counts_that_cannot_be(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "buddyinfo.txt").write_text(text)
    with pytest.raises(ZoneError, match=said) as caught:
        state_of_capture(tmp_path, release="6.12", engine="python")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_ranges_of_memory_that_overlap(machine: Path) -> None:
    (machine / "iomem.txt").write_text("00001000-0009ffff : System RAM\n00050000-3fffffff : System RAM\n")
    with pytest.raises(ZoneError, match="two ranges of memory overlap"):
        state_of_capture(machine, release="6.12", engine="python")


def test_memory_of_one_machine_and_free_pages_of_another(machine: Path) -> None:
    (machine / "iomem.txt").write_text("00001000-0009ffff : System RAM\n00100000-007fffff : System RAM\n")
    with pytest.raises(ZoneError, match=r"free blocks (outside of its zones|where its zones have no memory)"):
        state_of_capture(machine, release="6.12", engine="python")


@pytest.mark.parametrize("kept", [0, 1, 8 * 1543 + 1, 8 * 100_000])
def test_flags_that_are_cut_off(machine: Path, kept: int) -> None:
    path = machine / "kpageflags.bin"
    path.write_bytes(path.read_bytes()[:kept])
    state = state_of_capture(machine, release="6.12", engine="python")
    assert violations(state.buddy) == []
    if kept < 8:
        # Nothing is left of the flags: the counts hold.
        assert buddyinfo(state.buddy) == (machine / "buddyinfo.txt").read_text() or state.assumed
    else:
        assert any(s.startswith(f"kpageflags is cut off at pfn {kept // 8:#x}") for s in state.assumed)


def test_many_blocks_of_a_large_machine_are_placed_in_few_tries(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tries = 0
    place = buddy_counted.place_blocks

    def counted(*args: object) -> object:
        nonlocal tries
        tries += 1
        return place(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(buddy_counted, "place_blocks", counted)
    (tmp_path / "buddyinfo.txt").write_text(line(200_000, 50_000, *[0] * 9))
    state = state_of_capture(tmp_path, release="6.12", engine="python")
    assert state.buddy.nr_free()[:2] == (200_000, 50_000)
    assert tries < 30


def test_a_machine_too_large_for_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buddy_setup, "MOST_MEMORY", 1e-9)
    with pytest.raises(ZoneError, match="to simulate, too much"):
        Buddy.fresh("64MiB", engine="python")


def test_which_of_many_folders_was_taken_is_said() -> None:
    state = state_of_capture(SHELF / "fragmented", engine="python")
    assert any(s.startswith("Of 18 folders with free lists, frag/") for s in state.assumed)


@pytest.mark.parametrize("orders", [4, 12])
def test_a_pagetypeinfo_of_other_orders_than_buddyinfo_is_refused(tmp_path: Path, orders: int) -> None:
    (tmp_path / "buddyinfo.txt").write_text("Node 0, zone   Normal  1 0 0 0 0 0 0 0 0 0 9\n")
    head = "Free pages count per migrate type at order " + " ".join(map(str, range(orders)))
    row = "Node    0, zone   Normal, type    Unmovable " + " ".join(["1"] * orders)
    (tmp_path / "pagetypeinfo.txt").write_text(f"Page block order: 9\nPages per block:  512\n\n{head}\n{row}\n")
    with pytest.raises(ZoneError, match=f"{orders} orders"):
        state_of_capture(tmp_path, release="6.1", engine="python")


@pytest.mark.parametrize("name", ["batch", "high", "min"])
def test_numbers_that_no_machine_has_are_refused(machine: Path, name: str) -> None:
    text = (machine / "zoneinfo.txt").read_text()
    head, found, tail = text.partition(f" {name}")
    assert found
    digits = re.search(r"\d+", tail)
    assert digits is not None
    (machine / "zoneinfo.txt").write_text(f"{head}{found}{tail[: digits.start()]}{2**64 - 1}{tail[digits.end() :]}")
    with pytest.raises(ZoneError, match="no number of pages"):
        state_of_capture(machine, release="6.12", engine="python")
