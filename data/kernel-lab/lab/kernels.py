"""The kernels that the lab boots: which package leads to each, and how a release is found at run time."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from .apt import Package, View
from .errors import LabError
from .paths import cache
from .say import say
from .tree import digest, unpack


@dataclass(frozen=True, slots=True)
class Kernel:
    """One row of the table of kernels."""

    name: str
    suites: tuple[str, ...]
    prefer: str
    meta: str
    source: str
    """The package with the sources, for the kernels that are built here."""
    built: bool
    role: str


_STABLE = ("bookworm", "bookworm-security")
_NEW = ("trixie", "trixie-backports")
KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel("6.1", _STABLE, "", "linux-image-amd64", "linux-source-6.1", False, "frees unchecked"),
        Kernel("6.12", _STABLE, "", "linux-image-6.12-amd64", "linux-source-6.12", False, "last to refuse tails"),
        Kernel("7.3", _NEW, _NEW[1], "linux-image-amd64", "linux-source-7.3", False, "takes no references"),
        Kernel("6.12-klab", _STABLE, "", "linux-image-6.12-amd64", "linux-source-6.12", True, "6.12, page_ref"),
        Kernel("7.3-klab", _NEW, _NEW[1], "linux-image-amd64", "linux-source-7.3", True, "7.3, page_ref"),
    )
}


@dataclass(frozen=True, slots=True)
class Stock:
    """A Debian kernel as found on the mirror: its release, compiler and packages, and where it was unpacked."""

    name: str
    release: str
    compiler: str
    root: Path
    packages: tuple[Package, ...]

    @property
    def image(self) -> Path:
        """The kernel that boots."""
        return self._part("vmlinuz")

    @property
    def config(self) -> Path:
        """The configuration that the kernel was built with."""
        return self._part("config")

    def _part(self, name: str) -> Path:
        """Since 7.x Debian keeps these two beside the modules, before that in /boot."""
        newer = self.root / "usr/lib/modules" / self.release / name
        return newer if newer.exists() else self.root / "boot" / f"{name}-{self.release}"


def view_of(kernel: Kernel) -> View:
    """Return the apt view that holds a kernel."""
    return View(kernel.suites, kernel.prefer)


def find(name: str) -> Kernel:
    """Return the row of a kernel; raise `LabError` for a name that the table does not have."""
    if name not in KERNELS:
        raise LabError(f"no kernel is called {name!r}; there are: {', '.join(KERNELS)}")
    return KERNELS[name]


def _record(kernel: Kernel) -> Path:
    return cache() / "kernels" / f"{kernel.name}.json"


def cached(name: str) -> Stock | None:
    """Return the Debian kernel fetched last under this name, without asking the mirror; None if there is none."""
    record = _record(find(name))
    if not record.exists():
        return None
    row = json.loads(record.read_text())
    packages = tuple(Package(p["name"], p["version"], Path(p["path"]), p["sha256"]) for p in row.pop("packages"))
    stock = Stock(row["name"], row["release"], row["compiler"], Path(row["root"]), packages)
    return stock if stock.image.exists() else None


def fetch(kernel: Kernel, view: View) -> Stock:
    """Find the newest release that the suites have now, download it with its headers and unpack it."""
    image = next((p for p in view.depends(kernel.meta) if re.match(r"linux-image-\d", p)), None)
    if image is None:
        raise LabError(f"{kernel.meta} in {', '.join(kernel.suites)} leads to no kernel image")
    release = image.removeprefix("linux-image-")
    names = view.closure([image, f"linux-headers-{release}"], re.compile(r"linux-|gcc-\d+"))
    compiler = min((n for n in names if re.fullmatch(r"gcc-\d+", n)), default=None)
    if compiler is None:
        hosted = next((n for n in names if re.fullmatch(r"gcc-\d+-for-host", n)), None)
        if hosted is None:
            raise LabError(f"the headers of {release} name no compiler")
        compiler = hosted.removesuffix("-for-host")
    packages = view.download([n for n in names if n.startswith("linux-")], cache() / "debs")
    root = cache() / "kernels" / release
    stamp, wanted = root / ".packages", digest(*(p.sha256 for p in packages))
    if not stamp.exists() or stamp.read_text() != wanted:
        say(f"unpacking {release}")
        if root.exists():
            shutil.rmtree(root)
        (root / "usr/lib").mkdir(parents=True)
        (root / "lib").symlink_to("usr/lib")
        for package in packages:
            unpack(package, root)
        stamp.write_text(wanted)
    stock = Stock(kernel.name, release, compiler, root, tuple(packages))
    _record(kernel).write_text(json.dumps(asdict(stock), default=str, indent=1))
    return stock
