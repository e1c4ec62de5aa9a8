"""Kernels built here from Debian's source packages: PAGE_OWNER, DEBUG_PAGE_REF, DEBUG_VM (minutes of CPU each)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from . import initramfs
from .apt import Package
from .errors import LabError
from .kernels import Kernel, Stock, view_of
from .paths import HERE, cache, fresh
from .say import say
from .tree import SOURCE_TOOLS, Tree, cached_tree, digest, make_tree

if TYPE_CHECKING:
    from .ready import Ready

_BUILD = r"""
set -eu
archive=$1 compiler=$2 jobs=$3
cd /build
if [ ! -e source/.unpacked ]; then
    rm -rf source
    mkdir source
    tar -x -C source --strip-components=1 -f "/package/usr/src/$archive"
    touch source/.unpacked
fi
cd source
export KBUILD_BUILD_TIMESTAMP=1970-01-01 KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab
set -- make -j"$jobs" CC="$compiler" HOSTCC="$compiler"
if [ ! -e .config ] || ! cmp -s /config/kernel.config .lab-fragment; then
    "$@" tinyconfig
    sh scripts/kconfig/merge_config.sh -m .config /config/kernel.config
    "$@" olddefconfig
    cp /config/kernel.config .lab-fragment
fi
"$@" bzImage modules
release=$(cat include/config/kernel.release)
rm -rf /build/root
mkdir -p /build/root/boot
"$@" INSTALL_MOD_PATH=/build/root INSTALL_MOD_STRIP=1 DEPMOD=true modules_install
cp arch/x86/boot/bzImage "/build/root/boot/vmlinuz-$release"
cp .config "/build/root/boot/config-$release"
echo "$release" >/build/release
"""


def _source(kernel: Kernel, offline: bool) -> Package:
    if offline:
        raise LabError(f"{kernel.name} was not built yet; run `make -C data/kernel-lab custom` once with a network")
    return view_of(kernel).download([kernel.source], cache() / "debs")[0]


def _compile(kernel: Kernel, package: Package, tree: Tree, compiler: str, folder: Path) -> None:
    unpacked = fresh(folder / "package" / "any").parent
    if not any(unpacked.rglob("*.tar.xz")):
        from .tree import unpack

        unpack(package, unpacked)
    archive = next(unpacked.rglob("linux-source-*.tar.xz")).name
    jobs = str(max(1, (os.cpu_count() or 1)))
    say(f"{kernel.name}: building from {package.file}; this takes some ten minutes of CPU (log: {folder}/build.log)")
    tree.run(
        ["sh", "-c", _BUILD, "sh", archive, compiler, jobs],
        binds={folder: "/build", unpacked: "/package", HERE / "custom": "/config"},
        log=folder / "build.log",
        limit=4 * 3600,
        what=f"building {kernel.name}",
        level=15,
    )
    shutil.rmtree(unpacked)


def build_kernel(kernel: Kernel, stock: Stock, tree: Tree, *, offline: bool) -> Ready:
    """Return the kernel built with the lab's configuration from the newest source package, building it when needed."""
    from .ready import Ready

    compiler = stock.compiler
    folder = fresh(cache() / "custom" / kernel.name / "any").parent
    release = folder / "release"
    record = folder / "built"
    version = stock.packages[0].version
    wanted = digest(_BUILD, HERE / "custom" / "kernel.config", version)
    if not release.exists() or not record.exists() or record.read_text().split()[0] != wanted:
        package = _source(kernel, offline)
        source_tree = cached_tree(compiler, source=True) or make_tree(view_of(kernel), compiler, SOURCE_TOOLS)
        _compile(kernel, package, source_tree, compiler, folder)
        record.write_text(f"{wanted} {package.name} {package.version} {package.path} {package.sha256}\n")
    _, name, source_version, path, sha256 = record.read_text().split()
    named, root = release.read_text().strip(), folder / "root"
    source = Package(name, source_version, Path(path), sha256)
    built = Stock(kernel.name, named, compiler, root, (source,))
    base = initramfs.base(named, root, tree)
    return Ready(kernel.name, named, built.image, built.config, base, folder, "/kernel/source", built, tree)
