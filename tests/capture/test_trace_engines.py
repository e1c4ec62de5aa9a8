"""Both trace engines give the same table: on the lab's files, on public snippets, and on generated dirt."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from kvmlab.capture.trace_read import read_table
from kvmlab.capture.trace_table import TraceTable
from kvmlab.kernel.events_forms import event_forms, read_body
from tests.capture.strategies import traces


def plain(table: TraceTable) -> dict[str, Any]:
    """A table without its codes, so that two tables can be compared."""
    forms, rows = event_forms(), []
    names = list(table.columns)
    for cells in zip(*(table.columns[n].tolist() for n in names), strict=True):
        row = dict(zip(names, cells, strict=True))
        for name in ("comm", "latency", "system", "event"):
            row[name] = table.strings[row[name]] if row[name] >= 0 else None
        row["stack"] = table.stacks[row["stack"]] if row["stack"] >= 0 else None
        at = row.pop("at")
        if row["form"] >= 0:
            stored = forms[row["form"]].stored
            values = table.values[at : at + len(stored)].tolist()
            row["fields"] = [table.strings[v] if f.kind in "swg" else v for f, v in zip(stored, values, strict=True)]
        rows.append(row)
    counts = table.other, table.joined, table.lost
    return {"rows": rows, "malformed": table.malformed, "counts": counts}


def compare(data: bytes) -> TraceTable:
    tolerant, fast = read_table(data, "tolerant"), read_table(data, "fast")
    assert plain(fast) == plain(tolerant)
    return tolerant


@pytest.mark.parametrize("form", event_forms(), ids=lambda f: f"{f.event}/{f.era}")
def test_every_row_of_the_event_table_reads_its_own_sample(form: Any) -> None:
    found = read_body(form.event, form.sample)
    assert found is not None
    assert found[0] is form
    table = compare(f"  kl-215   [000] .....     4.336245: {form.event}: {form.sample}\n".encode())
    assert table.columns["form"].tolist() == [form.index]
    assert not table.malformed


@settings(max_examples=150, deadline=None)
@given(traces())
def test_engines_agree_on_dirt(data: bytes) -> None:
    compare(data)


def test_engines_agree_on_the_lab(shared: Path) -> None:
    files = sorted((shared / "captures").glob("*/*/ftrace*"))
    assert files
    for path in files:
        data = path.read_bytes()
        table = compare(gzip.decompress(data) if path.suffix == ".gz" else data)
        assert len(table) > 500
        assert not table.malformed


def test_engines_agree_on_public_snippets(shared: Path) -> None:
    for path in sorted((shared / "corpora" / "captures").glob("0[0-3]*")):
        compare(path.read_bytes())


def test_one_table_grows_with_its_input() -> None:
    # More rows, values, texts, stack blocks and refused lines than the engine first makes room for.
    lines = []
    for i in range(6000):
        lines.append(
            f" task{i}-{i} [000] ..... 1.{i:06d}: mm_page_alloc: page=0 pfn={i:#x} order=0 migratetype=0 gfp_flags=G{i}"
        )
        lines.append(f" => symbol_{i}")
        lines.append("neither event nor header")
    table = compare("\n".join(lines).encode())
    assert len(table) == 6000
    assert len(table.stacks) == 6000
    assert len(table.malformed) == 6000
