"""Release tokens as logs hold them, taken apart; hostile ones included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.kernel.release import KernelRelease, parse_version


@pytest.mark.parametrize(
    ("text", "base", "localversion", "commits", "git", "dirty", "rc"),
    [
        ("6.9.12-ajb-00008-gfcd4b7efbad0", "6.9.12", "-ajb", 8, "fcd4b7efbad0", False, None),
        ("6.12-rc1", "6.12", None, None, None, False, 1),
        ("6.9.0-rc2-syzkaller-00207-gc93a8b4e2f01", "6.9.0", "-syzkaller", 207, "c93a8b4e2f01", False, 2),
        ("6.9.0-rc2-00042-gabcdef012345-dirty", "6.9.0", None, 42, "abcdef012345", True, 2),
        ("6.9.0+", "6.9.0", "+", None, None, False, None),
        ("6.12.117+deb12-amd64", "6.12.117", "+deb12-amd64", None, None, False, None),
        ("3.10.0-957.el7.x86_64", "3.10.0", "-957.el7.x86_64", None, None, False, None),
        ("5.10.0-rc1-next-20201030-syzkaller", "5.10.0", "-next-20201030-syzkaller", None, None, False, 1),
        ("5.10.110-android12-9-00004-g3a5b7c1-ab8943", "5.10.110", "-android12-9-ab8943", 4, "3a5b7c1", False, None),
        ("3.3.0-0.rc3.git7.2.fc17.x86_64", "3.3.0", "-0.rc3.git7.2.fc17.x86_64", None, None, False, 3),
        ("5.11.0-3dbd5e3", "5.11.0", "-3dbd5e3", None, None, False, None),
        ("4.17.0-simple-smp-07461-g1d40a5ea01d5-dirty", "4.17.0", "-simple-smp", 7461, "1d40a5ea01d5", True, None),
        ("4.4.1-g1234567", "4.4.1", None, None, "1234567", False, None),
        ("6.1.0-dirty", "6.1.0", None, None, None, True, None),
        ("2.6.32.71", "2.6.32.71", None, None, None, False, None),
        ("syzkaller", None, "syzkaller", None, None, False, None),
        ("next-20230915", None, "next-20230915", None, None, False, None),
        ("6", None, "6", None, None, False, None),
        ("", None, None, None, None, False, None),
    ],
)
def test_token_is_taken_apart(
    text: str, base: str | None, localversion: str | None, commits: int | None, git: str | None, dirty: bool, rc: object
) -> None:
    release = KernelRelease.parse(text)
    assert release.text == text == str(release)
    assert (release.base, release.localversion) == (base, localversion)
    assert (release.commits_after_tag, release.git, release.dirty, release.rc) == (commits, git, dirty, rc)


def test_numbers() -> None:
    release = KernelRelease.parse("6.9.12-ajb-00008-gfcd4b7efbad0")
    assert (release.major, release.minor, release.patch) == (6, 9, 12)
    assert release.version == (6, 9, 12)
    assert release.series == (6, 9)
    assert release.series_text == "6.9"
    assert KernelRelease.parse("6.12-rc1").version == (6, 12)
    assert KernelRelease.parse("2.6.32.71").series == (2, 6, 32)
    assert KernelRelease.parse("syzkaller").series_text is None


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        ("6.10.0", "6.9", True),
        ("6.9.12", "6.10", False),
        ("6.9-rc2", "6.9", False),
        ("6.9.0-rc2", "6.8", True),
        ("6.9", "6.9.0", True),
        ("6.9.0", "6.9", True),
        ("2.6.32", "2.6.4", True),
        ("syzkaller", "6.9", None),
    ],
)
def test_comparison_is_by_numbers(text: str, version: str, expected: bool | None) -> None:
    assert KernelRelease.parse(text).at_least(version) is expected


@pytest.mark.parametrize(
    ("text", "between"),
    [
        ("6.9.12-ajb-00008-gfcd4b7efbad0", False),
        ("6.11.0-08246-gde848da12f75", True),
        ("6.11.0-rc3-00001-gde848da12f75", False),
        ("6.6.0-rc1-next-20230915", True),
        ("6.9.0+", True),
        ("6.9.0", False),
        ("syzkaller", False),
    ],
)
def test_trees_between_two_releases_are_said(text: str, between: bool) -> None:
    assert KernelRelease.parse(text).between_releases is between


@pytest.mark.parametrize("text", ["9" * 100_000, "6." + "9" * 100_000, "6.9-rc" + "1" * 100_000, "6.9-" + "0" * 9999])
def test_giant_numbers_are_no_version_and_do_no_harm(text: str) -> None:
    release = KernelRelease.parse(text)
    assert release.text == text
    assert release.version in {None, (6, 9)}
    assert release.rc is None


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80) | st.from_regex(r"[0-9.\-rcg+a-f٣]{0,40}"))
def test_nothing_makes_the_parser_raise(text: str) -> None:
    release = KernelRelease.parse(text)
    assert release.text == text
    assert (release.base is None) == (release.version is None)
    if release.base is not None:
        assert text.startswith(release.base)
        assert parse_version(release.base)[: len(release.version or ())] == release.version


@pytest.mark.parametrize("text", ["", "6", "6.", "v6.9", "6.9.x", "6.9-rc1", "1" * 9999])
def test_a_bad_version_for_comparison_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a kernel version"):
        parse_version(text)
