"""A rule-based state machine drives pages and batches against a naive ledger of names."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kvmlab.kvm.config import Config
from kvmlab.kvm.policies import find_policy
from kvmlab.kvm.system import System
from kvmlab.memory.folio_batch import batch_entries, drain, folio_add_lru
from kvmlab.memory.ledger import ALLOCATION, BATCH, FAULT, PTE, Ledger, holder_name
from kvmlab.memory.page import alloc_anon, get_page, lowest_free, put_page, refcount
from kvmlab.memory.page_state import page_state

PAGES = 4
CAPACITY = 3
SEEN: Counter[str] = Counter()


class Pages(RuleBasedStateMachine):
    """Frames, one batch, and a book kept beside them in the simplest way."""

    @initialize(check_pages=st.booleans())
    def start(self, check_pages: bool) -> None:
        config = Config(
            find_policy("d"), pages=PAGES, gfns=PAGES, vcpus=4, batch=CAPACITY, zaps=0, tracked=True,
            check_pages=check_pages, resets_mapcount=False,
        )  # fmt: skip
        system = System(config)
        self.m, self.s, self.checked = system.machine.matter, system.first, check_pages
        self.ledger = Ledger()
        self.holders: dict[int, list[str]] = {page: [] for page in range(PAGES)}
        self.use = dict.fromkeys(range(PAGES), "free")
        self.mapped = dict.fromkeys(range(PAGES), 0)
        self.batch: list[int] = []

    def _put(self, page: int, holder: str) -> None:
        if holder in self.holders[page]:
            self.holders[page].remove(holder)
        else:
            self.holders[page].pop()
            SEEN["stray put"] += 1
        if not self.holders[page]:
            bad = self.mapped[page] > 0
            self.use[page] = "leaked" if bad and self.checked else "free"
            SEEN["bad page" if bad else "clean free"] += 1

    def _drain(self) -> None:
        pages, self.batch = self.batch, []
        for page in pages:
            self._put(page, holder_name(BATCH))
        SEEN["drain"] += 1

    @precondition(lambda self: "free" in self.use.values())
    @rule()
    def allocate(self) -> None:
        page = lowest_free(self.s, self.m)
        assert page == min(p for p, use in self.use.items() if use == "free")
        if self.mapped[page]:
            return
        self.s = alloc_anon(self.s, page, page, self.ledger, self.m)
        self.use[page], self.holders[page], self.mapped[page] = "anonymous", [holder_name(ALLOCATION)], 1

    def _some(self, data: st.DataObject) -> int | None:
        live = [p for p, use in self.use.items() if use == "anonymous"]
        return data.draw(st.sampled_from(live)) if live else None

    @rule(data=st.data())
    def join_the_batch(self, data: st.DataObject) -> None:
        page = self._some(data)
        if page is None or page in self.batch:
            return
        self.s = folio_add_lru(self.s, page, self.ledger, self.m)
        self.holders[page].append(holder_name(BATCH))
        self.batch.append(page)
        if len(self.batch) == CAPACITY:
            self._drain()

    @rule(data=st.data(), v=st.integers(0, 3))
    def get(self, data: st.DataObject, v: int) -> None:
        page = self._some(data)
        if page is None or len(self.holders[page]) >= 4:
            return
        self.s = get_page(self.s, page, FAULT + v, self.ledger, self.m)
        self.holders[page].append(holder_name(FAULT + v))

    @rule(data=st.data(), v=st.integers(0, 3))
    def put(self, data: st.DataObject, v: int) -> None:
        """By a fault that may or may not hold a reference."""
        page = self._some(data)
        if page is None or (page in self.batch and len(self.holders[page]) == 1):
            return
        self.s = put_page(self.s, page, FAULT + v, self.ledger, self.m)
        self._put(page, holder_name(FAULT + v))

    @rule(data=st.data())
    def hand_over(self, data: st.DataObject) -> None:
        page = self._some(data)
        if page is None or holder_name(ALLOCATION) not in self.holders[page]:
            return
        self.ledger.hand_over(page, ALLOCATION, PTE)
        self.holders[page][self.holders[page].index(holder_name(ALLOCATION))] = holder_name(PTE)

    @rule()
    def drain(self) -> None:
        self.s = drain(self.s, self.ledger, self.m)
        self._drain()

    @invariant()
    def counts_are_holders(self) -> None:
        if not hasattr(self, "s"):
            return
        for page in range(PAGES):
            state = page_state(self.s, page, self.m)
            assert state.use == self.use[page]
            assert refcount(self.s, page, self.m) == len(self.holders[page])
            assert state.mapcount == self.mapped[page]
        assert batch_entries(self.s, self.m) == len(self.batch)

    @invariant()
    def the_book_knows_every_stray_put(self) -> None:
        if not hasattr(self, "s"):
            return
        for page in range(PAGES):
            if self.use[page] == "anonymous" and not self.ledger.stray_puts(page):
                assert sorted(self.ledger.holders(page)) == sorted(self.holders[page])


TestPages = Pages.TestCase
TestPages.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)


def test_the_interesting_states_were_reached() -> None:
    """Runs after the machine above in this module: it must have seen drains, strays, bad pages and clean frees."""
    if not SEEN:
        Pages.TestCase.settings = settings(max_examples=60, deadline=None)
        Pages.TestCase("runTest").runTest()
    assert SEEN["drain"] > 0
    assert SEEN["stray put"] > 0
    assert SEEN["bad page"] > 0
