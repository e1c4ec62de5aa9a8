"""Which page flags are forbidden when a page is freed or handed out, and when a kernel checks that at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kvmlab.kernel.page_flags import default_config, flag_table
from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.tables import Period, covered_series, read_table


@dataclass(frozen=True, slots=True)
class CheckMask:
    """The flags that a page must not have.

    Args:
        mask: their bits in `page->flags`.
        names: their names, lowest bit first.
        lru_gen: whether a set LRU_GEN field is forbidden too, in a build that has one.
        lru_refs: the same for LRU_REFS.
        uncertain: flags of which nobody has read whether this release forbids them; not in the mask.
    """

    mask: int
    names: tuple[str, ...]
    lru_gen: bool
    lru_refs: bool
    uncertain: tuple[str, ...]

    def forbidden(self, value: int) -> tuple[str, ...]:
        """The forbidden flags that a word has.

        Args:
            value: the flags word, unsigned long.
        """
        bits = [bit for bit in range(self.mask.bit_length()) if self.mask >> bit & 1]
        return tuple(name for bit, name in zip(bits, self.names, strict=True) if value >> bit & 1)


def check_mask(
    release: KernelRelease | str,
    *,
    freeing: bool = True,
    config: Mapping[str, bool] | None = None,
    arch: str = "x86_64",
    width: int = 64,
) -> CheckMask:
    """The flags that a page must not have when it is freed (or handed out).

    Args:
        release: the release.
        freeing: PAGE_FLAGS_CHECK_AT_FREE; False for PAGE_FLAGS_CHECK_AT_PREP.
        config: options that are known, `CONFIG_X` to whether it is set.
        arch: architecture, for the other options.
        width: bits of an unsigned long.

    Raises:
        UnknownRelease: no table covers the release.

    Source: include/linux/page-flags.h. Example: none of the flags of the reported page is forbidden at free.

    >>> check_mask("6.9.12").forbidden(0x0017FFFFC00A000C)
    ()
    >>> check_mask("6.9.12").names[:4]
    ('locked', 'writeback', 'lru', 'active')
    """
    names = flag_table(release).names(default_config(arch, release, width) | dict(config or {}))
    lru_gen = Period((6, 1)).covers(release) is True
    uncertain: list[str] = []
    if freeing:
        wanted = set()
        for row in read_table("check_masks"):
            covered = Period.of_row(row).covers(release)
            if covered:
                wanted.add(row["flag"])
            elif covered is None:
                uncertain.append(row["flag"])
    else:
        wanted = set(names) - {"hwpoison"}
        hwpoison = next(row for row in read_table("check_masks") if row["flag"] == "hwpoison")
        if Period.of_row(hwpoison).covers(release) is True:
            wanted.add("hwpoison")
        elif Period.of_row(hwpoison).covers(release) is None:
            uncertain.append("hwpoison")
    found = [(bit, name) for bit, name in enumerate(names) if name in wanted]
    return CheckMask(
        sum(1 << bit for bit, _ in found),
        tuple(name for _, name in found),
        lru_gen,
        lru_gen and not freeing,
        tuple(uncertain),
    )


def when_checked(release: KernelRelease | str) -> str:
    """When a kernel tests pages that are freed, in one sentence.

    Raises:
        UnknownRelease: no table covers the release.

    >>> when_checked("6.9.12").startswith("only with CONFIG_DEBUG_VM")
    True
    """
    covered_series(release, "free-time checks")
    return next(row["when"] for row in read_table("free_checks") if Period.of_row(row).covers(release))
