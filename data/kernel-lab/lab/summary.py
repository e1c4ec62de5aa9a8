"""What a storm's records say, in a few numbers: puts, drains, who survived, how the guest ended."""

from __future__ import annotations

import gzip
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def read(folder: Path, name: str) -> str:
    """Return a file of a run, packed or not; empty when the run left none."""
    plain, packed = folder / name, folder / f"{name}.gz"
    if packed.exists():
        return gzip.decompress(packed.read_bytes()).decode(errors="replace")
    return plain.read_text(errors="replace") if plain.exists() else ""


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the JSON lines of a file of a run."""
    return [json.loads(line) for line in read(folder, name).splitlines() if line.startswith("{")]


@dataclass(frozen=True, slots=True)
class Drain:
    """Bad pages that one emptying of one CPU's batch reported, in order."""

    cpu: int
    comm: str
    reason: str
    callers: tuple[str, ...]
    pfns: tuple[int, ...]

    @property
    def direct(self) -> bool:
        """Whether the put itself freed the page, not a batch."""
        return not any("folio_batch_move_lru" in caller for caller in self.callers)


@dataclass(frozen=True, slots=True)
class Storm:
    """One storm run."""

    release: str
    run: str
    puts: tuple[dict[str, Any], ...]
    spared: int
    lookups: int
    drains: tuple[Drain, ...]
    vcpus: tuple[dict[str, Any], ...]
    ends: tuple[dict[str, Any], ...]
    printed: int
    reasons: Counter[str]
    flags: Counter[str]
    warnings: Counter[str]

    @property
    def reported(self) -> list[int]:
        """The pfns of all calls of bad_page(), in order."""
        return [pfn for drain in self.drains for pfn in drain.pfns]

    def put_index(self) -> dict[int, int]:
        """The place of each page among the puts of its own vCPU."""
        seen: Counter[int] = Counter()
        index: dict[int, int] = {}
        for put in self.puts:
            index.setdefault(int(put["pfn"], 16), seen[put["vcpu"]])
            seen[put["vcpu"]] += 1
        return index


def drains(log: list[dict[str, Any]]) -> Iterator[Drain]:
    """Group calls of bad_page() by CPU, stack and the batch that was being moved."""
    open_: dict[int, tuple[tuple[Any, ...], list[dict[str, Any]]]] = {}
    done: list[list[dict[str, Any]]] = []
    moves: Counter[int] = Counter()
    for row in log:
        cpu = row.get("cpu", -1)
        if row["event"] == "folio_batch_move_lru":
            moves[cpu] += 1
        if row["event"] != "bad_page":
            continue
        key = (tuple(row["stack"]), row["reason"], row["pid"], moves[cpu])
        if cpu in open_ and open_[cpu][0] == key:
            open_[cpu][1].append(row)
        else:
            open_[cpu] = (key, [row])
            done.append(open_[cpu][1])
    for group in done:
        first = group[0]
        pfns = tuple(int(row["pfn"], 16) for row in group)
        yield Drain(first["cpu"], first["comm"], first["reason"], tuple(first["stack"]), pfns)


def read_storm(folder: Path) -> Storm:
    """Read one storm run from its folder."""
    manifest = tomllib.loads((folder / "manifest.toml").read_text())
    log = rows(folder, "storm/log.jsonl")
    walked = rows(folder, "storm/storm.jsonl")
    counts = dict(line.split() for line in read(folder, "storm/counts.txt").splitlines())
    console = read(folder, "storm/dmesg.txt")
    return Storm(
        release=manifest["release"],
        run=manifest["run"],
        puts=tuple(row for row in log if row["event"] == "stale_put"),
        spared=int(counts.get("stale_spared", 0)),
        lookups=int(counts.get("stale_lookups", 0)),
        drains=tuple(drains(log)),
        vcpus=tuple(row for row in walked if "ret" in row),
        ends=tuple(row for row in walked if "i" in row),
        printed=len(re.findall(r"BUG: Bad page state in process", console)),
        reasons=Counter(re.findall(r"page dumped because: (.*)", console)),
        flags=Counter(re.findall(r"flags: 0x[0-9a-f]+\((.*?)\|?(?:node|zone)=", console)),
        warnings=Counter(re.findall(r"WARNING:.* at (\S+ \w+)", console)),
    )


def describe(storm: Storm) -> str:
    """Return a run in a few lines of text."""
    sizes: Counter[tuple[int, str]] = Counter()
    for drain in storm.drains:
        sizes[len(drain.pfns), "direct" if drain.direct else "drain"] += 1
    groups = ", ".join(f"{n} x {size} by {how}" for (size, how), n in sorted(sizes.items(), reverse=True))
    ends = Counter((row["seq"][0]["refcount"], row["seq"][0]["mapcount_raw"] + 1) for row in storm.ends)
    left = ", ".join(f"{n} pages {ref}/{mapped}" for (ref, mapped), n in sorted(ends.items()))
    guests = Counter("to the end" if row["ret"] == 0 else f"errno {row['errno']}" for row in storm.vcpus)
    return "\n".join(
        [
            f"{storm.release} {storm.run}",
            f"  look-ups {storm.lookups}, stale puts {len(storm.puts)}, spared {storm.spared},"
            f" bad pages {len(storm.reported)}, printed {storm.printed}",
            f"  groups: {groups or 'none'}",
            f"  reasons {dict(storm.reasons)}, flags {dict(storm.flags)}, warnings {dict(storm.warnings)}",
            f"  vCPUs: {dict(guests)}; at the end refcount/mapcount: {left}",
        ]
    )


def describe_all(root: Path) -> str:
    """Return all storms and controls below a folder of captures in a few lines each."""
    found = sorted(path.parent for path in root.glob("*/*/manifest.toml") if (path.parent / "storm").is_dir())
    return "\n".join(describe(read_storm(folder)) for folder in found)
