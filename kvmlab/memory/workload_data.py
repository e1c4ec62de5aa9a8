"""The buffers that graphics stacks ask for, and mixes of them, as tables: each size with its basis."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from kvmlab.memory.ttm_buffer import buffer_pages
from kvmlab.memory.ttm_device import caching_of
from kvmlab.memory.ttm_state import Caching


@dataclass(frozen=True, slots=True)
class GraphicsObject:
    """A kind of buffer.

    Args:
        name: its name in the tables.
        bytes: its size.
        basis: `read`, `documented`, `derived`, `inferred` or `choice`.
        source: where the size is from.
    """

    name: str
    bytes: int
    basis: str
    source: str

    @property
    def pages(self) -> int:
        """Pages of 4 KiB."""
        return buffer_pages(self.bytes)


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of buffer in a workload.

    Args:
        object: which.
        weight: its share of the allocations.
        caching: what the driver asks for.
        lifetime: mean number of later allocations until it is freed; 0 for never.
    """

    object: GraphicsObject
    weight: float
    caching: Caching
    lifetime: int


@dataclass(frozen=True, slots=True)
class Workload:
    """A mix of buffers; plausible, not measured.

    Args:
        name: its name.
        parts: what it consists of.
    """

    name: str
    parts: tuple[Part, ...]


def _rows(name: str) -> list[dict[str, str]]:
    text = files("kvmlab.kernel").joinpath(f"data/{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


@cache
def graphics_objects() -> dict[str, GraphicsObject]:
    """The kinds of buffers, by name.

    >>> graphics_objects()["surface_4k"].pages
    8100
    """
    return {
        r["name"]: GraphicsObject(r["name"], int(r["bytes"]), r["basis"], r["source"]) for r in _rows("ttm_objects")
    }


@cache
def workloads() -> dict[str, Workload]:
    """The workloads, by name.

    >>> sorted(workloads())
    ['compositor', 'desktop', 'game']
    """
    parts: dict[str, list[Part]] = {}
    for r in _rows("ttm_workloads"):
        part = Part(graphics_objects()[r["object"]], float(r["weight"]), caching_of(r["caching"]), int(r["lifetime"]))
        parts.setdefault(r["workload"], []).append(part)
    return {name: Workload(name, tuple(found)) for name, found in parts.items()}
