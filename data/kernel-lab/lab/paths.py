"""Where the lab keeps what it downloads and builds: one cache folder outside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
"""`data/kernel-lab/`: the recipe."""


def cache() -> Path:
    """Return the cache folder: `$KERNEL_LAB_CACHE`, else `~/.cache/kvmlab-lab`."""
    given = os.environ.get("KERNEL_LAB_CACHE")
    return Path(given).expanduser().resolve() if given else Path.home() / ".cache" / "kvmlab-lab"


def fresh(path: Path) -> Path:
    """Make the parent of a path and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
