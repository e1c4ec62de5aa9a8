"""A Debian root unpacked from packages: the compiler and tools of a kernel's own suite, run in a private namespace.

No maintainer script runs and nothing is installed on this machine: the packages are only unpacked. Works as root, and
as any user where user namespaces are allowed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .apt import Package, View
from .errors import LabError
from .paths import cache
from .say import run, say

TOOLS = (
    *("base-files", "libc-bin", "dash", "bash", "coreutils", "sed", "grep", "mawk", "findutils", "diffutils", "tar"),
    *("gzip", "xz-utils", "zstd", "perl-base", "make", "libc6-dev", "busybox-static", "kmod", "cpio", "libelf-dev"),
)
"""What every tree holds beside a compiler."""

SOURCE_TOOLS = ("flex", "bison", "bc", "libssl-dev", "perl")
"""What building a whole kernel needs in addition."""

_ENTER = r"""
set -eu
root=$1; shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
    mkdir -p "$root/$2"
    mount --bind "$1" "$root/$2"
    shift 2
done
shift
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C "$@"
"""


@dataclass(frozen=True, slots=True)
class Tree:
    """An unpacked Debian root at `root` made from `packages`."""

    root: Path
    packages: tuple[Package, ...]

    def run(
        self, command: Sequence[str], *, binds: Mapping[Path, str], log: Path, limit: float, what: str, level: int = 10
    ) -> None:
        """Run a command inside the tree with host folders bound at the given places; `level` is its niceness."""
        pairs = [str(part) for host, inside in binds.items() for part in (host, inside.lstrip("/"))]
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        run(
            [
                *("nice", "-n", str(level), "unshare", *user, "--mount", "--pid", "--fork", "--kill-child"),
                *("sh", "-c", _ENTER, "sh", str(self.root), *pairs, "--", *command),
            ],
            log=log,
            limit=limit,
            what=what,
        )


def unpack(package: Package, root: Path) -> None:
    """Unpack a package's files into a folder, following links that stand for folders there."""
    reader = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package.path], stdout=subprocess.PIPE)
    done = subprocess.run(
        ["tar", "-x", "--no-same-owner", "--keep-directory-symlink", "-C", root], stdin=reader.stdout, check=False
    )
    if reader.stdout:
        reader.stdout.close()
    if reader.wait() or done.returncode:
        raise LabError(f"unpacking {package.file} failed")


def _root(compiler: str, source: bool) -> Path:
    return cache() / "trees" / f"{compiler}{'-source' if source else ''}"


def cached_tree(compiler: str, *, source: bool = False) -> Tree | None:
    """Return the tree that was unpacked before, without asking the mirror; None if there is none."""
    stamp = _root(compiler, source) / ".packages"
    if not stamp.exists():
        return None
    rows = json.loads(stamp.read_text())
    return Tree(stamp.parent, tuple(Package(p["name"], p["version"], Path(p["path"]), p["sha256"]) for p in rows))


def make_tree(view: View, compiler: str, extra: Sequence[str] = ()) -> Tree:
    """Return the tree for a compiler (`gcc-12`), unpacking it when its packages changed since the last time."""
    packages = view.download_with_dependencies([*TOOLS, compiler, *extra])
    wanted = json.dumps(sorted((asdict(p) for p in packages), key=lambda p: p["name"]), default=str, indent=1)
    root = _root(compiler, bool(extra))
    stamp = root / ".packages"
    if stamp.exists() and stamp.read_text() == wanted:
        return Tree(root, tuple(packages))
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    say(f"unpacking {len(packages)} packages with {compiler}")
    for package in packages:
        unpack(package, root)
    for name in ("proc", "sys", "dev", "tmp", "lab"):
        (root / name).mkdir(exist_ok=True)
    for link, target in (("gcc", compiler), ("cc", compiler), ("awk", "mawk"), ("sh", "dash")):
        if not (root / "usr/bin" / link).exists():
            (root / "usr/bin" / link).symlink_to(target)
    stamp.write_text(wanted)
    return Tree(root, tuple(packages))


def digest(*parts: str | bytes | Path) -> str:
    """Return a short hash over texts and the contents of files: the name under which something built is kept."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()[:16]
