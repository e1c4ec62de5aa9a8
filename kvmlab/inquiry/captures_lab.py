"""What the kernel lab recorded, run by run, as tables: KVM's answers, TTM's orders, references.

Every table says what was injected: a storm that a module provoked is never shown as one that was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.shelf import ShippedRun

if TYPE_CHECKING:
    import pandas as pd

_STRIDE = re.compile(r"stride_?(none|[0-9]{1,2})")


def df_kvm_matrix(runs: Iterable[ShippedRun]) -> pd.DataFrame:
    """What a guest's first read and first write of each kind of page did, on each kernel.

    Args:
        runs: runs of the lab; those without a matrix give no rows.

    Returns:
        One row a kernel, case and page: kernel, case, page int64, pfn UInt64, refcount Int64 (before), compound,
        reserved Int64, read, write (`ok`, `efault`, ...), injected.
    """
    import pandas as pd

    parts = []
    for run in runs:
        captures = run.open()
        for path in ("kvm/matrix.jsonl", "kvm/ttm_n9_wc.txt", "kvm/ttm_n512_cached.txt", "kvm/ttm_n2025_wc.txt"):
            if path not in captures:
                continue
            frame = captures.read(path).value.df_runs()
            frame = frame[frame["page"].notna()].drop_duplicates(["case", "page", "run"])
            first = frame.pivot(index=["case", "page"], columns="run", values="outcome")
            state = frame.drop_duplicates(["case", "page"]).set_index(["case", "page"])
            columns = ["pfn", "refcount", "compound", "reserved"]
            joined = state[columns].join(first[[n for n in ("read", "write") if n in first]]).reset_index()
            parts.append(joined.assign(kernel=run.release, injected=run.injected))
    names = ["kernel", "case", "page", "pfn", "refcount", "compound", "reserved", "read", "write", "injected"]
    if not parts:
        return pd.DataFrame(columns=names)
    matrix: pd.DataFrame = pd.concat(parts, ignore_index=True).reindex(columns=names).astype({"page": "int64"})
    return matrix


def df_matrix_by_kernel(matrix: pd.DataFrame) -> pd.DataFrame:
    """The matrix with a column for each kernel and a row for each kind of page.

    Args:
        matrix: as `df_kvm_matrix` returns it.

    Returns:
        case, page int64, refcount Int64, then a column a kernel with `read / write`, or one word if both are the same.
    """
    both = matrix["read"].where(matrix["read"] == matrix["write"], matrix["read"] + " / " + matrix["write"])
    wide = matrix.assign(both=both.fillna("-")).pivot(index=["case", "page"], columns="kernel", values="both")
    # The order of the program: pandas would sort the cases by name.
    order = matrix.drop_duplicates(["case", "page"]).set_index(["case", "page"])
    wide = wide.reindex(order.index)[list(dict.fromkeys(matrix["kernel"]))]
    wide.insert(0, "refcount", order["refcount"])
    wide.columns.name = None
    return wide.reset_index()


def df_ttm_buffers(runs: Iterable[ShippedRun]) -> pd.DataFrame:
    """Every buffer that ttm_pool_alloc() filled in the lab, with the orders of its blocks.

    Args:
        runs: runs of the lab; those without a listing give no rows.

    Returns:
        kernel, run, file, stride (text, `none`: memory as it was), npages int64, caching, blocks, tails int64,
        tail_share float64, orders (text, `10x7 9 8`), irregular int64, injected.
    """
    import pandas as pd

    from kvmlab.capture.klttm import CACHING

    cells = []
    for run, path, value in _listings(runs):
        found = _STRIDE.search(path)
        stride = found[1] if found else str(value.stride_order) if value.stride_order is not None else "none"
        for b in value.buffers:
            caching = CACHING.get(b.caching, str(b.caching))
            share = b.tails / b.npages if b.npages else 0.0
            text = orders_text(b.orders)
            cells.append(
                (
                    run.release, run.run, path, stride, b.npages, caching, len(b.blocks), b.tails, share, text,
                    b.irregular, run.injected,
                )
            )  # fmt: skip
    names = [
        "kernel", "run", "file", "stride", "npages", "caching", "blocks", "tails", "tail_share", "orders", "irregular",
        "injected",
    ]  # fmt: skip
    return pd.DataFrame(cells, columns=names)


def orders_text(orders: Iterable[int]) -> str:
    """Orders with repetitions counted, in the order of the page vector.

    >>> orders_text([10, 10, 10, 9, 0])
    '10x3 9 0'
    """
    parts: list[list[int]] = []
    for order in orders:
        if parts and parts[-1][0] == order:
            parts[-1][1] += 1
        else:
            parts.append([order, 1])
    return " ".join(str(order) if n == 1 else f"{order}x{n}" for order, n in parts)


def ttm_orders(buffers: pd.DataFrame, npages: int, caching: str = "cached") -> dict[str, list[int]]:
    """The orders of the blocks of the first buffer of one size, by kernel and stride: sets for an order histogram.

    Args:
        buffers: as `df_ttm_buffers` returns it.
        npages: size of the buffers, in pages.
        caching: `cached`, `write_combined` or `uncached`.
    """
    wanted = buffers[(buffers["npages"] == npages) & (buffers["caching"] == caching)]
    sets: dict[str, list[int]] = {}
    for kernel, stride, text in wanted[["kernel", "stride", "orders"]].values.tolist():
        name = f"{kernel}, memory as it was" if stride == "none" else f"{kernel}, every {1 << int(stride)}th frame kept"
        sets.setdefault(name, _orders(text))
    return sets


def _orders(text: str) -> list[int]:
    orders: list[int] = []
    for word in text.split():
        order, _, times = word.partition("x")
        orders += [int(order)] * int(times or 1)
    return orders


def _listings(runs: Iterable[ShippedRun]) -> Iterator[tuple[ShippedRun, str, Any]]:
    for run in runs:
        for path, capture in run.open().of_kind("ttm_run"):
            yield run, path, capture.value


def df_runs(runs: Iterable[ShippedRun]) -> pd.DataFrame:
    """The runs themselves: kernel, run, question, injected, files (how many), bytes int64.

    Args:
        runs: runs of the lab.
    """
    import pandas as pd

    cells = [
        (r.release, r.run, r.question, r.injected, len(r.files), sum(size for _, size, _ in r.files)) for r in runs
    ]
    return pd.DataFrame(cells, columns=["kernel", "run", "question", "injected", "files", "bytes"])


def runs_with(runs: Iterable[ShippedRun], file: str) -> list[ShippedRun]:
    """The runs that have a file.

    Args:
        runs: runs of the lab.
        file: its path in the run, without the suffix of a packed file.

    Raises:
        MissingInput: if none has it.
    """
    found = [run for run in runs if file in run.open()]
    if not found:
        raise MissingInput(f"no run has the file {file}; the kernel lab records it: see data/kernel-lab/README.md.")
    return found
