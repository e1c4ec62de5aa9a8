"""The actions of the model: who takes them, what they do, and the kernel functions that they stand for, by release."""

from __future__ import annotations

from dataclasses import dataclass

from kvmlab.kvm import driver, events, mm, nested, vcpu

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of step.

    Args:
        id: its number in events.
        name: short name.
        actor: `vcpu`, `mm`, `driver`, `nested` or `lru drain`.
        does: one sentence.
        functions: kernel functions that it stands for, outermost first, names of 6.9 to 6.12.
        lock: what it holds: `mmu_lock`, `page-table lock`, or nothing.
        source: where that was read.
    """

    id: int
    name: str
    actor: str
    does: str
    functions: Names
    lock: str
    source: str


_FAULT: Names = ("kvm_mmu_page_fault", "kvm_tdp_page_fault", "kvm_faultin_pfn")
_GUP: Names = (*_FAULT, "hva_to_pfn", "get_user_pages_unlocked", "__get_user_pages")
_HANDLE: Names = ("handle_mm_fault", "__handle_mm_fault")
_S612 = "read in 6.12.117; names as in the reported 6.9.12 stack where that has them"

_ROWS: tuple[Action, ...] = (
    Action(vcpu.SNAPSHOT, "snapshot", "vcpu", "guest access without SPTE; KVM remembers mmu_invalidate_seq",
           _FAULT, "", _S612),
    Action(vcpu.CHECK_EARLY, "early check", "vcpu", "stale already? then retry, nothing is held yet",
           (*_FAULT, "mmu_invalidate_retry_gfn_unsafe"), "", "d02c357e5bfa (6.8)"),
    Action(vcpu.MAP_ZERO_PAGE, "map zero page", "vcpu", "read of an untouched page: the PTE maps the zero page",
           (*_GUP, *_HANDLE, "do_anonymous_page"), "page-table lock", _S612),
    Action(vcpu.MAP_ANON, "map new page", "vcpu", "write to an untouched page: a new anonymous page, no notifier call",
           (*_GUP, *_HANDLE, "do_anonymous_page", "folio_add_lru"), "page-table lock", _S612),
    Action(vcpu.COW_START, "copy-on-write start", "vcpu",
           "write to the zero page: do_wp_page() calls the notifier's start, which zaps the SPTE",
           (*_GUP, *_HANDLE, "do_wp_page", "__mmu_notifier_invalidate_range_start"), "mmu_lock", _S612),
    Action(vcpu.COPY, "copy-on-write copy", "vcpu",
           "the copy gets its rmap, joins this CPU's LRU batch and goes into the PTE",
           (*_GUP, *_HANDLE, "do_wp_page", "folio_add_lru"), "page-table lock", _S612),
    Action(vcpu.COW_FINISH, "copy-on-write end", "vcpu",
           "the notifier's end: the VM-wide sequence moves on and every fault in flight is stale, this one too",
           (*_GUP, *_HANDLE, "do_wp_page", "__mmu_notifier_invalidate_range_end"), "mmu_lock", _S612),
    Action(vcpu.GRAB, "grab", "vcpu", "GUP looks for the page that the PTE maps, and for a reference to it",
           (*_GUP, "follow_page_pte", "try_grab_page"), "page-table lock", _S612),
    Action(vcpu.FOLLOW, "follow pfn", "vcpu", "a PFNMAP pfn: the policy decides what happens to its struct page",
           (*_FAULT, "hva_to_pfn", "hva_to_pfn_remapped"), "page-table lock", _S612),
    Action(events.FILL_TLB, "cache translation", "vcpu", "an access finds the SPTE and caches the translation",
           (), "", "hardware"),
    Action(vcpu.CHECK_LATE, "late check", "vcpu", "stale by now? then let go of the page as the policy does, and retry",
           (*_FAULT, "kvm_release_pfn_clean"), "", "d02c357e5bfa (6.8)"),
    Action(vcpu.INSTALL, "install", "vcpu", "under mmu_lock: stale? if not, set the SPTE; then end as the policy does",
           ("kvm_tdp_page_fault", "kvm_tdp_mmu_map"), "mmu_lock", _S612),
    Action(vcpu.PUT, "release", "vcpu", "after mmu_lock is dropped: mark accessed, put",
           ("kvm_tdp_page_fault", "kvm_release_pfn_clean"), "", _S612),
    Action(mm.ZAP_START, "zap start", "mm", "munmap or MADV_DONTNEED: the notifier's start zaps the SPTE",
           ("zap_page_range_single", "__mmu_notifier_invalidate_range_start"), "mmu_lock", _S612),
    Action(mm.ZAP_CLEAR, "zap clear", "mm", "the PTE is cleared, mapcount goes down",
           ("unmap_page_range", "zap_pte_range"), "page-table lock", _S612),
    Action(mm.ZAP_PUT, "zap put", "mm", "after the TLB flush the PTE's reference is dropped",
           ("tlb_finish_mmu", "free_pages_and_swap_cache"), "", _S612),
    Action(mm.ZAP_END, "zap end", "mm", "the notifier's end: every fault in flight is stale",
           ("__mmu_notifier_invalidate_range_end",), "mmu_lock", _S612),
    Action(mm.WRITEBACK_START, "writeback start", "mm", "a page is written back: the notifier's start zaps the SPTE",
           ("folio_mkclean", "__mmu_notifier_invalidate_range_start"), "mmu_lock", _S612),
    Action(mm.WRITEBACK_CLEAN, "writeback clean", "mm", "the page is clean: a later write must fault first",
           ("page_vma_mkclean_one",), "page-table lock", _S612),
    Action(driver.UNMAP_START, "unmap start", "driver", "the driver unmaps: the notifier's start zaps the SPTE",
           ("unmap_mapping_range", "__mmu_notifier_invalidate_range_start"), "mmu_lock", _S612),
    Action(driver.UNMAP_CLEAR, "unmap clear", "driver", "the PTE is cleared; a PFNMAP page has no mapcount",
           ("unmap_mapping_range", "zap_pte_range"), "page-table lock", _S612),
    Action(driver.UNMAP_END, "unmap end", "driver", "the notifier's end: every fault in flight is stale",
           ("unmap_mapping_range", "__mmu_notifier_invalidate_range_end"), "mmu_lock", _S612),
    Action(driver.FREE_BLOCK, "free", "driver", "the driver frees the block that its page belongs to",
           ("__free_pages", "free_pages_prepare"), "", _S612),
    Action(nested.MAP, "map", "nested", "a pfn is put into a hardware structure, outside the notifier",
           ("kvm_vcpu_map",), "", "kvm_vcpu_map() in 6.12.117 and 7.2.13"),
    Action(nested.USE, "use", "nested", "the mapped page is written to, without a fault",
           (), "", "kvm_vcpu_map() in 6.12.117 and 7.2.13"),
    Action(nested.UNMAP, "unmap", "nested", "the mapping is given up and its reference dropped",
           ("kvm_vcpu_unmap",), "", "kvm_vcpu_map() in 6.12.117 and 7.2.13"),
    Action(mm.DRAIN, "drain", "lru drain", "this CPU's LRU batch is emptied; its references are dropped",
           ("lru_add_drain_cpu",), "local lock of the batch", _S612),
)  # fmt: skip

ACTIONS: dict[int, Action] = {row.id: row for row in _ROWS}

DRAIN_FUNCTIONS: Names = ("folio_batch_move_lru", "folios_put_refs")
"""What a drain adds below the function that triggers it (6.9 and later); `release_pages` before."""

FREE_FUNCTIONS: Names = ("free_unref_folios", "free_unref_page_prepare", "bad_page")
"""What the free of a bad folio adds below a drain in 6.9; 6.10 and later have no free_unref_page_prepare."""

DIRECT_FREE_FUNCTIONS: Names = ("__folio_put", "free_unref_page", "bad_page")
"""What the free of a bad folio adds below a put that is not a batch's."""

FAULT_FUNCTIONS: Names = _FAULT
"""The functions of KVM in which a fault spends its life."""
