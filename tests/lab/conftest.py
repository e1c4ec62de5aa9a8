"""The kernel lab's package on the path, and the condition under which a machine is booted."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[2] / "data" / "kernel-lab"
if str(LAB) not in sys.path:
    sys.path.insert(0, str(LAB))


@pytest.fixture(scope="session")
def lab_folder() -> Path:
    """`data/kernel-lab/`."""
    return LAB


@pytest.fixture(scope="session")
def kernel() -> str:
    """A kernel that may be booted here; skips unless asked for by KVMLAB_LAB=1 and in the cache."""
    from lab.ready import is_cached

    if os.environ.get("KVMLAB_LAB") != "1":
        pytest.skip("boots an emulated machine: set KVMLAB_LAB=1 to run it")
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    name = os.environ.get("KVMLAB_LAB_KERNEL", "6.12")
    if not is_cached(name):
        pytest.skip(f"kernel {name} is not in the lab's cache: make -C data/kernel-lab prepare KERNELS={name}")
    return name
