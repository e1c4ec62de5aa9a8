"""Reading a whole trace: chooses the engine by size, puts the refused lines back in order, hangs stacks on events."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

from kvmlab.capture.malformed import Malformed
from kvmlab.capture.trace_line import stack_frames
from kvmlab.capture.trace_table import COLUMNS, Interner, TraceTable
from kvmlab.capture.trace_tolerant import StackBlock, Tolerant, row_numbers

# Below this the compiled engine's start costs more than it saves.
FAST_BYTES = 4 << 20
_MARKERS = ("kernel_stack", "user_stack")


def read_table(data: bytes | mmap.mmap, engine: str = "auto") -> TraceTable:
    """Read the text of a trace into columns.

    Args:
        data: the text as ftrace, trace-cmd report or perf script printed it.
        engine: `auto`, `fast` (compiled) or `tolerant`; both give the same table.

    Raises:
        ValueError: for another engine.

    >>> table = read_table(b" kl-215 [000] ..... 4.336245: mm_page_free: page=0 pfn=0x2d1f order=0\\n")
    >>> len(table), table.strings[table.columns["event"][0]], hex(int(table.values[0]))
    (1, 'mm_page_free', '0x2d1f')
    """
    if engine not in ("auto", "fast", "tolerant"):
        raise ValueError(f"engine {engine!r}: expected auto, fast or tolerant.")
    fast = engine == "fast" or (engine == "auto" and len(data) >= FAST_BYTES)
    return _read_fast(data) if fast and len(data) else _read_tolerant(data)


def _all_lines(data: bytes | mmap.mmap) -> Iterator[tuple[int, int, str]]:
    at, number = 0, 0
    while at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        number += 1
        yield number, at, data[at:end].decode("latin-1")
        at = end + 1


def _read_tolerant(data: bytes | mmap.mmap) -> TraceTable:
    tolerant = Tolerant()
    tolerant.read(_all_lines(data))
    strings, values = Interner(), list[int]()
    rows = np.array([row_numbers(r, strings, values) for r in tolerant.rows], dtype=np.int64).reshape(-1, len(COLUMNS))
    rows = np.ascontiguousarray(rows.T)
    return _finish(data, rows, np.array(values, dtype=np.uint64), strings, tolerant.blocks, tolerant)


def _read_fast(data: bytes | mmap.mmap) -> TraceTable:
    from kvmlab.capture.trace_fast_run import scan_bytes

    rows, values, texts, blocks, refused, empty, _ = scan_bytes(np.frombuffer(data, dtype=np.uint8))
    tolerant = Tolerant()
    tolerant.read((n, b, data[b:e].decode("latin-1")) for n, b, e in refused.tolist())
    tolerant.other += empty
    # The texts of the compiled engine are distinct, so their codes are those of a new interner.
    strings, more = Interner(), list[int]()
    for begin, end in texts:
        strings.code(data[begin:end].decode("latin-1"))
    for code, name in ((-2, "kernel_stack"), (-3, "user_stack")):
        marked = rows[COLUMNS.index("event")] == code
        if marked.any():
            rows[COLUMNS.index("event"), marked] = strings.code(name)
    slow = np.array([row_numbers(r, strings, more) for r in tolerant.rows], dtype=np.int64).reshape(-1, len(COLUMNS))
    if len(slow):
        slow[:, COLUMNS.index("at")] += len(values)
        rows = np.concatenate([rows, slow.T], axis=1)
        rows = rows[:, np.argsort(rows[0], kind="stable")]
        values = np.concatenate([values, np.array(more, dtype=np.uint64)])
    found = [StackBlock(*map(int, b)) for b in blocks.tolist()] + tolerant.blocks
    return _finish(data, rows, values, strings, _joined(found), tolerant)


def _joined(blocks: list[StackBlock]) -> list[StackBlock]:
    """The blocks of both engines in order, neighbours made one."""
    joined: list[StackBlock] = []
    for block in sorted(blocks, key=lambda b: b.first):
        if joined and joined[-1].last == block.first - 1:
            joined[-1].last, joined[-1].end = block.last, block.end
        else:
            joined.append(block)
    return joined


def _finish(
    data: bytes | mmap.mmap, rows: Any, values: Any, strings: Interner, blocks: list[StackBlock], tolerant: Tolerant
) -> TraceTable:
    columns = {name: rows[k] for k, name in enumerate(COLUMNS)}
    malformed = list(tolerant.malformed)
    stacks = _hang_stacks(data, columns, strings, blocks, malformed)
    malformed.sort(key=lambda m: m.line)
    return TraceTable(
        columns, values, strings.texts(), stacks, tuple(malformed), tolerant.other, tolerant.joined, tolerant.lost
    )


def _hang_stacks(
    data: bytes | mmap.mmap,
    columns: dict[str, Any],
    strings: Interner,
    blocks: list[StackBlock],
    malformed: list[Malformed],
) -> tuple[tuple[str, ...], ...]:
    known: dict[bytes, int] = {}
    stacks: dict[tuple[str, ...], int] = {}
    owner = np.searchsorted(columns["line"], [b.first for b in blocks], side="left") - 1
    for block, row in zip(blocks, owner.tolist(), strict=True):
        text = data[block.begin : block.end]
        # One line may lie between: the second half of a wrapped event.
        if row < 0 or block.first - columns["line"][row] > 2:
            malformed.append(
                Malformed(block.first, text.split(b"\n")[0].decode("latin-1"), "a stack without an event.")
            )
            continue
        code = known.get(text)
        if code is None:
            frames = stack_frames(text.decode("latin-1"))
            code = known[text] = stacks.setdefault(frames, len(stacks))
        columns["stack"][row] = code
    _move_marked(columns, strings)
    return tuple(stacks)


def _move_marked(columns: dict[str, Any], strings: Interner) -> None:
    """Hang the stack of a `<stack trace>` line on the event before it on the same CPU."""
    marker = strings.codes.get("kernel_stack")
    if marker is None:
        return
    is_marker = columns["event"] == marker
    order = np.lexsort((columns["line"], columns["cpu"]))
    before = order[:-1]
    after = order[1:]
    moved = is_marker[after] & ~is_marker[before]
    moved &= (columns["cpu"][after] == columns["cpu"][before]) & (columns["pid"][after] == columns["pid"][before])
    columns["stack"][before[moved]] = columns["stack"][after[moved]]
