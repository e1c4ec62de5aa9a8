"""The lab's own programs: the kernel modules for a release and the static program that drives them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from .paths import HERE, cache, fresh
from .say import say
from .tree import Tree, digest

if TYPE_CHECKING:
    from .ready import Ready

_MODULES = r"""
set -eu
release=$1
for folder in /kernel/usr/src/* /kernel/lib/modules/"$release"; do
    [ -e "$folder" ] || continue
    to=${folder#/kernel}
    mkdir -p "$(dirname "$to")"
    ln -sfn "$folder" "$to"
done
ln -sfn /kernel/usr/lib/linux-kbuild-* /usr/lib/ 2>/dev/null || :
rm -rf /out/build
cp -r /module /out/build
make -C "$3" M=/out/build CC="$2" HOSTCC="$2" CONFIG_DEBUG_INFO_BTF_MODULES= modules
strip --strip-debug /out/build/*.ko
"""

_PROGRAM = r"""
set -eu
cd /program
"$1" -std=gnu11 -O2 -Wall -Wextra -Werror -static -o /out/kl ./*.c ./*.S -lpthread
strip /out/kl
"""


def _sources(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file())


def modules(release: str, headers: Path, inside: str, compiler: str, tree: Tree) -> dict[str, Path]:
    """Return the built modules by name, building them when their source changed."""
    source = HERE / "module"
    out = cache() / "modules" / f"{release}-{digest(_MODULES, compiler, *_sources(source))}"
    names = ("klab.ko", "klttm.ko")
    if not all((out / name).exists() for name in names):
        say(f"building the modules for {release} with {compiler}")
        scratch = fresh(cache() / "work" / f"modules-{release}" / "any").parent
        tree.run(
            ["sh", "-c", _MODULES, "sh", release, compiler, inside],
            binds={headers: "/kernel", source: "/module", scratch: "/out"},
            log=cache() / "log" / f"modules-{release}.log",
            limit=900,
            what=f"building the modules for {release}",
        )
        for name in names:
            shutil.copy(scratch / "build" / name, fresh(out / name))
    return {name: out / name for name in names}


def program(compiler: str, tree: Tree) -> Path:
    """Return the static program `kl`, building it when its source changed."""
    source, shared = HERE / "program", HERE / "module" / "klab_uapi.h"
    out = cache() / "program" / digest(_PROGRAM, compiler, shared, *_sources(source)) / "kl"
    if not out.exists():
        say(f"building the program with {compiler}")
        scratch = fresh(cache() / "work" / "program" / "any").parent
        tree.run(
            ["sh", "-c", _PROGRAM, "sh", compiler],
            binds={source: "/program", HERE / "module": "/module", scratch: "/out"},
            log=cache() / "log" / "program.log",
            limit=300,
            what="building the program",
        )
        shutil.copy(scratch / "kl", fresh(out))
    return out


def built_files(ready: Ready) -> dict[str, bytes]:
    """Return the modules and the program under the names that they have in the machine."""
    compiler = ready.stock.compiler
    found = modules(ready.release, ready.headers, ready.headers_inside, compiler, ready.tree)
    files = {f"lab/{name}": path.read_bytes() for name, path in found.items()}
    files["bin/kl"] = program(compiler, ready.tree).read_bytes()
    return files
