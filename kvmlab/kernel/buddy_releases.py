"""How the page allocator behaves by kernel release: which rows of the table hold, and how well each is known."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.release import KernelRelease, parse_version

# Oldest and newest release that the tables of the page allocator and of the TTM pool speak of.
COVERED = ("5.15", "7.3")
READ_TREES = ((6, 1), (6, 12), (7, 3))


@dataclass(frozen=True, slots=True)
class Feature:
    """One behaviour of a kernel release.

    Args:
        feature: which behaviour.
        value: what it is in that release.
        since: first release that has it.
        until: last release that has it, None if it is still there.
        basis: `read` in a source tree, `between` two trees, or `memory`.
        source: where this is from.
    """

    feature: str
    value: str
    since: str
    until: str | None
    basis: str
    source: str


@dataclass(frozen=True, slots=True)
class ReleaseFeatures:
    """All behaviours of one release.

    Args:
        table: `buddy` or `ttm`.
        release: `major.minor`.
        features: by name.
    """

    table: str
    release: str
    features: dict[str, Feature]

    def __getitem__(self, name: str) -> str:
        return self.features[name].value

    def replaced(self, values: dict[str, str]) -> ReleaseFeatures:
        """The same release with some behaviours switched by hand.

        Raises:
            UnknownRelease: a behaviour or a value that no release has.
        """
        features = dict(self.features)
        for name, value in values.items():
            known = sorted({row.value for row in feature_rows(self.table) if row.feature == name})
            if value not in known:
                there = ", ".join(known) or "no such switch"
                raise UnknownRelease(f"no release has {name[:40]}={value[:40]}; there are: {there}.")
            features[name] = replace(features[name], value=value, basis="by hand", source="switched by hand")
        return ReleaseFeatures(self.table, self.release, features)

    @property
    def uncertain(self) -> tuple[Feature, ...]:
        """The behaviours whose release was not read in source: each can be switched by hand."""
        return tuple(f for f in self.features.values() if f.basis != "read")


@cache
def feature_rows(table: str) -> tuple[Feature, ...]:
    """Every row of a table of behaviours.

    Args:
        table: `buddy` or `ttm`.

    >>> sorted({row.value for row in feature_rows("ttm") if row.feature == "loop"})
    ['A', 'B', 'C']
    """
    text = files("kvmlab.kernel").joinpath(f"data/{table}_releases.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        Feature(r["feature"], r["value"], r["since"], r["until"] or None, r["basis"], r["source"]) for r in rows
    )


def _holds(row: Feature, version: tuple[int, ...]) -> bool:
    return parse_version(row.since) <= version and (row.until is None or version <= parse_version(row.until))


@cache
def _features(table: str, version: tuple[int, int]) -> ReleaseFeatures:
    found = {row.feature: row for row in feature_rows(table) if _holds(row, version)}
    if version < READ_TREES[0]:
        found = {name: replace(f, basis="memory") for name, f in found.items()}
    elif version in READ_TREES:
        # Here the value itself was read, even where the release of the change was not.
        found = {name: replace(f, basis="read") if f.basis == "between" else f for name, f in found.items()}
    else:
        # Between two trees a value is sure only where both have it.
        near = [max(t for t in READ_TREES if t < version), min(t for t in READ_TREES if t > version)]
        trees = [{row.feature: row.value for row in feature_rows(table) if _holds(row, tree)} for tree in near]
        for name, f in found.items():
            same = all(values[name] == f.value for values in trees)
            found[name] = replace(f, basis="read" if same else "between" if f.basis == "read" else f.basis)
    return ReleaseFeatures(table, ".".join(map(str, version)), found)


def release_features(table: str, release: str | KernelRelease) -> ReleaseFeatures:
    """The behaviours of one kernel release.

    Args:
        table: `buddy` or `ttm`.
        release: a release as `uname -r` prints it, or `6.12`.

    Raises:
        UnknownRelease: the release has no numbers or is outside of `COVERED`; the nearest table is never taken instead.

    >>> release_features("buddy", "6.12.117+deb12-amd64")["fallback"]
    'claim_then_steal'
    """
    parsed = KernelRelease.parse(release) if isinstance(release, str) else release
    version = parsed.version
    if version is None or not parse_version(COVERED[0]) <= version[:2] <= parse_version(COVERED[1]):
        raise UnknownRelease(
            f"the allocator of {parsed.text[:80]!r} is not described here; covered are {COVERED[0]} to {COVERED[1]}."
        )
    return _features(table, (version[0], version[1]))
