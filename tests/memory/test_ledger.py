"""The book of references: who holds what, and which put was nobody's to make."""

from __future__ import annotations

from kvmlab.memory.ledger import ALLOCATION, BATCH, FAULT, PTE, Ledger, holder_name


def test_a_page_from_allocation_to_free() -> None:
    ledger = Ledger()
    ledger.get(0, ALLOCATION, 1)
    ledger.hand_over(0, ALLOCATION, PTE)
    ledger.get(0, BATCH, 2)
    assert ledger.holders(0) == ("PTE", "lru_add batch")
    ledger.put(0, BATCH, 1)
    ledger.put(0, PTE, 0)
    assert ledger.holders(0) == ()
    assert ledger.stray_puts(0) == ()


def test_a_put_by_someone_without_a_reference_is_remembered() -> None:
    ledger = Ledger(step=5)
    ledger.get(3, ALLOCATION, 1)
    ledger.put(3, FAULT + 1, 0)
    (entry,) = ledger.stray_puts(3)
    assert (entry.step, entry.holder, entry.refcount) == (5, holder_name(FAULT + 1), 0)
    assert ledger.holders(3) == ("allocation",)


def test_a_new_allocation_starts_a_new_page() -> None:
    ledger = Ledger()
    ledger.get(0, ALLOCATION, 1)
    ledger.get(0, BATCH, 2)
    ledger.get(0, ALLOCATION, 1)
    assert ledger.holders(0) == ("allocation",)
