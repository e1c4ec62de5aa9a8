"""Numbers as people write them: sizes in binary units, times since boot in hours."""

from __future__ import annotations


def binary_size(size: int) -> str:
    """A size or an offset in bytes with its binary unit.

    >>> binary_size(0xFB1665000)
    '62.77 GiB'
    >>> binary_size(4096)
    '4.00 KiB'
    """
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    power = min(max(size.bit_length() - 1, 0) // 10, len(units) - 1)
    return f"{size} B" if power == 0 else f"{size / (1 << 10 * power):.2f} {units[power]}"


def uptime(timestamp: str) -> str:
    """Seconds since boot, as printed by the kernel, in hours.

    >>> uptime("252080.141632")
    '70.0 h'
    """
    seconds = float(timestamp)
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"
