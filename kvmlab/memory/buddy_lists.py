"""Circular lists with a head each, linked through the pages: the kernel's list_head, as indices."""

from __future__ import annotations

from kvmlab.memory.buddy_engine import hot, i64, u64
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
    return i64(s.nxt[u64(head)]) == head


@hot
def list_add(s: State, head: int, i: int) -> None:
    """Link a block as the first of a list."""
    first = i64(s.nxt[u64(head)])
    s.nxt[u64(i)] = first
    s.prv[u64(i)] = head
    s.prv[u64(first)] = i
    s.nxt[u64(head)] = i


@hot
def list_add_tail(s: State, head: int, i: int) -> None:
    """Link a block as the last of a list."""
    last = i64(s.prv[u64(head)])
    s.prv[u64(i)] = last
    s.nxt[u64(i)] = head
    s.nxt[u64(last)] = i
    s.prv[u64(head)] = i


@hot
def list_del(s: State, i: int) -> None:
    """Unlink a block from whatever list it is on."""
    before = i64(s.prv[u64(i)])
    after = i64(s.nxt[u64(i)])
    s.nxt[u64(before)] = after
    s.prv[u64(after)] = before
