"""An independent twin of the model: the same system in tuples, lists and sets, without the step functions.

It shares nothing with `kvmlab.kvm` but the configuration that it is given: no packed state, no traits of policies, no
page rules. Tests compare it with the model state by state; the benchmark measures how much slower plain Python is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

FREE, ANON, DRIVER, LEAKED = 0, 1, 2, 3
NONE, ZERO = 0, 1
(IDLE, EARLY, LOOKUP, COPY, COW_END, LATE, LOCKED, RELEASE, EXITED) = range(9)
CUTTING = {"I1", "I2", "I3", "I5", "I7", "I8", "block lost"}

State = tuple[Any, ...]


class Work:
    """A state that can be changed, and what has gone wrong while it was."""

    def __init__(self, twin: Twin, state: State) -> None:
        use, ref, mapped, pte, spte, counted, busy, batch, vcpus, mm, driver = state
        self.twin, self.wrong = twin, set[str]()
        self.use, self.ref, self.mapped = list(use), list(ref), list(mapped)
        self.pte, self.spte, self.counted, self.busy = list(pte), list(spte), list(counted), list(busy)
        self.batch, self.vcpus, self.mm, self.driver = list(batch), [list(v) for v in vcpus], list(mm), driver

    def freeze(self) -> State:
        return (
            tuple(self.use), tuple(self.ref), tuple(self.mapped), tuple(self.pte), tuple(self.spte),
            tuple(self.counted), tuple(self.busy), tuple(self.batch), tuple(tuple(v) for v in self.vcpus),
            tuple(self.mm), self.driver,
        )  # fmt: skip

    # Pages.
    def put(self, page: int) -> None:
        """Drop a reference for KVM, the mm thread or the batch."""
        if self.ref[page] < 0:
            return
        self.ref[page] -= 1
        if self.ref[page] == 0:
            if self.use[page] == DRIVER:
                self.wrong.add("I7")
            self.use[page] = LEAKED if self.mapped[page] else FREE

    def drain(self) -> None:
        pages, self.batch = self.batch, []
        for page in pages:
            self.put(page)

    def new_page(self, g: int) -> None:
        page = self.use.index(FREE)
        self.use[page], self.ref[page] = ANON, 2
        self.mapped[page] += 1
        self.batch.append(page)
        if len(self.batch) == self.twin.batch:
            self.drain()
        self.pte[g] = page + 2

    def touch(self, what: int) -> None:
        """v11 marks a page that it has no reference of."""
        if what >= 2 and self.twin.gfns:
            page = what - 2
            if self.use[page] in (FREE, LEAKED) or (self.use[page] == ANON and self.ref[page] <= 0):
                self.wrong.add("I8")

    # The notifier.
    def start(self, g: int) -> None:
        self.busy[g] += 1
        what = self.spte[g]
        policy = self.twin.policy
        if policy in ("a", "b57", "b68") or (policy.startswith("c") and self.counted[g]):
            self.touch(what)
        self.spte[g] = NONE
        self.counted[g] = 0

    def end(self, g: int) -> None:
        self.busy[g] -= 1
        for v in self.vcpus:
            if v[0] not in (IDLE, EXITED):
                v[3] = 1

    def put_found(self, v: list[int]) -> None:
        if v[4] >= 2:
            self.put(v[4] - 2)


class Twin:
    """The system of one configuration, with a policy given by its short name."""

    def __init__(
        self, policy: str, *, vcpus: int = 1, gfns: int = 1, pages: int = 2, batch: int = 2, zaps: int = 1,
        driver: str = "none", driver_page: str = "tail", reads: bool = True, writes: bool = True,
    ) -> None:  # fmt: skip
        self.policy, self.gfns, self.batch, self.zaps, self.driver = policy, gfns, batch, zaps, driver
        self.accesses = [a for a, wanted in ((0, reads), (1, writes)) if wanted]
        self.owned = driver_page == "refcounted"
        extra = driver != "none"
        self.all_gfns = gfns + extra
        self.first: State = (
            (DRIVER,) * extra + (FREE,) * pages,
            (int(self.owned),) * extra + (0,) * pages,
            (0,) * (pages + extra),
            (NONE,) * gfns + (2,) * extra,
            (NONE,) * self.all_gfns,
            (0,) * self.all_gfns,
            (0,) * self.all_gfns,
            (),
            ((IDLE, 0, 0, 0, NONE, 0),) * vcpus,
            ("idle", 0, NONE, zaps),
            {"none": "none", "good": "owns", "bad": "unmapped"}[driver],
        )

    def steps(self, state: State) -> Iterator[Work]:
        """Every step that the state allows."""
        vcpus, mm, driver = state[8], state[9], state[10]
        for number, v in enumerate(vcpus):
            if v[0] == IDLE:
                for g in range(self.all_gfns):
                    for access in self.accesses:
                        spte = state[4][g]
                        if spte == NONE or (spte == ZERO and access):
                            w = Work(self, state)
                            first = LOOKUP if self.policy in ("a", "b57", "c_base") else EARLY
                            w.vcpus[number][:3] = [first, g, access]
                            yield w
            elif (w := self.fault(Work(self, state), number)) is not None:
                yield w
        if mm[0] != "idle" or mm[3]:
            yield self.zap(Work(self, state))
        if driver not in ("none", "gone"):
            yield self.unmap(Work(self, state))
        if state[7]:
            w = Work(self, state)
            w.drain()
            yield w

    def fault(self, w: Work, number: int) -> Work | None:
        """The next step of a fault, None if it waits for memory or has left KVM_RUN."""
        v = w.vcpus[number]
        pc, g, access = v[:3]
        policy = self.policy
        fresh = [IDLE, 0, 0, 0, NONE, 0]
        stale = bool(w.busy[g] or v[3])
        early = policy in ("b68", "c_69", "c_fix", "d")
        pfnmap = g >= self.gfns
        holds = policy in ("a", "b57", "b68") or (policy == "d" and not pfnmap)
        if pc == EARLY:
            if stale:
                v[:] = fresh
            else:
                v[0] = LOOKUP
        elif pc == LOOKUP and pfnmap:
            if w.pte[g] == NONE:
                v[:] = fresh
                return w
            page = w.pte[g] - 2
            if policy == "a" or (policy in ("b57", "b68") and w.ref[page] > 0):
                w.ref[page] += 1
            elif policy in ("b57", "b68"):
                v[0] = EXITED
                w.wrong.add("refused")
                return w
            elif policy.startswith("c") and w.ref[page] > 0:
                v[5] = 1
            v[0], v[4] = (LATE if early else LOCKED), w.pte[g]
        elif pc == LOOKUP:
            if w.pte[g] == NONE and not access:
                w.pte[g] = ZERO
            elif w.pte[g] == NONE:
                if FREE not in w.use:
                    return None
                w.new_page(g)
            elif w.pte[g] == ZERO and access:
                w.start(g)
                v[0] = COPY
            else:
                v[0], v[4] = (LATE if early else LOCKED), w.pte[g]
                if w.pte[g] >= 2:
                    w.ref[w.pte[g] - 2] += holds
                    v[5] = int(policy.startswith("c"))
        elif pc == COPY:
            if w.pte[g] == ZERO:
                if FREE not in w.use:
                    return None
                w.new_page(g)
            v[0] = COW_END
        elif pc == COW_END:
            w.end(g)
            v[0] = LOOKUP
        elif pc == LATE and not stale:
            v[0] = LOCKED
        elif pc == LATE:
            if policy in ("b68", "c_69"):
                if v[4] == ZERO and policy == "c_69":
                    w.wrong.add("I10")
                w.put_found(v)
            elif policy == "c_fix" and v[5]:
                w.touch(v[4])
            elif policy == "d" and holds:
                w.put_found(v)
            v[:] = fresh
        elif pc == LOCKED:
            if not stale:
                w.spte[g], w.counted[g] = v[4], v[5]
            if policy in ("a", "b57", "b68") and v[4] >= 2:
                v[0] = RELEASE
                return w
            if policy.startswith("c") and v[5]:
                w.touch(v[4])
            elif policy == "d" and holds:
                w.put_found(v)
            v[:] = fresh
        elif pc == RELEASE:
            w.put_found(v)
            v[:] = fresh
        else:
            return None
        return w

    def zap(self, w: Work) -> Work:
        pc, g, what, left = w.mm
        if pc == "idle":
            g = (self.zaps - left) % self.gfns
            w.start(g)
            w.mm = ["started", g, NONE, left - 1]
        elif pc == "started":
            what, w.pte[g] = w.pte[g], NONE
            if what >= 2:
                w.mapped[what - 2] -= 1
                w.mm = ["gathered", g, what, left]
            else:
                w.mm = ["cleared", g, NONE, left]
        elif pc == "gathered":
            w.put(what - 2)
            w.mm = ["cleared", g, NONE, left]
        else:
            w.end(g)
            w.mm = ["idle", 0, NONE, left]
        return w

    def unmap(self, w: Work) -> Work:
        g = self.gfns
        if w.driver == "owns":
            w.start(g)
            w.driver = "unmapping"
        elif w.driver == "unmapping":
            w.pte[g] = NONE
            w.driver = "cleared"
        elif w.driver == "cleared":
            w.end(g)
            w.driver = "unmapped"
        else:
            others = w.ref[0] - self.owned
            if others > 0 and self.driver == "good":
                w.wrong |= {"I9"} if self.owned else {"I9", "block lost"}
            if self.owned:
                w.use[0] = ANON
                w.put(0)
            else:
                w.use[0] = LEAKED if others else FREE
            w.driver = "gone"
        return w

    def broken(self, w: Work) -> set[str]:
        """What the state itself breaks."""
        wrong = set[str]()
        if min(w.ref) < 0:
            wrong.add("I2")
        if any(u in (FREE, LEAKED) and m for u, m in zip(w.use, w.mapped, strict=True)):
            wrong.add("I3")
        for g, what in enumerate(w.spte):
            if what >= 2 and (w.use[what - 2] in (FREE, LEAKED) or what in w.pte[:g] + w.pte[g + 1 :]):
                wrong.add("I1")
            if what != NONE and what != w.pte[g] and not w.busy[g]:
                wrong.add("I5")
        if any(w.use[page] != ANON for page in w.batch):
            wrong.add("I11")
        resting = all(v[0] in (IDLE, EXITED) for v in w.vcpus) and w.mm[0] == "idle"
        if resting and w.driver not in ("unmapping", "cleared") and self.gfns:
            for page, use in enumerate(w.use):
                holders = w.pte[: self.gfns].count(page + 2) + w.batch.count(page)
                if use in (FREE, ANON) and w.ref[page] != holders:
                    wrong.add("I4")
        return wrong

    def explore(self, most: int = 10**9) -> tuple[dict[State, int], int, dict[str, int]]:
        """All states with their depth, the number of transitions, and the depth at which each rule breaks first."""
        depths, transitions, first = {self.first: 0}, 0, dict[str, int]()
        queue = [self.first]
        for state in queue:
            for w in self.steps(state):
                transitions += 1
                wrong = w.wrong if w.wrong & CUTTING else w.wrong | self.broken(w)
                for name in wrong:
                    first.setdefault(name, depths[state] + 1)
                after = w.freeze()
                if not wrong & CUTTING and after not in depths:
                    depths[after] = depths[state] + 1
                    queue.append(after)
            if len(queue) > most:
                break
        return depths, transitions, first
