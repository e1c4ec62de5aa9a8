"""The capture script on a real kernel in an emulated machine: it records the work and leaves nothing switched on."""

from __future__ import annotations

import os
import shutil
import sys
from importlib import import_module
from pathlib import Path

import pytest

from kvmlab.capture.host_script import ScriptSettings, host_script
from kvmlab.capture.shelf import open_captures
from kvmlab.inquiry.captures_faults import guest_faults
from kvmlab.inquiry.captures_free import fragmentation, free_runs
from kvmlab.inquiry.captures_ttm import ttm_blocks

pytestmark = [pytest.mark.lab]

# The work begins when the script's own instance is on, so that none of it is missed.
MACHINE = """
modprobe kvm_amd; modprobe ttm; modprobe drm
insmod /lab/klab.ko; insmod /lab/klttm.ko
cat /sys/kernel/debug/ttm/page_pool >pool_before.txt
cat /sys/kernel/tracing/tracing_on /sys/kernel/tracing/set_event >tracing_before.txt
(
    waited=0
    while ! grep -q 1 /sys/kernel/tracing/instances/*/tracing_on 2>/dev/null && [ $waited -lt 100 ]; do
        sleep 0.1
        waited=$((waited + 1))
    done
    kl ttm 100 1 >ttm_n100_wc.txt 2>&1
    timeout 60 kl kvm >matrix.jsonl 2>&1
) &
sh /lab/capture.sh /cap >tar_name.txt 2>capture.err
echo $? >capture_status.txt
wait
ls /sys/kernel/tracing/instances >instances.txt
cat /sys/kernel/tracing/tracing_on /sys/kernel/tracing/set_event >tracing_after.txt
"""


@pytest.fixture(scope="module")
def recorded(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.environ.get("KVMLAB_LAB") != "1":
        pytest.skip("boots an emulated machine: set KVMLAB_LAB=1 to run it")
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    sys.path.insert(0, str(root / "data" / "kernel-lab"))
    hook, machine, ready = (import_module(f"lab.{name}") for name in ("hook", "machine", "ready"))
    kernel = os.environ.get("KVMLAB_LAB_KERNEL", "6.12")
    if not ready.is_cached(kernel):
        pytest.skip(f"kernel {kernel} is not in the lab's cache: make -C data/kernel-lab prepare KERNELS={kernel}")
    script = host_script(ScriptSettings(seconds=20, buffer_kb=16384))
    files = {"capture.sh": script.encode()}
    out = tmp_path_factory.mktemp("machine") / "run"
    shape = machine.Shape(limit=240)
    got = hook.boot_script(MACHINE, out=out, kernel=kernel, files=files, shape=shape, modules=True)
    assert got.outcome.end == "poweroff", got.outcome
    folder: Path = got.folder
    return folder


def test_it_ends_well_and_leaves_the_machine_as_it_was(recorded: Path) -> None:
    assert (recorded / "capture_status.txt").read_text() == "0\n", (recorded / "capture.err").read_text()
    assert (recorded / "instances.txt").read_text() == ""
    before = (recorded / "tracing_before.txt").read_text()
    assert (recorded / "tracing_after.txt").read_text() == before


def test_its_tar_holds_what_the_machine_did(recorded: Path) -> None:
    (bundle,) = recorded.glob("kvmlab-capture-*.tar.gz")
    assert Path((recorded / "tar_name.txt").read_text().strip()).name == bundle.name
    captures = open_captures(bundle)
    assert captures.manifest["status"] == "ok"
    assert captures.release is not None
    kinds = captures.kinds()
    assert {"trace", "buddyinfo", "pagetypeinfo", "zoneinfo", "iomem", "kpageflags", "page_pool"} <= set(kinds)
    listed = open_captures(recorded).read("ttm_n100_wc.txt").value.buffers[0]
    traced = ttm_blocks(captures)
    wanted = [block.pfn for block in listed.blocks if block.order]
    assert [p for p in traced["pfn"].tolist() if p in wanted] == wanted
    matrix = open_captures(recorded).read("matrix.jsonl").df()
    faults = guest_faults(captures)
    assert (faults["outcome"] == "efault").sum() == (matrix["outcome"] == "efault").sum()
    assert len(free_runs(captures)) > 0
    assert len(fragmentation(captures)) >= 11
    for paths in kinds.values():
        for path in paths:
            assert not captures.read(path).malformed, path


def test_the_pool_was_read_and_not_shrunk(recorded: Path) -> None:
    (bundle,) = recorded.glob("kvmlab-capture-*.tar.gz")
    captures = open_captures(bundle)
    before, after = (captures.read(f"{when}/ttm_page_pool.txt").value for when in ("before", "after"))
    # `kl ttm 100 1` gave its 100 write-combined pages to the pool, and nobody took one out.
    assert after.pages == before.pages + 100
