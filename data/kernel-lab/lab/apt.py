"""Debian packages through an apt view of the lab's own: other suites, no change to /etc/apt, nothing installed.

The mirror is the one this machine's own apt sources name, asked of apt at run time; signatures are checked by apt with
Debian's keyring.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .errors import LabError
from .paths import cache
from .say import output_of, run, say

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True, slots=True)
class Package:
    """One Debian package as it was used: its name, its version and the file that apt verified."""

    name: str
    version: str
    path: Path
    sha256: str

    @property
    def file(self) -> str:
        """The name of the package's file."""
        return self.path.name


def mirrors() -> dict[str, str]:
    """Return the mirror for the labels `Debian` and `Debian-Security`, from this machine's apt sources."""
    if given := os.environ.get("KERNEL_LAB_MIRROR"):
        return {"Debian": given, "Debian-Security": os.environ.get("KERNEL_LAB_SECURITY_MIRROR", f"{given}-security")}
    text = output_of(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"],
        what="asking apt for its sources",
    )
    found: dict[str, str] = {}
    for line in text.splitlines():
        origin, label, uri = line.split("|", 2)
        if origin == "Debian":
            found.setdefault(label, uri)
    if "Debian" not in found:
        raise LabError(
            "this machine's apt sources name no Debian mirror (or `apt-get update` was never run); "
            "set KERNEL_LAB_MIRROR to one that this machine may use"
        )
    found.setdefault("Debian-Security", found["Debian"].rstrip("/") + "-security")
    return found


@dataclass(slots=True)
class View:
    """An apt configuration of its own: `suites` of Debian, of which `prefer` (if any) wins over the others."""

    suites: tuple[str, ...]
    prefer: str
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        self.root = cache() / "apt" / "+".join(self.suites)

    def _options(self) -> list[str]:
        root = self.root
        return [
            *("-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={root}/sources"),
            *("-o", "Dir::Etc::preferences=/dev/null", "-o", "Dir::Etc::preferencesparts=/dev/null"),
            *("-o", f"Dir::State={root}/state", "-o", f"Dir::State::status={root}/status"),
            *("-o", f"Dir::Cache={root}/cache", "-o", "APT::Sandbox::User=root"),
            *(("-o", f"APT::Default-Release={self.prefer}") if self.prefer else ()),
            *("-o", "APT::Install-Recommends=false"),
            *("-o", "APT::Architecture=amd64", "-o", "APT::Architectures=amd64"),
            *("-o", "Acquire::Retries=3", "-o", "Acquire::Languages=none", "-o", "Debug::NoLocking=true"),
        ]

    def update(self) -> None:
        """Write the view and fetch its package lists, unless that was done less than an hour ago."""
        root = self.root
        for folder in ("sources", "state/lists/partial", "cache/archives/partial"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "status").touch()
        uris = mirrors()
        stanzas = []
        for suite in self.suites:
            uri = uris["Debian-Security" if suite.endswith("-security") else "Debian"]
            signed = f"Signed-By: {KEYRING}\n" if KEYRING.exists() else ""
            stanzas.append(f"Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\n{signed}")
        sources, stamp = root / "sources" / "lab.sources", root / "updated"
        text = "\n".join(stanzas)
        fresh = stamp.exists() and time.time() - stamp.stat().st_mtime < 3600
        if fresh and sources.exists() and sources.read_text() == text:
            return
        sources.write_text(text)
        say(f"package lists of {', '.join(self.suites)}")
        run(["apt-get", *self._options(), "-q", "update"], log=root / "update.log", limit=600, what="apt-get update")
        stamp.touch()

    def depends(self, package: str) -> list[str]:
        """Return the names that a package depends on: the first of each set of alternatives."""
        command = ["apt-cache", *self._options(), "depends", "--important", package]
        text = output_of(command, what=f"looking up {package}")
        names: list[str] = []
        alternative = False
        for line in text.splitlines()[1:]:
            if matched := re.match(r"\s*(\|?)(?:Pre)?Depends: (\S+)", line):
                if not alternative and not matched[2].startswith("<"):
                    names.append(matched[2])
                alternative = matched[1] == "|"
        return names

    def version(self, package: str) -> str:
        """Return the version that this view would take of a package."""
        text = output_of(["apt-cache", *self._options(), "policy", package], what=f"looking up {package}")
        matched = re.search(r"Candidate: (\S+)", text)
        if matched is None or matched[1] == "(none)":
            raise LabError(f"the suites {', '.join(self.suites)} have no package {package}")
        return matched[1]

    def closure(self, packages: Iterable[str], keep: re.Pattern[str]) -> list[str]:
        """Return the packages and those they depend on, as far as their names match `keep`."""
        todo, seen = list(packages), []
        while todo:
            name = todo.pop(0)
            if name in seen or not keep.match(name):
                continue
            seen.append(name)
            todo += self.depends(name)
        return seen

    def download(self, packages: Sequence[str], into: Path) -> list[Package]:
        """Fetch exactly these packages (verified by apt) into a folder, keeping what is already there."""
        into.mkdir(parents=True, exist_ok=True)
        wanted = {name: self.version(name) for name in packages}
        missing = [name for name, version in wanted.items() if not _file(into, name, version)]
        if missing:
            say(f"downloading {len(missing)} packages: {', '.join(missing)}")
            exact = [f"{name}={wanted[name]}" for name in missing]
            log = self.root / "download.log"
            run(["apt-get", *self._options(), "-q", "download", *exact], log=log, limit=1800, what="apt-get", cwd=into)
        return [_package(into, name, version) for name, version in wanted.items()]

    def download_with_dependencies(self, packages: Sequence[str]) -> list[Package]:
        """Fetch packages with all that they depend on, down to an empty system; return them all."""
        archives = self.root / "cache" / "archives"
        log = self.root / "download.log"
        command = ["apt-get", *self._options(), "-qq", "--yes", "--simulate", "install", *packages]
        plan = re.findall(r"^Inst (\S+) \((\S+) ", output_of(command, what="resolving packages"), re.MULTILINE)
        missing = sum(_file(archives, name.split(":")[0], version) is None for name, version in plan)
        if missing:
            say(f"downloading {missing} packages of {', '.join(self.suites)}")
        command = ["apt-get", *self._options(), "-q", "--yes", "--download-only", "install", *packages]
        run(command, log=log, limit=1800, what="apt-get")
        return [_package(archives, name, version) for name, version in plan]


def _file(folder: Path, name: str, version: str) -> Path | None:
    found = sorted(folder.glob(f"{name}_{version.replace(':', '%3a')}_*.deb"))
    return found[0] if found else None


def _package(folder: Path, name: str, version: str) -> Package:
    path = _file(folder, name.split(":")[0], version)
    if path is None:
        raise LabError(f"apt reported success but left no file for {name} {version} in {folder}")
    return Package(name, version, path, hashlib.sha256(path.read_bytes()).hexdigest())
