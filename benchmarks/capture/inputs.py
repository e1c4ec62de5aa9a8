"""Made-up captures of any size, the same for the same seed."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

GFP = (
    "GFP_KERNEL", "GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO", "GFP_KERNEL_ACCOUNT|__GFP_COMP|__GFP_ZERO",
    "GFP_HIGHUSER|__GFP_NOWARN|__GFP_NORETRY|__GFP_NOMEMALLOC|__GFP_THISNODE",
)  # fmt: skip
COMMS = ("init", "kl", "CPU 0/KVM", "kworker/0:1", "gnome-shell:cs0", "Xorg")


def kmem_trace(lines: int, seed: int = 1) -> bytes:
    """A tracefs `trace` file of allocations and frees as a 6.12 prints them."""
    rng = random.Random(seed)
    out = ["# tracer: nop", "#"]
    for i in range(lines):
        head = f"{rng.choice(COMMS):>16}-{rng.randrange(1, 9999):<7d} [{rng.randrange(4):03d}] ..... "
        head += f"{3 + i // 1000000:5d}.{i % 1000000:06d}: "
        page = f"page={rng.getrandbits(32):016x} pfn={rng.getrandbits(22):#x} order={rng.choice((0, 0, 0, 1, 3, 9))}"
        if rng.random() < 0.5:
            out.append(f"{head}mm_page_free: {page}")
        else:
            out.append(f"{head}mm_page_alloc: {page} migratetype={rng.randrange(2)} gfp_flags={rng.choice(GFP)}")
    return ("\n".join(out) + "\n").encode()


def kpageflags(path: Path, pages: int, seed: int = 1) -> None:
    """A kpageflags file: runs of free, anonymous, page cache and write-combining pages, 60 pages long on average."""
    rng = np.random.default_rng(seed)
    lengths = rng.geometric(1 / 60, size=pages // 40)
    values = np.array([0, 1 << 10, 1 << 12 | 1 << 5, 1 << 5 | 1 << 3, 1 << 38], dtype="<u8")
    np.repeat(values[rng.integers(0, len(values), size=len(lengths))], lengths)[:pages].tofile(path)


def page_owner(records: int, seed: int = 1) -> bytes:
    """A page_owner file with a stack of ten frames in each record."""
    rng = random.Random(seed)
    stacks = ["".join(f" function_{rng.randrange(500)}+0x{k:x}/0x100\n" for k in range(10)) for _ in range(200)]
    out = []
    for i in range(records):
        order = rng.choice((0, 0, 0, 3))
        out.append(
            f"Page allocated via order {order}, mask 0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO), "
            f"pid {i % 4000}, tgid {i % 4000} (kl), ts {i * 1000} ns\nPFN {i << 3:#x} type Movable Block {i >> 6} "
            f"type Movable Flags 0x8000002003c(uptodate|lru)\n{rng.choice(stacks)}\n"
        )
    return "".join(out).encode()
