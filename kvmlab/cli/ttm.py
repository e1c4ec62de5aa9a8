"""`kvmlab ttm`: which page frames TTM's pool would take for some buffers, by kernel, and what KVM makes of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from kvmlab.cli.arguments import add_json
from kvmlab.cli.output import Output, error_note, print_json

if TYPE_CHECKING:
    from kvmlab.memory.buddy import Buddy
    from kvmlab.memory.ttm import TtmPool
    from kvmlab.memory.ttm_buffer import TtmBuffer

MOST_RUNS = 40

EPILOG = """\
examples:
  kvmlab ttm --kernel 6.12 --zone fresh:1GiB --alloc 8100
  kvmlab ttm --kernel 7.3 --zone fresh:4GiB --alloc 512,1000,8100 --caching wc
  kvmlab ttm --kernel 6.12 --zone from:capture/ --alloc 33177600B --json

The numbers are pages of 4 KiB; a size has a unit (B, KiB, MiB, GiB). Each buffer is freed before the next, as the
kernel lab's program does; --hold keeps them. from: takes a folder of captures, a tar, or a file with /proc/buddyinfo.

exit status: 0 done, 2 unusable input or arguments.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's words to the parser."""
    parser = sub.add_parser(
        "ttm",
        help="the page frames that TTM's pool would take for buffers",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kernel", required=True, metavar="RELEASE", help="such as 6.12, or as `uname -r` prints it")
    parser.add_argument(
        "--zone", default="fresh:1GiB", metavar="WHERE", help="fresh:SIZE or from:CAPTURE (default: fresh:1GiB)"
    )
    parser.add_argument("--alloc", required=True, metavar="N[,N...]", help="buffers, in pages or as sizes with a unit")
    parser.add_argument(
        "--caching", choices=("cached", "wc", "uc"), default="cached", help="caching mode of the buffers"
    )
    parser.add_argument("--hold", action="store_true", help="keep every buffer until the end")
    parser.add_argument("--no-order-9-lists", action="store_true", help="a kernel without transparent huge pages")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fill the buffers and print their blocks."""
    from kvmlab.memory.ttm import TtmPool

    sizes = _sizes(args.alloc)
    buddy, assumed = _machine(args)
    pool = TtmPool(buddy)
    buffers = []
    for pages in sizes:
        buffer = pool.alloc(pages, args.caching)
        buffers.append(buffer)
        if not args.hold:
            pool.free(buffer)
    if args.json:
        print_json(_document(args.kernel, pool, buffers, assumed))
    else:
        _print(pool, buffers, assumed)
    return 0


def _sizes(text: str) -> list[int]:
    from kvmlab.memory.zone import ZoneError, pages_of

    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 10_000:
        raise ZoneError(f"--alloc names {len(parts)} buffers; it takes at most 10000.")
    return [
        pages_of(int(part)) if part.isascii() and part.isdecimal() and len(part) < 16 else pages_of(part)
        for part in parts
    ]


def _machine(args: argparse.Namespace) -> tuple[Buddy, tuple[str, ...]]:
    from kvmlab.memory.buddy import Buddy
    from kvmlab.memory.zone import ZoneError

    how, found, what = args.zone.partition(":")
    # A few buffers need no compiled engine: it would take longer to load than they do.
    options: dict[str, Any] = {"release": args.kernel, "engine": "python", "thp": not args.no_order_9_lists}
    if found and how == "fresh":
        return Buddy.fresh(what, **options), ()
    if found and how == "from":
        from kvmlab.inquiry.ttm_capture import state_of_capture

        state = state_of_capture(what, **options)
        return state.buddy, state.assumed
    raise ZoneError(f"--zone {args.zone[:60]!r} is neither fresh:SIZE, such as fresh:1GiB, nor from:CAPTURE.")


def _document(kernel: str, pool: TtmPool, buffers: list[TtmBuffer], assumed: tuple[str, ...]) -> dict[str, Any]:
    from kvmlab.memory.buddy_text import buddyinfo
    from kvmlab.memory.ttm_text import page_pool

    return {
        "schema": "kvmlab.ttm/1",
        "kernel": kernel,
        "buffers": [
            {
                "pages": b.pages,
                "caching": {0: "uc", 1: "wc", 2: "cached"}[int(b.caching)],
                "blocks": [
                    {"pfn": f"{int(pfn):#x}", "order": int(order), "from_pool": bool(pooled)}
                    for pfn, order, pooled in zip(b.pfn, b.order, b.from_pool, strict=True)
                ],
                "tails": b.tails,
                "tail_share": b.tail_share,
                "runs": b.runs,
            }
            for b in buffers
        ],
        "page_pool": page_pool(pool),
        "buddyinfo": buddyinfo(pool.buddy),
        "assumed": list(assumed),
        "uncertain": [f"{f.feature}={f.value} ({f.basis}): {f.source}" for f in _uncertain(pool)],
    }


def _uncertain(pool: TtmPool) -> list[Any]:
    return [*pool.features.uncertain, *pool.buddy.features.uncertain]


def _print(pool: TtmPool, buffers: list[TtmBuffer], assumed: tuple[str, ...]) -> None:
    from kvmlab.kernel.release import KernelRelease
    from kvmlab.kvm.policies import Remapped, stock_policy
    from kvmlab.memory.buddy_text import buddyinfo
    from kvmlab.memory.ttm_buffer import highest_tail_share
    from kvmlab.memory.ttm_text import page_pool

    out = Output()
    policy = stock_policy(KernelRelease.parse(pool.release).version)
    for number, b in enumerate(buffers):
        out.heading(f"buffer {number}: {b.pages} pages, {b.caching.name.lower()}, {b.blocks} blocks, {b.runs} runs")
        pooled = int(b.from_pool.sum())
        out.text(
            f"{b.tails} of {b.pages} pages are tails, which have no reference: 1 - {b.blocks}/{b.pages} = "
            f"{b.tail_share:.2%} (at most {highest_tail_share(b.pages):.2%}, on memory without fragmentation). "
            f"{pooled} blocks came from a pool."
        )
        runs = _runs(b)
        out.table(["first pfn", "last pfn", "blocks", "order", "pages"], runs[:MOST_RUNS])
        if len(runs) > MOST_RUNS:
            orders = ", ".join(f"{n} of order {o}" for o, n in reversed(list(enumerate(b.histogram()))) if n)
            out.text(f"and {len(runs) - MOST_RUNS} more rows (--json has them all). Blocks: {orders}.")
        if policy is not None and policy.remapped is Remapped.TRY_GET and b.tails:
            out.text(f"KVM of {policy.releases} maps the {b.blocks} first pages and refuses every tail with EFAULT.")
        out.text()
    out.heading("ttm/page_pool")
    out.text(page_pool(pool).expandtabs())
    out.heading("/proc/buddyinfo")
    out.text(buddyinfo(pool.buddy))
    for sentence in assumed:
        error_note(f"assumed: {sentence}")
    uncertain = _uncertain(pool)
    if uncertain:
        names = ", ".join(sorted({f"{f.feature}={f.value}" for f in uncertain}))
        error_note(f"the source of {pool.release} was not read; not sure: {names}")


def _runs(b: TtmBuffer) -> list[tuple[str, str, int, int, int]]:
    """Blocks of one order that follow each other without a gap, as one row."""
    rows: list[tuple[int, int, int]] = []
    for pfn, order in zip((int(p) for p in b.pfn), b.orders(), strict=True):
        if rows and rows[-1][2] == order and rows[-1][0] + (rows[-1][1] << order) == pfn:
            rows[-1] = (rows[-1][0], rows[-1][1] + 1, order)
        else:
            rows.append((pfn, 1, order))
    return [(f"{p:#x}", f"{p + (n << o) - 1:#x}", n, o, n << o) for p, n, o in rows]
