"""Writing the release's rules, the zones' numbers and the zonelists into a new state."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from kvmlab.kernel.buddy_releases import ReleaseFeatures
from kvmlab.memory import buddy_state as at
from kvmlab.memory.zone import Zone, ZoneError, ZoneNumbers

# Two links, a byte for its state, and some more while free blocks are being placed.
BYTES_A_PAGE = 10
MOST_MEMORY = 0.6

FREE_STYLES = {"round_robin": 0, "free_factor": 1, "free_count": 2, "free_count_batched": 3}


@dataclass(frozen=True, slots=True)
class Switches:
    """What can be switched off: per-CPU lists, pageblock types, watermarks, the drain, the event log, order-9 lists."""

    pcp: bool
    migratetypes: bool
    watermarks: bool
    drain: bool
    log: bool
    thp: bool


def set_rules(
    s: at.State, features: ReleaseFeatures, switches: Switches, counts: tuple[int, int, int], base: int
) -> None:
    """Fill `rule` from the features of a release and the switches.

    Args:
        s: a new state.
        features: those of the release.
        switches: what is on.
        counts: zones, nodes and CPUs.
        base: pfn of index 0.
    """
    rule = s.rule
    rule[at.R_ZONES], rule[at.R_NODES], rule[at.R_CPUS] = counts
    rule[at.R_PCP], rule[at.R_MT] = switches.pcp, switches.migratetypes
    rule[at.R_WMARK], rule[at.R_LOG], rule[at.R_DRAIN] = switches.watermarks, switches.log, switches.drain
    rule[at.R_CLAIM] = features["fallback"] == "claim_then_steal"
    rule[at.R_FREE_CUT] = features["free_cut"] == "pageblocks"
    rule[at.R_REFILL] = features["pcp_refill"] == "autotune"
    rule[at.R_PCP_FREE] = FREE_STYLES[features["pcp_free"]]
    rule[at.R_THP] = int(features["pcp_thp_lists"]) if switches.thp else 0
    rule[at.R_TYPE_AT_DRAIN] = features["pcp_type"] == "at_drain"
    rule[at.R_NORETRY_STOP] = features["noretry_thisnode"] == "every"
    rule[at.R_BASE_PFN] = base
    s.ctx[at.C_BO] = s.ctx[at.C_POOL] = -1


def set_zones(
    s: at.State,
    zones: Sequence[Zone],
    base: int,
    cpus: int,
    numbers: Sequence[ZoneNumbers],
    batch: int | None,
    high: int | None,
) -> None:
    """Fill the rows of the zones and of their per-CPU page sets, the zone of every pageblock, and the zonelists."""
    for z, (zone, n) in enumerate(zip(zones, numbers, strict=True)):
        row = s.zone[z]
        row[at.Z_START], row[at.Z_END] = zone.start - base, zone.end - base
        row[at.Z_NID], row[at.Z_KIND], row[at.Z_MANAGED] = zone.nid, zone.kind, zone.pages
        row[at.Z_MIN], row[at.Z_LOW], row[at.Z_HIGH] = n.minimum, n.low, n.high
        row[at.Z_RESERVE : at.Z_RESERVE + 4] = n.reserve
        first = (zone.start - base) >> at.PB_ORDER
        s.block[first : -(-(zone.end - base) // at.PB_PAGES)] = z << at.ZONE_SHIFT
        sets = s.pcp[z * cpus : (z + 1) * cpus]
        sets[:, at.P_BATCH] = n.batch if batch is None else batch
        sets[:, at.P_HIGH_MIN] = sets[:, at.P_HIGH] = n.high_min if high is None else high
        sets[:, at.P_HIGH_MAX] = n.high_max if high is None else high
        sets[:, at.P_HIGH_BATCH] = 1
    nodes = int(s.rule[at.R_NODES])
    for nid in range(nodes):
        # The node itself, then the next ones in turn; in each the highest zone first.
        near = sorted(range(len(zones)), key=lambda z: ((zones[z].nid - nid) % nodes, -zones[z].kind))
        for kind in range(at.NR_KINDS):
            line = [z for z in near if zones[z].kind <= kind and zones[z].pages]
            s.zonelist[nid * at.NR_KINDS + kind, : len(line)] = line


def check_room(pages: int) -> None:
    """Refuse a machine whose state would take most of this computer's memory.

    Args:
        pages: length of the index space.

    Raises:
        ZoneError: it does.
    """
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return
    needed = pages * BYTES_A_PAGE
    if needed > there * MOST_MEMORY:
        raise ZoneError(
            f"a machine of {pages} pages takes {needed / 1e9:.1f} GB to simulate, too much for a computer that has "
            f"{there / 1e9:.1f} GB."
        )
