"""/proc/zoneinfo: where the zones are, their watermarks, counters and per-CPU lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kvmlab.capture.malformed import Malformed, numbered, u64, unquoted

if TYPE_CHECKING:
    import pandas as pd

_ZONE = re.compile(r"Node +([0-9]{1,5}), +zone +(\S{1,32})$")
_PAIR = re.compile(r"([A-Za-z][\w-]{0,63}(?: [a-z_]{1,32}){0,2}):? +([0-9]{1,20})$")
_PER_CPU = frozenset(("count", "high", "low", "batch", "high_min", "high_max", "vm stats threshold"))
_CPU = re.compile(r"cpu: +([0-9]{1,6})$")
_PROTECTION = re.compile(r"protection: *\(([0-9, ]*)\)$")


@dataclass(frozen=True, slots=True)
class PageSet:
    """The per-CPU list of one zone and CPU: `count`, `high`, `batch` and, in newer kernels, `high_min`, `high_max`."""

    cpu: int
    values: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone of /proc/zoneinfo; numbers are pages unless their name says otherwise.

    Args:
        node: NUMA node.
        zone: zone name.
        pages: the `pages` block: free, boost, min, low, high, promo, spanned, present, managed, cma (those printed).
        protection: lowmem_reserve by requesting zone class, in pages.
        counters: every other `name value` pair of the zone, in the order of the text.
        per_node: the node's counters; they are printed inside the first zone of a node only.
        pagesets: per-CPU lists.
        start_pfn: first pfn that the zone spans; None where the text has none (an unpopulated zone).
        line: number of its first line.
    """

    node: int
    zone: str
    pages: Mapping[str, int]
    protection: tuple[int, ...]
    counters: Mapping[str, int]
    per_node: Mapping[str, int]
    pagesets: tuple[PageSet, ...]
    start_pfn: int | None
    line: int


@dataclass(frozen=True, slots=True)
class Zoneinfo:
    """All of a /proc/zoneinfo: `zones` in the order of the text, and the lines that are `malformed`."""

    zones: tuple[Zone, ...]
    malformed: tuple[Malformed, ...] = ()

    def zone(self, name: str, node: int = 0) -> Zone | None:
        """The zone of that name on that node, None if the text has none."""
        return next((z for z in self.zones if z.zone == name and z.node == node), None)

    def df_zones(self) -> pd.DataFrame:
        """One row a zone: node, zone, then start_pfn and the numbers of its `pages` block as UInt64 (pages)."""
        import pandas as pd

        names = ["free", "min", "low", "high", "spanned", "present", "managed", "cma"]
        cells = [(z.node, z.zone, z.start_pfn, *(z.pages.get(n) for n in names)) for z in self.zones]
        frame = pd.DataFrame(cells, columns=["node", "zone", "start_pfn", *names], dtype=object)
        return frame.astype({"node": "int16", "zone": "str", **dict.fromkeys(["start_pfn", *names], "UInt64")})

    def df_pagesets(self) -> pd.DataFrame:
        """One row a zone and CPU: node, zone, cpu int32, count, high, batch, high_min, high_max as UInt64."""
        import pandas as pd

        names = ["count", "high", "batch", "high_min", "high_max"]
        cells = [(z.node, z.zone, p.cpu, *(p.values.get(n) for n in names)) for z in self.zones for p in z.pagesets]
        frame = pd.DataFrame(cells, columns=["node", "zone", "cpu", *names], dtype=object)
        return frame.astype({"node": "int16", "zone": "str", "cpu": "int32", **dict.fromkeys(names, "UInt64")})

    def df_counters(self) -> pd.DataFrame:
        """One row a counter: node int16, zone, scope (`zone` or `node`), counter, value uint64."""
        import pandas as pd

        cells = [
            (z.node, z.zone, scope, name, value)
            for z in self.zones
            for scope, counters in (("node", z.per_node), ("zone", z.counters))
            for name, value in counters.items()
        ]
        frame = pd.DataFrame(cells, columns=["node", "zone", "scope", "counter", "value"])
        return frame.astype({"node": "int16", "value": "uint64"})


@dataclass(slots=True)
class _Open:
    """A zone while its lines are being read."""

    node: int
    zone: str
    line: int
    pages: dict[str, int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    per_node: dict[str, int] = field(default_factory=dict)
    cpus: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    protection: tuple[int, ...] = ()
    start_pfn: int | None = None
    part: str = "counters"

    def close(self) -> Zone:
        sets = tuple(PageSet(cpu, values) for cpu, values in self.cpus)
        return Zone(
            self.node,
            self.zone,
            self.pages,
            self.protection,
            self.counters,
            self.per_node,
            sets,
            self.start_pfn,
            self.line,
        )

    def put(self, name: str, value: int) -> None:
        if name == "pages free":
            self.part, name = "pages", "free"
        elif name == "start_pfn":
            self.start_pfn = value
            return
        elif name == "node_unreclaimable" or (self.part == "pages" and name.startswith("nr_")):
            # The `pages` block has no end mark: the first counter behind it ends it.
            self.part = "counters"
        if self.part == "cpu" and self.cpus and name in _PER_CPU:
            self.cpus[-1][1][name] = value
        elif self.part == "pages":
            self.pages[name] = value
        elif self.part == "node":
            self.per_node[name] = value
        else:
            self.counters[name] = value


def parse_zoneinfo(text: str | bytes) -> Zoneinfo:
    """Read /proc/zoneinfo of any release; unknown `name value` lines are counters.

    Args:
        text: the file.

    Source: mm/vmstat.c zoneinfo_show_print() (6.1, 6.12, 7.2); captures of 6.12 and 7.3; public samples of 2.6 to 5.x.

    >>> info = parse_zoneinfo("Node 0, zone DMA\\n  pages free 3808\\n        managed  3840\\n  start_pfn: 1\\n")
    >>> info.zones[0].pages["managed"], info.zones[0].start_pfn
    (3840, 1)
    """
    zones: list[Zone] = []
    malformed: list[Malformed] = []
    now: _Open | None = None
    for number, line in numbered(text):
        plain = unquoted(line)
        if not plain:
            continue
        if found := _ZONE.match(plain):
            if now is not None:
                zones.append(now.close())
            now = _Open(int(found[1]), found[2], number)
        elif now is None:
            malformed.append(Malformed(number, line, "expected `Node N, zone NAME` before anything else."))
        elif plain == "per-node stats":
            now.part = "node"
        elif plain == "pagesets":
            now.part = "cpu"
        elif found := _CPU.match(plain):
            now.part = "cpu"
            now.cpus.append((int(found[1]), {}))
        elif found := _PROTECTION.match(plain):
            now.protection = tuple(v for w in found[1].split(",") if (v := u64(w.strip())) is not None)
            now.part = "counters"
        elif (found := _PAIR.match(plain)) and (value := u64(found[2])) is not None:
            now.put(found[1], value)
        else:
            malformed.append(Malformed(number, line, "expected `name value` inside a zone."))
    if now is not None:
        zones.append(now.close())
    return Zoneinfo(tuple(zones), tuple(malformed))
