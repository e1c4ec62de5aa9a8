"""How many states a search may keep if nobody says: what half of the free memory holds, and no more than is patient."""

from __future__ import annotations

from pathlib import Path

DEFAULT_BOUND = 50_000_000
"""States that are kept at most if the memory is there: some seconds compiled, some minutes in plain Python."""

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")

# Bytes a state at most, with the room that a table leaves free just after it has grown.
_COMPILED = {1: 32, 2: 52}
_INTERPRETED = 150


def free_memory() -> int | None:
    """Bytes that this process may still take, None if the system does not tell."""
    found = []
    try:
        told = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines() if ":" in line)
        found.append(int(told["MemAvailable"].split()[0]) << 10)
        most = (_CGROUP / "memory.max").read_text().strip()
        if most.isdecimal():
            found.append(max(int(most) - int((_CGROUP / "memory.current").read_text()), 0))
    except (OSError, ValueError, LookupError):
        pass
    return min(found, default=None)


def bound_by_memory(words: int, *, compiled: bool) -> int:
    """The states that a search keeps at most.

    Args:
        words: words of a state.
        compiled: whether the compiled search runs.
    """
    free = free_memory()
    if free is None:
        return DEFAULT_BOUND
    each = _COMPILED.get(words, _INTERPRETED) if compiled else _INTERPRETED
    return max(1, min(DEFAULT_BOUND, free // 2 // each))
