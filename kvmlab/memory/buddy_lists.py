"""Circular lists with a head each, linked through the pages: the kernel's list_head, as indices."""

from __future__ import annotations

from kvmlab.memory.buddy_engine import hot, i64
from kvmlab.memory.buddy_state import NR_MT, NR_ORDERS, PCP_LISTS, R_CPUS, R_ZONES, State


@hot
def free_list(s: State, z: int, order: int, mt: int) -> int:
    """Head of the free list of a zone, an order and a migratetype."""
    return i64(s.page.shape[0] + (z * NR_ORDERS + order) * NR_MT + mt)


@hot
def pcp_list(s: State, z: int, cpu: int, pindex: int) -> int:
    """Head of a per-CPU list."""
    zones = s.rule[R_ZONES]
    return i64(s.page.shape[0] + zones * NR_ORDERS * NR_MT + (z * s.rule[R_CPUS] + cpu) * PCP_LISTS + pindex)


@hot
def list_empty(s: State, head: int) -> bool:
    """Whether nothing is linked to a head."""
    return i64(s.nxt[head]) == head


@hot
def list_add(s: State, head: int, i: int) -> None:
    """Link a block as the first of a list."""
    first = i64(s.nxt[head])
    s.nxt[i] = first
    s.prv[i] = head
    s.prv[first] = i
    s.nxt[head] = i


@hot
def list_add_tail(s: State, head: int, i: int) -> None:
    """Link a block as the last of a list."""
    last = i64(s.prv[head])
    s.prv[i] = last
    s.nxt[i] = head
    s.nxt[last] = i
    s.prv[head] = i


@hot
def list_del(s: State, i: int) -> None:
    """Unlink a block from whatever list it is on."""
    before = i64(s.prv[i])
    after = i64(s.nxt[i])
    s.nxt[before] = after
    s.prv[after] = before
