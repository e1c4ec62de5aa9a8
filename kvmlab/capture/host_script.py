"""The script for an affected host: settings checked and put at the top of `host_script.sh`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from kvmlab.errors import UnusableInput

# Events by the name of a group; those of one group are recorded together.
GROUPS = {
    "kmem": (
        "kmem/mm_page_alloc", "kmem/mm_page_free", "kmem/mm_page_alloc_extfrag", "kmem/mm_page_alloc_zone_locked",
        "kmem/mm_page_pcpu_drain",
    ),
    "kvm": ("kvm/kvm_page_fault", "kvm/kvm_userspace_exit", "kvm/kvm_unmap_hva_range"),
    "kvmmmu": ("kvmmmu/kvm_mmu_spte_requested", "kvmmmu/fast_page_fault", "kvmmmu/mark_mmio_spte"),
    "page_ref": (
        "page_ref/page_ref_set", "page_ref/page_ref_mod", "page_ref/page_ref_mod_and_test",
        "page_ref/page_ref_mod_and_return", "page_ref/page_ref_mod_unless", "page_ref/page_ref_freeze",
        "page_ref/page_ref_unfreeze",
    ),
    "amdgpu": ("amdgpu/amdgpu_bo_create", "amdgpu/amdgpu_bo_move"),
}  # fmt: skip
DEFAULT_EVENTS = ("kmem", "kvm", "kvmmmu", "amdgpu")
LONGEST_SECONDS = 3600
_EVENT = re.compile(r"[A-Za-z0-9_]{1,64}/[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """What the script records and how long.

    Args:
        seconds: how long events are on; 0 records no trace.
        events: groups (`kmem`, `kvm`, `kvmmmu`, `page_ref`, `amdgpu`) or single events (`kvm/kvm_entry`).
        stacks: a kernel stack under each event: more exact, and ten times as long.
        buffer_kb: trace buffer of each CPU, in KiB; the newest events stay.
        max_mb: no single file becomes larger, in MiB (kpageflags excepted: it is packed).
        frames: kpageflags and kpagecount.
        page_owner: page_owner, which can be large.
        kernel_log: the kernel log, which may hold names of people and machines.
        pid: process whose mappings of GPU devices are looked up in pagemap; 0 for none.
    """

    seconds: int = 10
    events: tuple[str, ...] = DEFAULT_EVENTS
    stacks: bool = False
    buffer_kb: int = 8192
    max_mb: int = 256
    frames: bool = True
    page_owner: bool = True
    kernel_log: bool = False
    pid: int = 0

    def event_names(self) -> tuple[str, ...]:
        """The events that are switched on, as folders below `events/`.

        Raises:
            UnusableInput: if a name is neither a group nor an event.

        >>> ScriptSettings(events=("amdgpu", "kvm/kvm_entry")).event_names()
        ('amdgpu/amdgpu_bo_create', 'amdgpu/amdgpu_bo_move', 'kvm/kvm_entry')
        """
        names: dict[str, None] = {}
        for word in self.events:
            if word not in GROUPS and not _EVENT.fullmatch(word):
                groups = ", ".join(GROUPS)
                raise UnusableInput(
                    f"{word[:80]!r} is no trace event; expected {groups} or a name such as kvm/kvm_entry."
                )
            names |= dict.fromkeys(GROUPS.get(word, (word,)))
        return tuple(names)


def _bounded(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise UnusableInput(f"{name} is {value}; expected {low} to {high}.")
    return value


@cache
def _template() -> str:
    return files("kvmlab.capture").joinpath("host_script.sh").read_text(encoding="utf-8")


def host_script(settings: ScriptSettings | None = None) -> str:
    """The script's text: POSIX sh, nothing to install, for dash, bash and busybox.

    Args:
        settings: what to record; the defaults if None.

    Raises:
        UnusableInput: if a setting is out of its bounds.

    >>> host_script().startswith("#!/bin/sh")
    True
    """
    s = settings or ScriptSettings()
    lines = [
        "# What to record, and how long: as `kvmlab capture` was asked.",
        f"SECONDS_LONG={_bounded('--seconds', s.seconds, 0, LONGEST_SECONDS)}",
        f"EVENTS='{' '.join(s.event_names())}'",
        f"STACKS={int(s.stacks)}",
        f"BUFFER_KB={_bounded('--buffer-kb', s.buffer_kb, 64, 1 << 20)}",
        f"MAX_KB={_bounded('--max-mb', s.max_mb, 1, 1 << 14) * 1024}",
        f"FRAMES={int(s.frames)}",
        f"PAGE_OWNER={int(s.page_owner)}",
        f"KERNEL_LOG={int(s.kernel_log)}",
        f"PID={_bounded('--pid', s.pid, 0, 1 << 22)}",
        "PAGEMAP_PAGES=1048576",
    ]
    return _template().replace("#@SETTINGS@", "\n".join(lines))
