"""Families: what makes reports the same, what is named, how suppressed ones are counted, what is offered as similar."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kvmlab.inquiry.families import Family, df_families, families, family_json
from kvmlab.inquiry.frame_rules import Does, FrameRule, canonical_frame, frame_rules, stall_rules
from kvmlab.inquiry.signatures import signature_of
from kvmlab.inquiry.similar import similar_families
from kvmlab.report.log import Log, read_log
from kvmlab.report.records import Kind
from tests.report.logs import reports

SEED_STACK = (
    "dump_stack_lvl+0x60/0x80", "bad_page+0x70/0x100", "free_unref_page_prepare+0x22a/0x370",
    "free_unref_folios+0xe5/0x340", "? __mem_cgroup_uncharge_folios+0x7a/0xa0", "folios_put_refs+0x147/0x1e0",
    "folio_batch_move_lru+0xc8/0x140", "folio_add_lru+0x51/0xa0", "do_wp_page+0x4dd/0xb60",
    "__handle_mm_fault+0xb2a/0xe30", "handle_mm_fault+0x18c/0x320", "__get_user_pages+0x164/0x6f0",
    "hva_to_pfn+0xa0/0x740 [kvm]", "kvm_faultin_pfn+0xf3/0x5f0 [kvm]", "kvm_tdp_page_fault+0x100/0x150 [kvm]",
    "kvm_vcpu_ioctl+0x23d/0x6f0 [kvm]", "__x64_sys_ioctl+0x90/0xd0", "do_syscall_64+0x80/0x190",
    "entry_SYSCALL_64_after_hwframe+0x76/0x7e",
)  # fmt: skip


def text(pfn: int, stack: Sequence[str] = SEED_STACK, *, at: float = 1.0, index: int = 0x7FA8117C3) -> str:
    lines = [
        f"BUG: Bad page state in process CPU 0/KVM  pfn:{pfn:05x}",
        f"page: refcount:0 mapcount:1 mapping:0000000000000000 index:{index:#x} pfn:{pfn:#x}",
        "flags: 0x17ffffc00a000c(referenced|uptodate|mappedtodisk|swapbacked|node=0|zone=2|lastcpupid=0x1fffff)",
        "page dumped because: nonzero mapcount",
        "CPU: 8 PID: 1819169 Comm: CPU 0/KVM Tainted: G    B   W          6.9.12 #17",
        "Call Trace:",
        " <TASK>",
        *(f" {entry}" for entry in stack),
        " </TASK>",
    ]
    return "".join(f"[{at + i / 1e6:12.6f}] {line}\n" for i, line in enumerate(lines))


def log_of(*parts: str) -> Log:
    return read_log("".join(parts).encode())


@pytest.mark.parametrize("rule", frame_rules(), ids=lambda rule: rule.name)
def test_rule_sample(rule: FrameRule) -> None:
    assert canonical_frame(rule.sample).rule is rule
    assert rule.why
    assert rule.source


@pytest.mark.parametrize("rule", stall_rules(), ids=lambda rule: rule.name)
def test_stall_rule_sample(rule: FrameRule) -> None:
    assert rule.regex.fullmatch(rule.sample)
    assert rule.why
    assert rule.source


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("bad_page.cold", "bad_page"),
        ("do_wp_page.isra.0", "do_wp_page"),
        ("xdp_test_run_batch.constprop.0", "xdp_test_run_batch"),
        ("__alloc_pages_noprof", "__alloc_pages"),
        ("do_wp_page.llvm.1234567890", "do_wp_page"),
        ("do_wp_page.__uniq.123.llvm.45", "do_wp_page"),
        ("do_wp_page.constprop.0.isra.0.cold", "do_wp_page"),
        ("do_wp_page.cfi_jt", "do_wp_page"),
        ("do_wp_page$5f2c9e1ab3d4", "do_wp_page"),
        (".handle_mm_fault", "handle_mm_fault"),
        ("__arm64_sys_ioctl", "sys_ioctl"),
        ("__se_sys_ioctl", "sys_ioctl"),
        ("SyS_ioctl", "sys_ioctl"),
        ("ksys_write", "sys_write"),
        ("bpf_prog_7a1b2c3d4e5f6071_tp_prog", "bpf_prog_tp_prog"),
        ("free_unref_page_prepare", None),
        ("entry_SYSCALL_64_after_hwframe", None),
        ("el0t_64_sync_handler", None),
        ("0xffffffffc0a1b000", None),
    ],
)
def test_canonical_names(symbol: str, name: str | None) -> None:
    assert canonical_frame(symbol).name == name


def test_the_reported_stack_names_the_fault() -> None:
    (family,) = families([log_of(text(0xFB1665))])
    assert family.signature.functions[:4] == (
        "bad_page",
        "free_unref_folios",
        "folios_put_refs",
        "folio_batch_move_lru",
    )
    assert family.signature.functions[-1] == "sys_ioctl"
    assert family.signature.interesting == "do_wp_page"
    assert family.title == "Bad page state (nonzero mapcount) in do_wp_page"


def test_a_signature_survives_builds_offsets_and_decoders() -> None:
    built_again = [entry.replace("+0x", "+0x1").replace("/0x", "/0x2") for entry in SEED_STACK]
    inlined = [
        e.replace("folio_add_lru+", "folio_add_lru.part.0+")
        for e in SEED_STACK
        if "prepare" not in e and "faultin" not in e
    ]
    decoded = [f"{e.split('+')[0]} (mm/file.c:12 mm/inline.h:3)" + (" kvm" if "[kvm]" in e else "") for e in SEED_STACK]
    other_arch = [
        e.replace("__x64_sys_ioctl", "__arm64_sys_ioctl").replace("do_syscall_64", "invoke_syscall") for e in SEED_STACK
    ]
    logs = [
        log_of(text(pfn, stack)) for pfn, stack in enumerate((SEED_STACK, built_again, inlined, decoded, other_arch), 1)
    ]
    found = families(logs)
    assert [family.count for family in found] == [5]
    assert {member.source for member in found[0].members} == {0, 1, 2, 3, 4}
    assert found[0].id == families(logs[:1])[0].id


def test_inlined_entries_of_a_decoder_do_not_count() -> None:
    syzkaller = [
        "dump_stack_lvl+0x16c/0x1f0 lib/dump_stack.c:120",
        "helper mm/x.c:3 [inline]",
        "zap_pte_range+0x1/0x2 mm/x.c:4",
    ]
    (report,) = reports(["BUG: Bad page state in process x  pfn:1", "Call Trace:", *(f" {e}" for e in syzkaller)])
    assert signature_of(report).functions == ("zap_pte_range",)


def test_unconfirmed_entries_do_where_there_are_no_others() -> None:
    (report,) = reports(
        ["BUG: Bad page state in process x  pfn:1", "Call Trace:", " ? bad_page+0x1/0x2", " ? zap_huge_pmd+0x1/0x2"]
    )
    signature = signature_of(report)
    assert signature.functions == ("bad_page", "zap_huge_pmd")
    assert not signature.confirmed


def test_an_interrupt_does_not_take_in_the_task_below() -> None:
    head = [
        "BUG: Bad page state in process x  pfn:1",
        "Call Trace:",
        " <IRQ>",
        " free_unref_page+0x1/0x2",
        " net_rx_action+0x1/0x2",
        " </IRQ>",
    ]
    one = reports([*head, " <TASK>", " do_idle+0x1/0x2", " </TASK>"])[0]
    two = reports([*head, " <TASK>", " vfs_read+0x1/0x2", " </TASK>"])[0]
    assert signature_of(one).key == signature_of(two).key
    assert signature_of(one).interesting == "net_rx_action"


def test_a_trap_names_the_function_that_it_struck() -> None:
    (warning,) = reports(
        ["WARNING: CPU: 19 PID: 11696 at mm/gup.c:229 try_grab_page+0x64/0x100", "Call Trace:", " <TASK>",
         " ? __warn+0x81/0x130", " follow_page_pte+0xfa/0x4b0", " </TASK>"]
    )  # fmt: skip
    assert signature_of(warning).functions == ("try_grab_page", "follow_page_pte")
    (oops,) = reports(
        ["BUG: kernel NULL pointer dereference, address: 0000000000000008", "Oops: 0000 [#1] SMP",
         "RIP: 0010:ttm_pool_free.isra.0+0x12/0x40 [ttm]", "Call Trace:", " <TASK>", " ttm_tt_unpopulate+0x1/0x2",
         " </TASK>"]
    )  # fmt: skip
    assert signature_of(oops).functions == ("ttm_pool_free", "ttm_tt_unpopulate")


def test_reports_without_a_trace_are_told_apart_by_what_they_say() -> None:
    lines = [
        f"[{i}.000000] BUG: Bad rss-counter state mm:0000 type:{t} val:1\n"
        for i, t in enumerate(("MM_ANONPAGES", "MM_SHMEMPAGES", "MM_ANONPAGES"), 1)
    ]
    found = families([log_of(*lines)])
    assert [(family.count, family.title) for family in found] == [
        (2, "Bad rss-counter state (MM_ANONPAGES)"), (1, "Bad rss-counter state (MM_SHMEMPAGES)"),
    ]  # fmt: skip


def test_what_a_family_counts() -> None:
    storm = [text(0x2D3A + i, at=10 + i, index=0x7FA8117C3 + i) for i in range(5)]
    (family,) = families([log_of(*storm)])
    assert (family.count, family.suppressed) == (5, 0)
    assert [(run.first, run.pages) for run in family.pfn_runs] == [(0x2D3A, 5)]
    assert family.hva_runs == ((0x7FA8117C3000, 5),)
    assert family.rate == pytest.approx(1.0)
    assert (family.first_timestamp, family.last_timestamp) == ("10.000000", "14.000000")
    assert family.reasons == {"nonzero mapcount": 5}
    assert family.processes == {"CPU 0/KVM": 5}
    assert family.kernels == {"6.9.12": 5}


SUPPRESSED = "[{at:12.6f}] BUG: Bad page state: {n} messages suppressed\n"
OTHER_STACK = ("bad_page+0x1/0x2", "release_extent_buffer+0x1/0x2")


def test_suppressed_reports_belong_to_the_family_around_them() -> None:
    log = log_of(text(1, at=1), SUPPRESSED.format(at=61, n=81), text(2, at=62), SUPPRESSED.format(at=130, n=4))
    (family,) = families([log])
    assert (family.count, family.suppressed, len(family.suppressed_by)) == (2, 85, 2)
    assert family.rate == pytest.approx((1 + 85) / 61)


def test_suppressed_reports_between_two_families_belong_to_none() -> None:
    log = log_of(text(1, at=1), SUPPRESSED.format(at=61, n=81), text(2, OTHER_STACK, at=62))
    found = families([log])
    assert sorted((family.kind, family.count, family.suppressed) for family in found) == [
        (Kind.BAD_PAGE, 1, 0), (Kind.BAD_PAGE, 1, 0), (Kind.SUPPRESSED, 1, 81),
    ]  # fmt: skip


def test_every_report_is_in_one_family() -> None:
    log = log_of(text(1, at=1), SUPPRESSED.format(at=61, n=81), text(2, OTHER_STACK, at=62), text(3, at=63))
    found = families([log, log])
    positions = sorted(m.position for family in found for m in (*family.members, *family.suppressed_by))
    assert positions == list(range(2 * len(log.reports)))


def test_the_json_of_a_family() -> None:
    (family,) = families([log_of(text(0xFB1665))])
    shown = family_json(family)
    assert shown["reports"] == [0]
    assert shown["pfn_runs"] == [{"first": "0xfb1665", "last": "0xfb1665", "pages": 1}]
    assert shown["signature"][0] == "bad_page"
    assert shown["id"].startswith("bad_page-")


def test_the_frame_of_families() -> None:
    frame = df_families(families([log_of(text(1, at=1), text(2, OTHER_STACK, at=2))]))
    assert list(frame["count"]) == [1, 1]
    assert str(frame["first_ns"].dtype) == "Int64"
    assert frame["first_ns"][0] == 10**9


def pair(one: Sequence[str], other: Sequence[str]) -> list[Family]:
    return families([log_of(text(1, one, at=1), text(2, other, at=2))])


def test_like_stacks_are_offered_with_their_difference() -> None:
    other = [entry for entry in SEED_STACK if "kvm_tdp" not in entry]
    other.insert(13, "kvm_new_step+0x1/0x2 [kvm]")
    found = pair(SEED_STACK, other)
    assert [family.count for family in found] == [1, 1]
    (offer,) = similar_families(found)
    assert offer.only_a == ("kvm_tdp_page_fault",)
    assert offer.only_b == ("kvm_new_step",)
    assert "do_wp_page" in offer.shared


def test_only_the_free_path_in_common_is_not_alike() -> None:
    assert similar_families(pair(SEED_STACK, ("bad_page+0x1/0x2", "free_unref_folios+0x1/0x2", "evict+0x1/0x2"))) == ()


def test_every_rule_kind_is_used() -> None:
    assert {rule.does for rule in frame_rules() + stall_rules()} == set(Does)
