"""/sys/kernel/debug/dri/N/amdgpu_gem_info: the buffers of each process, where they lie and how they are cached."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.malformed import Malformed, numbered, unquoted

if TYPE_CHECKING:
    import pandas as pd

PLACEMENTS = (
    "VRAM VISIBLE", "VRAM", "GTT", "CPU", "PREEMPTIBLE", "DOORBELL", "MMIO_REMAP", "GDS", "GWS", "OA", "NONE",
    "UNKNOWN",
)  # fmt: skip
PROCESS = re.compile(r"pid +([0-9]{1,10}) command (.{0,64}):$")
_BUFFER = re.compile(r"0x([0-9a-fA-F]{1,16}): +([0-9]{1,20}) byte (.{1,512})$")
_PINS = re.compile(r" pin count ([0-9]{1,10})")
_SHARED = re.compile(r" (imported from|exported as) (?:ino:([0-9]{1,20})|[0-9a-fx]{1,20})?")


@dataclass(frozen=True, slots=True)
class GemBuffer:
    """One buffer of a process.

    Args:
        line: number of its line.
        pid: process (thread group) that holds it.
        comm: its name.
        handle: number that the file prints (a handle or a running number).
        size: bytes.
        placement: `VRAM`, `GTT`, ... as printed.
        pin_count: how often it is pinned.
        shared: `imported from`, `exported as` or None.
        flags: creation flags as printed, `CPU_GTT_USWC` and so on.
    """

    line: int
    pid: int
    comm: str
    handle: int
    size: int
    placement: str
    pin_count: int
    shared: str | None
    flags: tuple[str, ...]

    @property
    def pages(self) -> int:
        """Pages of 4096 bytes that it needs."""
        return -(-self.size // 4096)

    @property
    def caching(self) -> str:
        """How system pages behind it are cached: `write_combined` with CPU_GTT_USWC, else `cached`."""
        return "write_combined" if "CPU_GTT_USWC" in self.flags else "cached"


@dataclass(frozen=True, slots=True)
class GemInfo:
    """All of an amdgpu_gem_info file: `buffers` in order, and the lines that are `malformed`."""

    buffers: tuple[GemBuffer, ...]
    malformed: tuple[Malformed, ...] = ()

    def df_gem_info(self) -> pd.DataFrame:
        """One row a buffer: line, pid, comm, handle, size (bytes) and pages uint64, placement, caching, pin_count,
        shared, flags (text)."""
        import pandas as pd

        cells = [
            (
                b.line,
                b.pid,
                b.comm,
                b.handle,
                b.size,
                b.pages,
                b.placement,
                b.caching,
                b.pin_count,
                b.shared,
                " ".join(b.flags),
            )
            for b in self.buffers
        ]
        names = [
            "line", "pid", "comm", "handle", "size", "pages", "placement", "caching", "pin_count", "shared", "flags",
        ]  # fmt: skip
        types = {"line": "int64", "pid": "int64", "handle": "uint64", "size": "uint64", "pages": "uint64"}
        texts = dict.fromkeys(["comm", "placement", "caching", "shared", "flags"], "str")
        return pd.DataFrame(cells, columns=names).astype(types | {"pin_count": "int64"} | texts)


def parse_gem_info(text: str | bytes) -> GemInfo:
    """Read amdgpu_gem_info.

    Args:
        text: the file.

    Source: drivers/gpu/drm/amd/amdgpu/amdgpu_gem.c and amdgpu_object.c amdgpu_bo_print_info() (6.12), read as described
    in the reference; no capture of a real GPU was at hand.

    >>> text = "pid     1234 command Xorg:\\n\\t\\t0x00000001:      2097152 byte GTT pin count 1 CPU_GTT_USWC\\n"
    >>> buffer = parse_gem_info(text).buffers[0]
    >>> buffer.pages, buffer.placement, buffer.caching, buffer.pin_count
    (512, 'GTT', 'write_combined', 1)
    """
    buffers: list[GemBuffer] = []
    malformed: list[Malformed] = []
    process: tuple[int, str] | None = None
    for number, line in numbered(text):
        plain = unquoted(line)
        if not plain:
            continue
        if found := PROCESS.match(plain):
            process = int(found[1]), found[2]
        elif (found := _BUFFER.match(plain)) and process is not None:
            placement = next((p for p in PLACEMENTS if found[3].startswith(p)), None)
            if placement is None:
                malformed.append(Malformed(number, line, f"expected a placement, one of {', '.join(PLACEMENTS)}."))
                continue
            rest = found[3][len(placement) :]
            pins, shared = _PINS.search(rest), _SHARED.search(rest)
            for part in (pins, shared):
                rest = rest if part is None else rest.replace(part[0], " ", 1)
            buffers.append(
                GemBuffer(
                    number,
                    *process,
                    int(found[1], 16),
                    min(int(found[2]), (1 << 64) - 1),
                    placement,
                    0 if pins is None else int(pins[1]),
                    None if shared is None else shared[1],
                    tuple(rest.split()),
                )
            )
        else:
            malformed.append(Malformed(number, line, "expected `pid N command NAME:` or a buffer below one."))
    return GemInfo(tuple(buffers), tuple(malformed))
