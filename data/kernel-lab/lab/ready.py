"""From a kernel's name to something that boots: fetched, its tools unpacked, its base archive made."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import initramfs, kernels
from .errors import LabError
from .paths import cache
from .say import run, say
from .tree import Tree, cached_tree, make_tree


@dataclass(frozen=True, slots=True)
class Ready:
    """A kernel that can be booted."""

    name: str
    release: str
    image: Path
    config: Path
    base: Path
    headers: Path
    """The unpacked packages or the build's folder, seen as /kernel while modules are built."""
    headers_inside: str
    """Where in it the kernel's build files are."""
    stock: kernels.Stock
    tree: Tree


def install_emulator() -> None:
    """Install QEMU with apt when it is missing and this is root; else say what to install."""
    if shutil.which("qemu-system-x86_64"):
        return
    if os.geteuid() != 0:
        raise LabError("install the emulator first: sudo apt-get install --no-install-recommends qemu-system-x86")
    say("installing qemu-system-x86")
    log = cache() / "log" / "install.log"
    run(["apt-get", "-q", "update"], log=log, limit=600, what="apt-get update")
    install = ["apt-get", "-q", "--yes", "--no-install-recommends", "install", "qemu-system-x86"]
    run(install, log=log, limit=1200, what="installing qemu-system-x86")


def prepare(name: str, *, offline: bool = False) -> Ready:
    """Make a kernel ready: the newest that its suites have, or with `offline` the one fetched before."""
    kernel = kernels.find(name)
    if offline:
        stock = kernels.cached(name)
        tree = None if stock is None else cached_tree(stock.compiler)
        if stock is None or tree is None:
            raise LabError(f"kernel {name} is not in the cache; run `make captures KERNELS={name}` once with a network")
    else:
        view = kernels.view_of(kernel)
        view.update()
        stock = kernels.fetch(kernel, view)
        tree = make_tree(view, stock.compiler)
    if kernel.built:
        from .custom import build_kernel

        return build_kernel(kernel, stock, tree, offline=offline)
    base = initramfs.base(stock.release, stock.root, tree)
    inside = f"/usr/src/linux-headers-{stock.release}"
    return Ready(name, stock.release, stock.image, stock.config, base, stock.root, inside, stock, tree)


def is_cached(name: str) -> bool:
    """Return whether a kernel can be booted without a network."""
    stock = kernels.cached(name)
    return stock is not None and cached_tree(stock.compiler) is not None
