"""What the functions of the reported stack do, found by symbol."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.kernel.functions import FunctionRole, find_function, known_functions, plain_symbol

SEED_STACK = [
    "dump_stack_lvl",
    "bad_page",
    "free_unref_page_prepare",
    "free_unref_folios",
    "__mem_cgroup_uncharge_folios",
    "folios_put_refs",
    "__pfx_lru_add_fn",
    "folio_batch_move_lru",
    "folio_add_lru",
    "do_wp_page",
    "__handle_mm_fault",
    "handle_mm_fault",
    "__get_user_pages",
    "get_user_pages_unlocked",
    "hva_to_pfn",
    "kvm_faultin_pfn",
    "kvm_tdp_page_fault",
    "kvm_mmu_page_fault",
    "em_rsm",
    "writeback_registers",
    "vmx_set_cr0",
    "x86_emulate_insn",
    "vmx_vmexit",
    "vmx_handle_exit",
    "kvm_arch_vcpu_ioctl_run",
    "kvm_vcpu_ioctl",
    "__seccomp_filter",
    "kvm_io_bus_read",
    "__x64_sys_ioctl",
    "do_syscall_64",
    "kvm_arch_vcpu_put",
    "vcpu_put",
    "kvm_on_user_return",
    "fire_user_return_notifiers",
    "syscall_exit_to_user_mode",
    "exc_page_fault",
    "entry_SYSCALL_64_after_hwframe",
]


@pytest.mark.parametrize("symbol", SEED_STACK)
def test_every_function_of_the_reported_stack_is_known(symbol: str) -> None:
    found = find_function(symbol)
    assert found is not None
    assert found.sentence
    assert found.role_words


@pytest.mark.parametrize(
    ("symbol", "role", "boring"),
    [
        ("dump_stack_lvl", FunctionRole.REPORTER, True),
        ("bad_page", FunctionRole.REPORTER, True),
        ("folios_put_refs", FunctionRole.FREE, False),
        ("folio_batch_move_lru", FunctionRole.LRU, False),
        ("do_wp_page", FunctionRole.FAULT, False),
        ("__get_user_pages", FunctionRole.GUP, False),
        ("hva_to_pfn", FunctionRole.KVM_PFN, False),
        ("kvm_faultin_pfn", FunctionRole.KVM_FAULT, False),
        ("vmx_handle_exit", FunctionRole.KVM_EXIT, False),
        ("em_rsm", FunctionRole.EMULATOR, False),
        ("kvm_vcpu_ioctl", FunctionRole.KVM_RUN, False),
        ("__x64_sys_ioctl", FunctionRole.SYSCALL, False),
        ("do_syscall_64", FunctionRole.ENTRY, True),
        ("ttm_pool_alloc_page", FunctionRole.TTM, False),
    ],
)
def test_roles(symbol: str, role: FunctionRole, boring: bool) -> None:
    found = find_function(symbol)
    assert found is not None
    assert (found.role, found.boring) == (role, boring)


@pytest.mark.parametrize(
    ("symbol", "plain"),
    [
        ("direct_page_fault.isra.0", "direct_page_fault"),
        ("free_pcp_prepare.constprop.0.isra.0.cold", "free_pcp_prepare"),
        ("__alloc_pages_noprof", "__alloc_pages"),
        ("kvm_vcpu_ioctl.llvm.1234567890", "kvm_vcpu_ioctl"),
        ("__pfx_lru_add_fn", "lru_add_fn"),
        ("bad_page", "bad_page"),
    ],
)
def test_suffixes_do_not_matter(symbol: str, plain: str) -> None:
    assert plain_symbol(symbol) == plain
    assert find_function(symbol) is not None


def test_a_padding_symbol_is_a_stale_pointer() -> None:
    padded, ordinary = find_function("__pfx_lru_add_fn"), find_function("lru_add_fn")
    assert padded is not None
    assert ordinary is not None
    assert (padded.name, padded.stale_pointer, ordinary.stale_pointer) == ("lru_add_fn", True, False)


def test_system_calls_are_told_from_their_wrappers() -> None:
    for symbol in ("__x64_sys_exit_group", "__ia32_sys_mmap_pgoff", "__do_sys_newlstat", "__arm64_sys_ioctl"):
        found = find_function(symbol)
        assert found is not None
        assert found.role is FunctionRole.SYSCALL


def test_unknown_functions() -> None:
    assert find_function("my_driver_frobnicate") is None
    assert find_function("") is None
    assert find_function("a" * 1_000_000) is None


def test_the_table() -> None:
    functions = known_functions()
    assert len(functions) > 150
    assert all(f.sentence and f.subsystem and f.file and "," not in f.name for f in functions)
    assert {f.role for f in functions} | {FunctionRole.SYSCALL} == set(FunctionRole)


@given(st.text(max_size=80))
def test_no_symbol_makes_it_raise(symbol: str) -> None:
    found = find_function(symbol)
    assert found is None or found.name
