"""A trace (ftrace, trace-cmd report, perf script) as frames: all lines, one event, page allocator, KVM, page_ref."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from kvmlab.capture.malformed import Malformed
from kvmlab.capture.opening import open_capture
from kvmlab.capture.trace_read import read_table
from kvmlab.capture.trace_table import TraceTable
from kvmlab.kernel.events_forms import TEXT_KINDS, event_forms

if TYPE_CHECKING:
    import pandas as pd

_FORMS = event_forms()
_LINE_COLUMNS = ("line", "t", "cpu", "pid", "comm", "event")


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace that was read.

    Args:
        table: its event lines as columns.
        name: the file.
        src: who printed it: `ftrace`, `trace-cmd` or `perf`, inferred from headers and the form of the lines.
        release: the kernel it was recorded on, None if nobody said so; the text itself does not hold it.
    """

    table: TraceTable
    name: str = ""
    src: str = "ftrace"
    release: str | None = None

    def __len__(self) -> int:
        return len(self.table)

    @property
    def malformed(self) -> tuple[Malformed, ...]:
        """Lines that could not be read, and events whose body has no known form."""
        return self.table.malformed

    @property
    def events(self) -> dict[str, int]:
        """How many lines each event has, most first.

        >>> read_trace(b" a-1 [000] 1.000000: kvm_fpu: load\\n").events
        {'kvm_fpu': 1}
        """
        counts = np.bincount(self.table.columns["event"], minlength=0)
        named = {self.table.strings[code]: int(counts[code]) for code in np.flatnonzero(counts).tolist()}
        return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))

    def df_lines(self) -> pd.DataFrame:
        """One row an event line: line, t int64 (ns), cpu, pid, tgid int32, comm, latency, event, known, stack int32.

        `known` says whether its fields were read; `stack` is an index into `table.stacks`, -1 without one.
        """
        import pandas as pd

        c = self.table.columns
        texts = {name: self._category(c[name]) for name in ("comm", "latency", "event")}
        numbers = {name: c[name].astype(np.int32) for name in ("cpu", "pid", "tgid", "stack")}
        return pd.DataFrame(
            {
                "line": c["line"],
                "t": c["t"],
                "cpu": numbers["cpu"],
                "pid": numbers["pid"],
                "tgid": numbers["tgid"],
                **texts,
                "known": c["form"] >= 0,
                "stack": numbers["stack"],
            }
        )

    def df_event(self, *events: str) -> pd.DataFrame:
        """The lines of some events with their fields.

        Args:
            events: event names; those that the trace lacks give no rows.

        Returns:
            line, t, cpu, pid, comm, event, then every field of these events: UInt64 for addresses, pfns and flags,
            Int64 for counts and orders, category for texts; <NA> where an event or an era has no such field; `stack`.

        >>> trace = read_trace(b" a-1 [000] 1.000000: kvm_mmu_spte_requested: gfn 100 pfn 3975c level 1\\n")
        >>> int(trace.df_event("kvm_mmu_spte_requested").loc[0, "pfn"])
        235356
        """
        forms = [f for f in _FORMS if f.event in events]
        return self._frame(forms)

    def df_system(self, system: str) -> pd.DataFrame:
        """The lines of all events of one trace system (`kmem`, `page_ref`, `kvm`, `amdgpu`, ...), as `df_event`."""
        return self._frame([f for f in _FORMS if f.system == system])

    def df_kmem(self) -> pd.DataFrame:
        """Page allocator events: line, t, cpu, pid, comm, event, pfn UInt64, order, mt Int64, gfp as printed, stack.

        A failed mm_page_alloc has pfn 0: that is how the kernel prints it.
        """
        return self.df_system("kmem")

    def df_page_ref(self) -> pd.DataFrame:
        """page_ref events: pfn, mapping (hashed) UInt64, flags as printed, count, mapcount, mt, val, ret Int64."""
        return self.df_system("page_ref")

    def df_kvm(self) -> pd.DataFrame:
        """kvm and kvmmmu events together, in the order of the text: vcpu Int64, gfn, pfn, address, spte, ... UInt64."""
        return self._frame([f for f in _FORMS if f.system in ("kvm", "kvmmmu")])

    def stack_of(self, code: int) -> tuple[str, ...]:
        """The symbols of a stack, innermost first; empty for -1."""
        return self.table.stacks[code] if code >= 0 else ()

    def _frame(self, forms: list[Any]) -> pd.DataFrame:
        import pandas as pd

        # One place more than there are forms: form -1 falls on it.
        wanted = np.zeros(len(_FORMS) + 1, dtype=bool)
        wanted[[f.index for f in forms]] = True
        rows = np.flatnonzero(wanted[self.table.columns["form"]])
        c = {name: self.table.columns[name][rows] for name in (*_LINE_COLUMNS, "form", "at", "stack")}
        frame: dict[str, Any] = {name: c[name] for name in ("line", "t")}
        frame |= {name: c[name].astype(np.int32) for name in ("cpu", "pid")}
        frame |= {name: self._category(c[name]) for name in ("comm", "event")}
        present = [f for f in forms if (c["form"] == f.index).any()]
        kinds = {field.name: field.kind for form in present for field in form.stored}
        for name, kind in kinds.items():
            values = np.zeros(len(rows), dtype=np.uint64)
            filled = np.zeros(len(rows), dtype=bool)
            for form in present:
                place = next((k for k, field in enumerate(form.stored) if field.name == name), None)
                if place is None:
                    continue
                here = c["form"] == form.index
                values[here] = self.table.values[c["at"][here] + place]
                filled |= here
            frame[name] = self._column(values, filled, kind)
        frame["stack"] = c["stack"].astype(np.int32)
        return pd.DataFrame(frame)

    def _column(self, values: Any, filled: Any, kind: str) -> Any:
        import pandas as pd

        if kind in TEXT_KINDS:
            return self._category(np.where(filled, values.view(np.int64), -1))
        if kind == "d":
            return pd.arrays.IntegerArray(values.view(np.int64), ~filled)
        return pd.arrays.IntegerArray(values, ~filled)

    def _category(self, codes: Any) -> Any:
        import pandas as pd

        # One place more than there are texts: code -1 falls on it.
        used = np.zeros(len(self.table.strings) + 1, dtype=bool)
        used[codes] = True
        texts: dict[str, int] = {}
        renumbered = np.full(len(used), -1, dtype=np.int32)
        for code in np.flatnonzero(used[:-1]).tolist():
            renumbered[code] = texts.setdefault(self.table.strings[code], len(texts))
        return pd.Categorical.from_codes(renumbered[codes], pd.Index(list(texts), dtype="str"))


def read_trace(source: str | Path | bytes | BinaryIO, *, release: str | None = None, engine: str = "auto") -> Trace:
    """Read the text of a trace.

    Args:
        source: path, `-`, bytes or file object; packed files are unpacked.
        release: the kernel that it was recorded on, `uname -r`, if known.
        engine: `auto`, `fast` or `tolerant`.

    Raises:
        UnusableInput: if the file cannot be read.

    Source: kernel/trace/trace_output.c, tools/perf/builtin-script.c (forms of the lines); `events.csv` (bodies).

    >>> trace = read_trace(b"  kl-215 [000] ..... 4.336245: mm_page_free: page=0 pfn=0x2d1f order=0\\n")
    >>> trace.df_kmem()[["event", "pfn", "order"]].values.tolist()
    [['mm_page_free', 11551, 0]]
    """
    opened = open_capture(source)
    return trace_of(opened.data, opened.name, release=release, engine=engine)


def trace_of(data: bytes | mmap.mmap, name: str = "", *, release: str | None = None, engine: str = "auto") -> Trace:
    """The trace in a file's bytes; arguments as in `read_trace`."""
    table = read_table(data, engine)
    head = bytes(data[:4096])
    if b"# tracer:" in head:
        src = "ftrace"
    elif head.startswith((b"cpus=", b"version =")):
        src = "trace-cmd"
    else:
        systems = table.columns["system"]
        src = "perf" if len(systems) and (systems >= 0).mean() > 0.5 else "ftrace"
    return Trace(table, name, src, release)
