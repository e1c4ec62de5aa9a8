"""The kernel release token of a log (`6.9.12-ajb-00008-gfcd4b7efbad0`) taken apart and compared by numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

# No part of a kernel version has more than four digits; a longer run of digits is not a version at all.
_BASE = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,4}))?(?:\.([0-9]{1,4}))?(?![0-9])")
_RC = re.compile(r"-rc([0-9]{1,3})(?![0-9])")
_FEDORA_RC = re.compile(r"-0\.rc([0-9]{1,3})(?![0-9])")  # a package of a candidate: `3.3.0-0.rc3.git7.2.fc17.x86_64`
_GIT = re.compile(r"(?:-([0-9]{5,9}))?-g([0-9a-f]{7,40})(?![0-9a-zA-Z])")

# The numbering before 3.0 kept 2.6 for eight years, so its third number is what later became the second.
_OLD_MAJOR = 2


@dataclass(frozen=True, slots=True)
class KernelRelease:
    """A kernel release as `uname -r` prints it; parts that the token does not show are None.

    Args:
        text: the token as it stands in the log.
        base: its leading numbers, such as `6.9.12`; None if it does not start with a version.
        major: first number.
        minor: second number.
        patch: third number; None if there is none (`6.12-rc1`).
        localversion: what is neither version, `-rcN`, commit count, commit nor `-dirty`; None if nothing is left.
        commits_after_tag: commits after the tag that the version names (`-00008-g...`).
        git: abbreviated commit, 7-40 hex digits, without the `g`.
        dirty: whether the tree had uncommitted changes.
        rc: number of the release candidate.

    Source: scripts/setlocalversion of 6.9 (order of the parts); the reported trace for the example.

    >>> r = KernelRelease.parse("6.9.12-ajb-00008-gfcd4b7efbad0")
    >>> (r.base, r.localversion, r.commits_after_tag, r.git, r.dirty)
    ('6.9.12', '-ajb', 8, 'fcd4b7efbad0', False)
    """

    text: str
    base: str | None
    major: int | None
    minor: int | None
    patch: int | None
    localversion: str | None
    commits_after_tag: int | None
    git: str | None
    dirty: bool
    rc: int | None = None

    @classmethod
    def parse(cls, text: str) -> KernelRelease:
        """Take a release token apart; never raises: what is not there is None.

        Args:
            text: the token, `utsname.release`.

        >>> KernelRelease.parse("syzkaller").version is None
        True
        >>> KernelRelease.parse("6.12.117+deb12-amd64").localversion
        '+deb12-amd64'
        """
        rest = text
        base = major = minor = patch = rc = None
        if found := _BASE.match(rest):
            base = found[0]
            major, minor = int(found[1]), int(found[2])
            patch = None if found[3] is None else int(found[3])
            rest = rest[found.end() :]
            if candidate := _RC.match(rest):
                rc = int(candidate[1])
                rest = rest[candidate.end() :]
            elif candidate := _FEDORA_RC.match(rest):
                rc = int(candidate[1])
        dirty = rest.endswith("-dirty")
        if dirty:
            rest = rest[: -len("-dirty")]
        commits = git = None
        if scm := _GIT.search(rest):
            commits = None if scm[1] is None else int(scm[1])
            git = scm[2]
            rest = rest[: scm.start()] + rest[scm.end() :]
        return cls(text, base, major, minor, patch, rest or None, commits, git, dirty, rc)

    @property
    def version(self) -> tuple[int, ...] | None:
        """The numbers: (major, minor) or (major, minor, patch); None if the token has none.

        >>> KernelRelease.parse("6.9.12-ajb").version
        (6, 9, 12)
        """
        if self.major is None or self.minor is None:
            return None
        return (self.major, self.minor) if self.patch is None else (self.major, self.minor, self.patch)

    @property
    def series(self) -> tuple[int, ...] | None:
        """The part of the version that selects a table: (6, 9), or (2, 6, 32) before 3.0; None if unknown.

        >>> KernelRelease.parse("2.6.32.71").series
        (2, 6, 32)
        """
        version = self.version
        if version is None:
            return None
        return version if version[0] <= _OLD_MAJOR else version[:2]

    @property
    def series_text(self) -> str | None:
        """`series` as people write it: `6.9`."""
        return None if self.series is None else ".".join(map(str, self.series))

    @property
    def between_releases(self) -> bool:
        """Whether the tree may already hold work for the next release: linux-next, or commits on top of `x.y.0`.

        >>> KernelRelease.parse("6.11.0-08246-gde848da12f75").between_releases
        True
        >>> KernelRelease.parse("6.9.12-ajb-00008-gfcd4b7efbad0").between_releases
        False
        """
        if "next" in (self.localversion or ""):
            return True
        ahead = self.commits_after_tag is not None or (self.localversion or "").endswith("+")
        return self.version is not None and not self.patch and self.rc is None and ahead

    def at_least(self, version: str) -> bool | None:
        """Whether this release is `version` or later, compared number by number; None if it has no numbers.

        A release candidate comes before the release that it leads to.

        Args:
            version: such as `6.9` or `6.9.3`.

        Raises:
            ValueError: `version` is not a version.

        >>> KernelRelease.parse("6.10.0").at_least("6.9")
        True
        >>> KernelRelease.parse("6.9-rc2").at_least("6.9")
        False
        """
        mine = self.version
        wanted = parse_version(version)
        if mine is None:
            return None
        width = max(len(mine), len(wanted))
        left = mine + (0,) * (width - len(mine))
        right = wanted + (0,) * (width - len(wanted))
        return left > right if self.rc is not None and left == right else left >= right

    def __str__(self) -> str:
        return self.text


def parse_version(text: str) -> tuple[int, ...]:
    """The numbers of a dotted version, for comparisons by parts.

    Args:
        text: such as `6.9` or `2.6.32`.

    Raises:
        ValueError: `text` is not two to four numbers with dots between them.

    >>> parse_version("6.10") > parse_version("6.9")
    True
    """
    found = _BASE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a kernel version such as 6.9 or 2.6.32")
    return tuple(int(part) for part in found.groups() if part is not None)
