"""/sys/kernel/debug/page_owner: who allocated each block, its order and its first page, with the stack."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.malformed import Malformed, hex_u64, numbered, u64

if TYPE_CHECKING:
    import pandas as pd

HEAD = "Page allocated via order "
_HEAD = re.compile(r"Page allocated via order ([0-9]{1,3}), mask (0x[0-9a-fA-F]{1,16}|0)(?:\(([^)]{0,999})\))?(.*)$")
_WHO = re.compile(
    r"(?:, pid (-?[0-9]{1,10}))?(?:, tgid (-?[0-9]{1,10}))?(?: \((.{0,64}?)\))?"
    r"(?:, ts ([0-9]{1,20}) ns)?(?:, free_ts ([0-9]{1,20}) ns)?,?$"
)
_PFN = re.compile(
    r"PFN (0x[0-9a-fA-F]{1,16}|[0-9]{1,20}) type (\w{1,32}) Block ([0-9]{1,20}) type (\w{1,32})"
    r" Flags (0x[0-9a-fA-F]{1,16}|0)\((.{0,999})\)$"
)
_MIGRATED = re.compile(r"Page has been migrated, last migrate reason: (.{1,64})$")
_CHARGED = re.compile(r"Charged (?:\(via objcg\) )?to (offline )?memcg (.{0,255})$")
# The old kernels print the address of each frame in brackets.
_OLD_FRAME = re.compile(r"\[<?(?:0x)?[0-9a-fA-F]{6,16}>?\] (\S{1,256})$")
_FRAME = re.compile(r"[A-Za-z_.][\w.$]{0,255}\+(?:0x[0-9a-f]{1,8}/0x[0-9a-f]{1,8}|[0-9]{1,10})(?: \[[^\]]{1,64}\])?$")


@dataclass(frozen=True, slots=True)
class OwnerRecord:
    """What page_owner says about one block.

    Args:
        line: number of its first line.
        order: order of the block.
        gfp: allocation mask, u32.
        gfp_text: the mask's names as printed.
        pid, tgid, comm: who allocated it; None where the era prints none.
        ts: time of the allocation in nanoseconds since boot, None in old kernels.
        free_ts: time when it was last freed (5.x to 6.x), None if not printed.
        pfn: pfn of the first page, None in output that was sorted (page_owner_sort drops it).
        migratetype: migratetype of the allocation.
        pageblock: number of the pageblock, pfn >> pageblock_order.
        pageblock_type: migratetype of the pageblock.
        flags: flags word of the first page, None without the PFN line.
        flag_text: names in it, as printed.
        stack: symbols with offsets, innermost first.
        migrate_reason: last migrate reason, None if it was not migrated.
        memcg: memory cgroup that it is charged to, None if not printed.
        notes: other lines of the record, as printed.
    """

    line: int
    order: int
    gfp: int
    gfp_text: str
    pid: int | None
    tgid: int | None
    comm: str | None
    ts: int | None
    free_ts: int | None
    pfn: int | None
    migratetype: str | None
    pageblock: int | None
    pageblock_type: str | None
    flags: int | None
    flag_text: str | None
    stack: tuple[str, ...]
    migrate_reason: str | None
    memcg: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PageOwner:
    """All of a page_owner file: its `records` in order, and the lines that belong to none (`malformed`)."""

    records: tuple[OwnerRecord, ...]
    malformed: tuple[Malformed, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    def df_page_owner(self) -> pd.DataFrame:
        """One row a block: line, pfn UInt64, order int8, pages int64, gfp uint32, gfp_text, pid, tgid Int64, comm,
        ts, free_ts Int64 (ns), migratetype, pageblock, pageblock_type, flags UInt64, stack (text), migrate_reason."""
        import pandas as pd

        cells = [
            (
                r.line, r.pfn, r.order, 1 << r.order, r.gfp, r.gfp_text, r.pid, r.tgid, r.comm, r.ts, r.free_ts,
                r.migratetype, r.pageblock, r.pageblock_type, r.flags, " < ".join(r.stack), r.migrate_reason,
            )
            for r in self.records
        ]  # fmt: skip
        names = [
            "line", "pfn", "order", "pages", "gfp", "gfp_text", "pid", "tgid", "comm", "ts", "free_ts",
            "migratetype", "pageblock", "pageblock_type", "flags", "stack", "migrate_reason",
        ]  # fmt: skip
        frame = pd.DataFrame(cells, columns=names, dtype=object)
        types = {"line": "int64", "order": "int8", "pages": "int64", "gfp": "uint32"}
        types |= dict.fromkeys(["pfn", "pageblock", "flags"], "UInt64")
        types |= dict.fromkeys(["pid", "tgid", "ts", "free_ts"], "Int64")
        texts = ["gfp_text", "comm", "migratetype", "pageblock_type", "stack", "migrate_reason"]
        return frame.astype(types | dict.fromkeys(texts, "category"))


def read_stack_line(line: str) -> str | None:
    """The symbol of a stack line of page_owner, None if the line is none; offsets are kept.

    >>> read_stack_line(" prep_new_page+0xed/0x130"), read_stack_line("[0xc012b7b9] find_lock_page+25")
    ('prep_new_page+0xed/0x130', 'find_lock_page+25')
    """
    plain = line.lstrip("> \t").rstrip()
    if old := _OLD_FRAME.match(plain):
        return old[1]
    return plain if _FRAME.match(plain) else None


def read_record(lines: list[tuple[int, str]]) -> OwnerRecord | str:
    """One record from its lines, or a sentence that says what is wrong with its first line.

    Args:
        lines: numbers and texts, quoting removed, the first beginning with `Page allocated via order`.
    """
    text, rest = lines[0][1], lines[1:]
    while rest and text.endswith("\\"):
        # Some mails continue the long first line behind a backslash.
        text, rest = text[:-1] + " " + rest[0][1], rest[1:]
    head = _HEAD.match(re.sub(r"[ \t]{1,64}", " ", text[:4096]))
    who = None if head is None else _WHO.match(head[4].strip() if head[4].strip() else "")
    if head is None or who is None or int(head[1]) > 63:
        return "expected `Page allocated via order N, mask M(...)[, pid ...]`."
    pfn = next((m for _, line in rest if (m := _PFN.match(line))), None)
    number = None if pfn is None else (hex_u64(pfn[1]) if pfn[1].startswith("0x") else u64(pfn[1]))
    migrated = next((m[1] for _, line in rest if (m := _MIGRATED.match(line))), None)
    charged = next((m[2].strip() for _, line in rest if (m := _CHARGED.match(line))), None)
    frames = [f for _, line in rest if (f := read_stack_line(line)) is not None]
    known = (_PFN, _MIGRATED, _CHARGED)
    notes = tuple(t for _, t in rest if read_stack_line(t) is None and not any(p.match(t) for p in known))
    return OwnerRecord(
        line=lines[0][0],
        order=int(head[1]),
        gfp=int(head[2], 16) & 0xFFFFFFFF,
        gfp_text=head[3] or "",
        pid=None if who[1] is None else int(who[1]),
        tgid=None if who[2] is None else int(who[2]),
        comm=who[3],
        ts=None if who[4] is None else u64(who[4]),
        free_ts=None if who[5] is None else u64(who[5]),
        pfn=number,
        migratetype=None if pfn is None else pfn[2],
        pageblock=None if pfn is None else u64(pfn[3]),
        pageblock_type=None if pfn is None else pfn[4],
        flags=None if pfn is None else hex_u64(pfn[5]),
        flag_text=None if pfn is None else pfn[6],
        stack=tuple(frames),
        migrate_reason=migrated,
        memcg=charged,
        notes=notes,
    )


def parse_page_owner(text: str | bytes) -> PageOwner:
    """Read /sys/kernel/debug/page_owner of any era.

    Args:
        text: the file.

    Source: mm/page_owner.c print_page_owner() (6.1, 6.12, 7.2); public samples from 2.6.11 on; capture of 6.12.

    >>> head = "Page allocated via order 3, mask 0x396dc2(GFP_HIGHUSER), pid 7, tgid 7 (Xorg), ts 5 ns"
    >>> owner = parse_page_owner(f"{head}\\n ttm_pool_alloc+0x1/0x2".encode())
    >>> owner.records[0].order, owner.records[0].comm, owner.records[0].stack
    (3, 'Xorg', ('ttm_pool_alloc+0x1/0x2',))
    """
    records: list[OwnerRecord] = []
    malformed: list[Malformed] = []
    now: list[tuple[int, str]] = []

    def close() -> None:
        if not now:
            return
        record = read_record(now)
        if isinstance(record, str):
            malformed.append(Malformed(now[0][0], now[0][1], record))
        else:
            records.append(record)
        now.clear()

    for number, line in numbered(text):
        plain = line.lstrip("> \t").rstrip()
        if plain.startswith(HEAD):
            close()
            now.append((number, plain))
        elif not plain:
            close()
        elif now:
            now.append((number, plain))
        else:
            malformed.append(Malformed(number, line, "expected `Page allocated via order ...` first."))
    close()
    return PageOwner(tuple(records), tuple(malformed))
