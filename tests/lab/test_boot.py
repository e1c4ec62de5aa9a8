"""An emulated machine with a real kernel: the hook, the modules, the smallest form of the reported mechanism."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytestmark = [pytest.mark.lab]

HOOK = """
uname -r
cat /lab/words
mkdir -p deep/folder
cat /proc/buddyinfo >deep/folder/buddyinfo.txt
echo noise >&2
exit 3
"""

STORM = """
modprobe kvm_amd
echo n >/sys/kernel/mm/lru_gen/enabled
insmod /lab/klab.ko watch=1 stale_mode=1 || exit 1
for access in w rw; do
    KL_LEFT=100 KL_HOLD=1 KL_CPU=1 kl storm 1 40 $access fresh >$access.jsonl || exit 2
    cat /sys/kernel/debug/klab/log >$access.log.jsonl
done
dmesg >dmesg.txt
"""


def events(folder: Path, access: str, name: str) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in (folder / f"{access}.log.jsonl").read_text().splitlines()]
    return [row for row in rows if row["event"] == name]


def test_a_script_runs_in_the_machine_and_its_files_come_back(kernel: str, tmp_path: Path) -> None:
    from lab.hook import boot_script
    from lab.machine import Shape

    got = boot_script(
        HOOK, out=tmp_path / "run", kernel=kernel, files={"words": b"some words\n"}, shape=Shape(limit=120)
    )
    assert got.outcome.end == "poweroff"
    assert got.status == 3
    assert got.stdout.splitlines() == [got.release, "some words"]
    assert got.stderr == "noise\n"
    assert (got.folder / "deep/folder/buddyinfo.txt").read_text().startswith("Node 0, zone")


def test_the_storm_needs_a_guest_that_reads_before_it_writes(kernel: str, tmp_path: Path) -> None:
    from lab.hook import boot_script
    from lab.machine import Shape

    shape = Shape(limit=240, append="softlockup_panic=1")
    got = boot_script(STORM, out=tmp_path / "run", kernel=kernel, shape=shape, modules=True)
    assert got.status == 0, got.stderr
    assert events(got.folder, "w", "stale_put") == events(got.folder, "w", "bad_page") == []
    puts = [row["pfn"] for row in events(got.folder, "rw", "stale_put")]
    pages = [row["pfn"] for row in events(got.folder, "rw", "bad_page")]
    assert len(puts) == 40
    # the page that fills the batch of 31 is not among the 30 that its drain frees
    assert len(pages) >= 30
    assert set(pages) <= set(puts)
    printed = re.findall(r"BUG: Bad page state in process .*  pfn:(\w+)", (got.folder / "dmesg.txt").read_text())
    assert [int(pfn, 16) for pfn in printed[:30]] == [int(str(pfn), 16) for pfn in pages[:30]]
