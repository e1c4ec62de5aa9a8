"""One list of versions, no address of a package index, and nothing left over in the tree."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

# conda leaves this one to pip, and says so in the file.
ONLY_PIP = {"backports-zstd"}


def pyproject(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text())


def test_environment_yml_has_the_ranges_of_pyproject(root: Path) -> None:
    environment = yaml.safe_load((root / "environment.yml").read_text())
    conda: dict[str, SpecifierSet] = {}
    pip: list[str] = []
    for entry in environment["dependencies"]:
        if isinstance(entry, dict):
            pip = entry["pip"]
            continue
        match = re.fullmatch(r"([a-z0-9._-]+)(?: ([<>=!~0-9.,*]+))?", entry)
        assert match, f"not a plain conda spec: {entry!r}"
        conda[canonicalize_name(match[1])] = SpecifierSet(match[2] or "")
    project = pyproject(root)["project"]
    wanted = {"python": SpecifierSet(project["requires-python"]), "pip": SpecifierSet("")}
    for text in project["dependencies"]:
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) not in ONLY_PIP:
            wanted[canonicalize_name(requirement.name)] = requirement.specifier
    assert conda == wanted
    assert pip == ["-e .[test,ui,fuzz,fleet]"]
    assert environment["name"] == project["name"]


def test_constraints_pin_every_dependency_inside_its_range(root: Path) -> None:
    pins: dict[str, list[Requirement]] = {}
    for line in (root / "constraints.txt").read_text().splitlines():
        requirement = Requirement(line)
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), f"not an exact pin: {line}"
        pins.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    project = pyproject(root)["project"]
    extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    for text in project["dependencies"] + extras:
        requirement = Requirement(text)
        if requirement.name == project["name"]:
            continue  # an extra that takes in another one
        found = pins.get(canonicalize_name(requirement.name))
        assert found, f"{requirement.name} is not pinned: run make constraints"
        for pin in found:
            version = str(pin.specifier).removeprefix("==")
            assert requirement.specifier.contains(version, prereleases=True), f"{pin} is outside {requirement}"


def tracked(root: Path) -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [root / name for name in listing.stdout.decode().split("\0") if name and (root / name).is_file()]


def test_no_file_names_a_package_index_or_a_lock_with_addresses(root: Path) -> None:
    names = {path.name for path in tracked(root)}
    assert not names & {"uv.lock", "pylock.toml", "Pipfile.lock", "poetry.lock"}
    address = re.compile(r"https?://\S*(?:/simple/|/packages/|pythonhosted|pypi\.org|deb\.debian|registry\.npmjs)")
    for path in tracked(root):
        if (
            path.suffix in {".txt", ".toml", ".yml", ".yaml", ".lock", ".cfg", ".json", ".ipynb"}
            or path.name == "Makefile"
        ):
            text = path.read_text(errors="replace")
            assert not address.search(text), f"{path.relative_to(root)} names a package index"


def test_version_is_the_same_everywhere(root: Path) -> None:
    import kvmlab

    assert pyproject(root)["project"]["version"] == kvmlab.__version__
