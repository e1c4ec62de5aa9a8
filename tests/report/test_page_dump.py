"""Page dumps of every era, line by line and whole."""

from __future__ import annotations

import pytest

from kvmlab.report.page_dump import (
    bare_words,
    match_address_space,
    match_head_line,
    match_memcg,
    match_page_line,
    match_reason,
    match_words,
    page_line_pairs,
)
from kvmlab.report.page_flag_lines import match_flags, match_page_type
from kvmlab.report.page_owner import Section, match_owner_line
from tests.report.logs import SPAN, reports

PAGE_LINES = {
    "2.6.5": "flags:0x20000000 mapping:00000000 mapped:0 count:0",
    "2.6.16": "page:ffff81007fd9c4a8 flags:0x0100000000000014 mapping:0000000000000000 mapcount:0 count:0",
    "2.6.32": "page:ffffea00003c8b60 flags:0100000000000014 count:0 mapcount:0 mapping:(null) index:7f3d22746",
    "3.10": "page:ffffea0004221840 count:0 mapcount:0 mapping: (null) index:0x7f2d22746",
    "4.9": "page:ffff7e0075b23f00 count:1 mapcount:0 mapping:ffff801db257e480 index:0x0 compound_mapcount: 0",
    "5.4": "page:ffffea0000a8c000 refcount:0 mapcount:-128 mapping:0000000000000000 index:0x0",
    "5.8": "page:ffffea0004240000 refcount:1 mapcount:0 mapping:00000000a1b2c3d4 index:0x0 head:ffffea0004240000 "
    "order:9 compound_mapcount:0 compound_pincount:0",
    "5.10": "page:00000000abaf6098 refcount:0 mapcount:0 mapping:0000000000000000 index:0x2c9 pfn:0x220bb5",
    "6.9": "page: refcount:-2 mapcount:1 mapping:0000000000000000 index:0xffff888011926000 pfn:0xfb1665",
}


@pytest.mark.parametrize(("era", "line"), PAGE_LINES.items(), ids=PAGE_LINES)
def test_page_line_tells_its_era(era: str, line: str) -> None:
    found = match_page_line(line)
    assert found is not None
    assert found.era == era
    assert "mapcount" in found.fields
    assert "refcount" in found.fields
    assert "mapping" in found.fields


def test_page_line_values() -> None:
    old = match_page_line(PAGE_LINES["2.6.32"])
    assert old is not None
    assert old.fields["flags"] == 0x0100000000000014
    assert old.fields["index"] == 0x7F3D22746
    assert old.fields["mapping"] == 0
    new = match_page_line(PAGE_LINES["6.9"])
    assert new is not None
    assert (new.fields["refcount"], new.fields["index"]) == (-2, 0xFFFF888011926000)
    assert "pointer" not in new.fields
    hidden = match_page_line("page:(____ptrval____) refcount:0 mapcount:-128 mapping:(ptrval) index:0x0 pfn:0x108002")
    assert hidden is not None
    assert hidden.era == "5.10"
    assert not hidden.fields.keys() & {"pointer", "mapping"}


def test_no_page_line() -> None:
    for line in ("page: the next one", "page:1 of 2", "page:ffffea0000000000", "page allocation failure", "pageant:x"):
        assert match_page_line(line) is None


def test_uninitialised_page_with_its_reason_glued_on() -> None:
    found = match_page_line("page:ffffea0000000000 is uninitialized and poisonedpage dumped because: VM_BUG_ON_PAGE(1)")
    assert found is not None
    assert (found.poisoned, found.reason) == (True, "VM_BUG_ON_PAGE(1)")


def test_gigantic_numbers_are_no_numbers() -> None:
    found = match_page_line(f"page: refcount:{'9' * 5000} mapcount:1 mapping:0 index:0x{'f' * 5000} pfn:0x1")
    assert found is not None
    assert found.fields == {"mapcount": 1, "mapping": 0, "pfn": 1}


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("head:ffffea0004240000 order:9 compound_mapcount:0", {"order": 9, "compound_mapcount": 0}),
        ("head:00000000d8c29e40 order:3 entire_mapcount:0 nr_pages_mapped:1 pincount:-1", {"pincount": -1}),
        ("head: order:2 mapcount:1 entire_mapcount:0 nr_pages_mapped:1 pincount:0", {"order": 2, "mapcount": 1}),
        ("head:00000000d8c29e40 order:9 compound_mapcount:1 subpages_mapcount:0 compound_pincount:0", {"order": 9}),
    ],
)
def test_head_line(line: str, fields: dict[str, int]) -> None:
    found = match_head_line(line)
    assert found is not None
    assert found.items() >= fields.items()


def test_head_words_are_not_a_head_line() -> None:
    line = "head: 0017ffffc0000840 ffffea0004240001 dead000000000122 0000000000000000"
    assert match_head_line(line) is None
    found = match_words(line)
    assert found is not None
    assert (found[0], found[1][0], found[2]) == ("head", 0x17FFFFC0000840, 16)


@pytest.mark.parametrize(
    ("line", "prefix", "names", "fields", "unnamed", "cma"),
    [
        ("flags: 0x0()", None, (), {}, 0, False),
        ("page flags: 0x80400000(uncached)", None, ("uncached",), {}, 0, False),
        (
            "ksm flags: 0x17ffff000080024(uptodate|active|swapbacked)",
            "ksm",
            ("uptodate", "active", "swapbacked"),
            {},
            0,
            False,
        ),
        ("flags: 0x3000000000000004(referenced|0x3000000000000000) CMA", None, ("referenced",), {}, 3 << 60, True),
        (
            "anon flags: 0x2fffc600000020c(referenced|uptodate|workingset|"
            "section=3|node=0|zone=2|lastcpupid=0x3fff|kasantag=0xff)",
            "anon",
            ("referenced", "uptodate", "workingset"),
            {"section": 3, "node": 0, "zone": 2, "lastcpupid": 0x3FFF, "kasantag": 0xFF},
            0,
            False,
        ),
        ("flags: 0x17ffffc00a000c(referenced|upto", None, ("referenced", "upto"), {}, 0, False),
    ],
)
def test_flags(line: str, prefix: str, names: tuple[str, ...], fields: dict[str, int], unnamed: int, cma: bool) -> None:
    found = match_flags(line, SPAN)
    assert found is not None
    assert (found.prefix, found.names, dict(found.fields), found.unnamed, found.cma) == (
        prefix,
        names,
        fields,
        unnamed,
        cma,
    )


@pytest.mark.parametrize(
    ("line", "value", "names", "top"),
    [
        ("page_type: 0xffffffff()", 0xFFFFFFFF, (), False),
        ("page_type: 0xffffff7f(buddy)", 0xFFFFFF7F, ("buddy",), False),
        ("page_type: f5(slab)", 0xF5, ("slab",), True),
        ("page_type: f6((null))", 0xF6, ("(null)",), True),
        ("page_type: f8(unknown)", 0xF8, ("unknown",), True),
    ],
)
def test_page_type(line: str, value: int, names: tuple[str, ...], top: bool) -> None:
    found = match_page_type(line, SPAN)
    assert found is not None
    assert (found.value, found.names, found.top_byte) == (value, names, top)


def test_words() -> None:
    assert match_words("raw: 00000000 00000100 00000122 00000000 00000001 00000000 00000000 00000000") is not None
    assert match_words("raw: 0017ffff") is not None
    assert match_words("raw: 0017ffff dead000000000100") is None
    assert match_words("raw: hello world") is None
    assert bare_words("0000000000000000") == ((0,), 16)
    assert bare_words("deadbeefcafe") is None


@pytest.mark.parametrize(
    ("line", "aops", "ino", "dentry"),
    [
        (
            'aops:cifs_addr_ops [cifs] ino:98d4b153c17e2164 dentry name:"BASEMACH.DOC"',
            "cifs_addr_ops",
            0x98D4B153C17E2164,
            "BASEMACH.DOC",
        ),
        ('aops:ext4_da_aops ino:5f dentry name(?):"libc.so.6"', "ext4_da_aops", 0x5F, "libc.so.6"),
        ("aops:btree_aops ino:1", "btree_aops", 1, None),
        ("aops:anon_aops.0", "anon_aops.0", None, None),
        ("aops:shmem_aops invalid inode:0000000000000000", "shmem_aops", None, None),
        ('ext4_da_aops name:"systemd"', "ext4_da_aops", None, "systemd"),
        ("invalid mapping:00000000deadbeef", None, None, None),
        ("failed to read mapping contents, not a valid kernel address?", None, None, None),
    ],
)
def test_address_space(line: str, aops: str | None, ino: int | None, dentry: str | None) -> None:
    found = match_address_space(line)
    assert found is not None
    assert (found.aops, found.ino, found.dentry) == (aops, ino, dentry)


def test_memcg_and_reason() -> None:
    for line in ("memcg:ffff8f7b8fb82000", "pages's memcg:ffff8f7b8fb82000", "page->mem_cgroup:ffff8f7b8fb82000"):
        assert match_memcg(line) == 0xFFFF8F7B8FB82000
    assert match_reason("page dumped because: page_pool leak") == "page_pool leak"
    assert page_line_pairs("mapping:0000000000000000 index:0x2c9 pfn:0x220bb5") == {
        "mapping": 0,
        "index": 0x2C9,
        "pfn": 0x220BB5,
    }
    assert page_line_pairs("index:0x1 and more") == {}


def test_owner_lines() -> None:
    line = match_owner_line(
        "page last allocated via order 3, migratetype Movable, gfp_mask 0x40c40(GFP_NOFS|__GFP_COMP), pid 5096, "
        "tgid 5096 (CPU 0/KVM (x)), ts 64771645974, free_ts 55604629154"
    )
    assert line is not None
    assert line.section is Section.ALLOCATION
    assert line.fields["comm"] == "CPU 0/KVM (x)"
    assert line.fields["gfp_names"] == ("GFP_NOFS", "__GFP_COMP")
    old = match_owner_line(
        "page allocated via order 0, migratetype Unmovable, gfp_mask 0x2820(GFP_ATOMIC|__GFP_NOWARN)"
    )
    assert old is not None
    assert "pid" not in old.fields
    assert match_owner_line("page last free stack trace:") is not None
    assert match_owner_line("page_owner info is not present (never set?)").note is not None  # type: ignore[union-attr]
    assert match_owner_line("page has been migrated, last migrate reason: compaction").fields == {  # type: ignore[union-attr]
        "migrate_reason": "compaction"
    }
    assert match_owner_line("page cache is full") is None


def test_whole_dump_with_owner_stacks() -> None:
    (report,) = reports(
        """
BUG: Bad page state in process syz-executor209  pfn:7deea
page: refcount:0 mapcount:0 mapping:0000000000000000 index:0x2e pfn:0x7deea
flags: 0xfff0000000400c(referenced|uptodate|private|node=0|zone=1|lastcpupid=0x7ff)
raw: 00fff0000000400c dead000000000100 dead000000000122 0000000000000000
raw: 000000000000002e ffff88807a2723e0 00000000ffffffff 0000000000000000
page dumped because: PAGE_FLAGS_CHECK_AT_FREE flag(s) set
page_owner tracks the page as allocated
page last allocated via order 0, migratetype Unmovable, gfp_mask 0x40c40(GFP_NOFS), pid 5096, tgid 5096 (x), ts 1
 post_alloc_hook+0x1f3/0x230
 get_page_from_freelist+0x2e4c/0x2f10
page last free pid 5083 tgid 5083 stack trace:
 free_unref_page+0xd19/0xea0
Modules linked in:
CPU: 1 PID: 5098 Comm: syz-executor209 Tainted: G    B              6.10.0-syzkaller-11185-g2c9b3512402e #0
Call Trace:
 <TASK>
 bad_page+0x14c/0x170
 </TASK>
"""
    )
    assert report.page is not None
    owner = report.page.page_owner
    assert owner is not None
    assert (owner.tracked_as, owner.pid, owner.free_pid, owner.ts) == ("allocated", 5096, 5083, 1)
    assert [f.function for f in owner.allocation_stack] == ["post_alloc_hook", "get_page_from_freelist"]
    assert [f.function for f in owner.free_stack] == ["free_unref_page"]
    assert report.call_trace is not None
    assert [f.function for f in report.call_trace.frames] == ["bad_page"]
    assert report.complete
    assert report.missing == ()


def test_compound_page_of_6_9() -> None:
    (report,) = reports(
        """
BUG: Bad page state in process kl  pfn:12345
page does not match folio
page: refcount:0 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x12345
head: order:3 mapcount:0 entire_mapcount:0 nr_pages_mapped:0 pincount:0
flags: 0xfffffc0000040(head|node=0|zone=1|lastcpupid=0x1fffff)
raw: 000fffffc0000040 dead000000000100 dead000000000122 0000000000000000
raw: 0000000000000000 0000000000000000 00000000ffffffff 0000000000000000
head: 000fffffc0000040 dead000000000100 dead000000000122 0000000000000000
head: 0000000000000000 0000000000000000 00000000ffffffff 0000000000000000
head: 000fffffc0000003 ffffea000048d141 00000000ffffffff 00000000ffffffff
head: 0000000000000008 0000000000000000 00000000ffffffff 0000000000000000
page dumped because: nonzero large_mapcount
"""
    )
    page = report.page
    assert page is not None
    assert (page.order, page.reason, page.notes) == (3, "nonzero large_mapcount", ("page does not match folio",))
    assert page.head_raw is not None
    assert len(page.head_raw.words) == 16
    assert page.raw is not None
    assert len(page.raw.words) == 8


def test_bad_flags_of_4_4_and_later() -> None:
    for lines in (
        ["bad because of flags:", "flags: 0x14(referenced|dirty)"],
        ["bad because of flags: 0x14(referenced|dirty)"],
    ):
        (report,) = reports(
            [
                "BUG: Bad page state in process X  pfn:81fc5d",
                "page:ffffea00207f1740 count:0 mapcount:0 mapping:          (null) index:0x4",
                "flags: 0x600000000000015(locked|referenced|dirty)",
                "page dumped because: PAGE_FLAGS_CHECK_AT_PREP flag set",
                *lines,
            ]
        )
        assert report.page is not None
        assert report.page.bad_flags is not None
        assert report.page.bad_flags.names == ("referenced", "dirty")
        assert report.page.flags is not None
        assert report.page.flags.value == 0x600000000000015
