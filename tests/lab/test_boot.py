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
KL_LEFT=$(cat /lab/left) KL_HOLD=1 KL_CPU=1 kl storm 1 40 "$(cat /lab/access)" fresh >storm.jsonl 2>&1
cat /sys/kernel/debug/klab/log >log.jsonl
dmesg >dmesg.txt
"""


def events(folder: Path, name: str) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
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


@pytest.mark.parametrize(("access", "left", "stale", "bad"), [("rw", "100", 40, True), ("w", "100", 0, False)])
def test_the_storm_needs_a_guest_that_reads_before_it_writes(
    kernel: str, tmp_path: Path, access: str, left: str, stale: int, bad: bool
) -> None:
    from lab.hook import boot_script
    from lab.machine import Shape

    files = {"access": access.encode(), "left": left.encode()}
    shape = Shape(limit=180, append="softlockup_panic=1")
    got = boot_script(STORM, out=tmp_path / "run", kernel=kernel, files=files, shape=shape, modules=True)
    assert got.status == 0, got.stderr
    assert len(events(got.folder, "stale_put")) == stale
    pages = [row["pfn"] for row in events(got.folder, "bad_page")]
    # the page that fills the batch of 31 is not among the 30 that its drain frees
    assert (len(pages) >= 30) is bad
    printed = re.findall(r"BUG: Bad page state in process \S+  pfn:(\w+)", (got.folder / "dmesg.txt").read_text())
    assert [int(pfn, 16) for pfn in printed[:30]] == [int(str(pfn), 16) for pfn in pages[:30]]
