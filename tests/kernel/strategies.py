"""What the tests of this room draw from: releases of every table, build configurations, flags words."""

from __future__ import annotations

from hypothesis import strategies as st

# One release inside every table of page flags, and the neighbours of every change.
RELEASES = [
    "2.6.32", "2.6.37", "2.6.38", "3.0.0", "3.10.0", "4.2", "4.3", "4.4.1", "4.5", "4.9", "4.10", "4.19", "4.20",
    "5.4.286", "5.9", "5.10.7", "5.13", "5.14.2", "5.15.135", "6.1.192", "6.2.1", "6.3.8", "6.4.6", "6.5", "6.6.9",
    "6.7", "6.9.12", "6.10.0", "6.11.11", "6.12.117", "6.13.2", "6.14.0", "6.15", "6.19.0",
]  # fmt: skip

OPTIONS = [
    "CONFIG_64BIT",
    "CONFIG_MMU",
    "CONFIG_ARCH_USES_PG_UNCACHED",
    "CONFIG_ARCH_USES_PG_ARCH_X",
    "CONFIG_ARCH_USES_PG_ARCH_2",
    "CONFIG_ARCH_USES_PG_ARCH_3",
    "CONFIG_MEMORY_FAILURE",
    "CONFIG_TRANSPARENT_HUGEPAGE",
    "CONFIG_IDLE_PAGE_TRACKING",
    "CONFIG_PAGE_IDLE_FLAG",
    "CONFIG_KASAN_HW_TAGS",
]

releases = st.sampled_from(RELEASES)
configs = st.fixed_dictionaries({option: st.booleans() for option in OPTIONS})
words = st.integers(0, 2**64 - 1) | st.integers(0, 2**30) | st.integers(0, 63).map(lambda bit: 1 << bit)
