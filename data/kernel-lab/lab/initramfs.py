"""The emulated machine's file system: a base archive a kernel, and a small one a run that is laid over it."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .paths import HERE, cache, fresh
from .tree import Tree, digest

MODULES = ("virtio_pci", "virtio_blk", "kvm-amd", "ttm", "drm")
"""The stock modules that go in, with those they need."""

_COLLECT = r"""
set -eu
release=$1
shift
into=/out/root
mkdir -p $into/bin $into/sbin $into/lab $into/cap $into/proc $into/sys $into/dev $into/tmp $into/lib/modules/$release
cp /usr/bin/busybox $into/bin/busybox 2>/dev/null || cp /bin/busybox $into/bin/busybox
ln -s busybox $into/bin/sh
for module in "$@"; do
    modprobe -d /kernel -S "$release" --show-depends "$module" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | sort -u | while read -r file; do
    to=$into/lib/modules/$release/${file#*/lib/modules/"$release"/}
    mkdir -p "$(dirname "$to")"
    case $file in
    *.xz) xz -dc "$file" >"${to%.xz}" ;;
    *.zst) zstd -dqc "$file" >"${to%.zst}" ;;
    *) cp "$file" "$to" ;;
    esac
done
for file in modules.builtin modules.order; do
    cp "/kernel/lib/modules/$release/$file" "$into/lib/modules/$release/" 2>/dev/null || :
done
depmod -b $into "$release"
cd $into
find . | LC_ALL=C sort | cpio -o -H newc --quiet --reproducible | gzip -1n >/out/base.gz
"""


def base(release: str, kernel_root: Path, tree: Tree) -> Path:
    """Return the archive with busybox and the stock modules of a release, making it the first time."""
    out = cache() / "initramfs" / f"{release}-{digest(_COLLECT, *MODULES)}.gz"
    if out.exists():
        return out
    log = cache() / "log" / f"initramfs-{release}.log"
    depmod = ["depmod", "-b", "/kernel", release]
    tree.run(depmod, binds={kernel_root: "/kernel"}, log=log, limit=120, what=f"depmod for {release}")
    with tempfile.TemporaryDirectory(dir=fresh(cache() / "work" / "any").parent) as scratch:
        tree.run(
            ["sh", "-c", _COLLECT, "sh", release, *MODULES],
            binds={kernel_root: "/kernel", Path(scratch): "/out"},
            log=log,
            limit=120,
            what=f"collecting modules of {release}",
        )
        shutil.move(Path(scratch) / "base.gz", fresh(out))
    return out


def _entry(name: str, data: bytes, mode: int, number: int) -> bytes:
    """One member of a cpio archive in the `newc` format: 13 numbers of 8 hex digits, the name, the data."""
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % value for value in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def overlay(files: Mapping[str, bytes]) -> bytes:
    """Return a packed archive with the given files; those whose data begin with `#!` or ELF become executable."""
    folders = sorted({str(parent) for name in files for parent in Path(name).parents if str(parent) != "."})
    members = [_entry(folder, b"", 0o040755, number) for number, folder in enumerate(folders, 1)]
    for number, (name, data) in enumerate(sorted(files.items()), len(members) + 1):
        mode = 0o100755 if data[:2] == b"#!" or data[:4] == b"\x7fELF" else 0o100644
        members.append(_entry(name, data, mode, number))
    return gzip.compress(b"".join(members) + _entry("TRAILER!!!", b"", 0, 0), 1, mtime=0)


def recipe_files() -> dict[str, bytes]:
    """Return the in-machine scripts of this recipe under the names that they have in the machine."""
    files = {"init": (HERE / "machine" / "init").read_bytes()}
    files["lab/library.sh"] = (HERE / "machine" / "library.sh").read_bytes()
    for section in sorted((HERE / "machine" / "sections").glob("*.sh")):
        files[f"lab/sections/{section.name}"] = section.read_bytes()
    return files
