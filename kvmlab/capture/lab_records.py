"""The lab's JSON lines: what a guest's access to each kind of page did, and what the module saw."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvmlab.capture.klttm import TtmRun, parse_ttm_run
from kvmlab.capture.malformed import Malformed, hex_u64, numbered

if TYPE_CHECKING:
    import pandas as pd

EFAULT = 14
_COUNTS = ("refcount", "page_count", "mapcount_raw", "compound", "head", "tail", "reserved", "anon", "lru", "buddy")


@dataclass(frozen=True, slots=True)
class LabRecords:
    """All JSON lines of a file.

    Args:
        records: number of the line and its object, in order.
        ttm: the listing of ttm_pool_alloc() between them, None if there is none.
        malformed: the lines that are neither.
    """

    records: tuple[tuple[int, Mapping[str, Any]], ...]
    ttm: TtmRun | None = None
    malformed: tuple[Malformed, ...] = ()

    def df_runs(self) -> pd.DataFrame:
        """One row a KVM_RUN: line, case, page, i, run, ret, errno, exit_reason, outcome, then the page as it was found
        before: pfn UInt64, refcount, compound, reserved Int64.

        `outcome` is `ok`, `efault` (KVM_RUN gave -1 and errno 14) or `errno N` / `exit N`.
        """
        import pandas as pd

        names = [
            "line", "case", "page", "i", "run", "ret", "errno", "exit_reason", "outcome",
            "pfn", "refcount", "compound", "reserved",
        ]  # fmt: skip
        frame = pd.DataFrame(list(self._runs()), columns=names, dtype=object)
        counts = ["page", "i", "ret", "errno", "exit_reason", "refcount", "compound", "reserved"]
        types = {"line": "int64", "pfn": "UInt64"} | dict.fromkeys(counts, "Int64")
        return frame.astype(types | dict.fromkeys(["case", "run", "outcome"], "str"))

    def df_pages(self) -> pd.DataFrame:
        """One row a look at a page: line, case, page, i, step, pfn UInt64, refcount, page_count, mapcount_raw,
        compound, head, tail, reserved, anon, lru, buddy Int64, raw0 to raw7 UInt64 (struct page in words)."""
        import pandas as pd

        cells = []
        for line, record, step in self._steps():
            if "step" not in step:
                continue
            raw = [hex_u64(w) if isinstance(w, str) else None for w in _list(step.get("raw"))][:8]
            raw += [None] * (8 - len(raw))
            counts = [_int(step.get(name)) for name in _COUNTS]
            where = (line, record.get("case"), _int(record.get("page")), _int(record.get("i")), str(step["step"]))
            cells.append((*where, _hex(step.get("pfn")), *counts, *raw))
        words = [f"raw{k}" for k in range(8)]
        names = ["line", "case", "page", "i", "step", "pfn", *_COUNTS, *words]
        frame = pd.DataFrame(cells, columns=names, dtype=object)
        types = {"line": "int64", "case": "str", "step": "str"} | dict.fromkeys(["pfn", *words], "UInt64")
        return frame.astype(types | dict.fromkeys(["page", "i", *_COUNTS], "Int64"))

    def df_log(self) -> pd.DataFrame:
        """One row a record of the module's log: line, t Int64 (ns), cpu, pid Int64, comm, event, vcpu Int64, gfn, pfn
        UInt64, refcount, after, mapcount_raw Int64, flags UInt64, func, reason, stack (text, innermost first)."""
        import pandas as pd

        cells = []
        for line, r in self.records:
            if "event" not in r or "ns" not in r:
                continue
            numbers = [_int(r.get(name)) for name in ("ns", "cpu", "pid")]
            counts = [_int(r.get(name)) for name in ("refcount", "after", "mapcount_raw", "nr")]
            texts = [None if r.get(name) is None else str(r.get(name)) for name in ("func", "reason")]
            stack = " < ".join(str(f) for f in _list(r.get("stack")))
            cells.append(
                (
                    line, *numbers, r.get("comm"), r["event"], _int(r.get("vcpu")), _hex(r.get("gfn")),
                    _hex(r.get("pfn")), *counts, _hex(r.get("flags")), *texts, stack,
                )
            )  # fmt: skip
        names = [
            "line", "t", "cpu", "pid", "comm", "event", "vcpu", "gfn", "pfn", "refcount", "after", "mapcount_raw",
            "nr", "flags", "func", "reason", "stack",
        ]  # fmt: skip
        frame = pd.DataFrame(cells, columns=names, dtype=object)
        types = {"line": "int64"} | dict.fromkeys(["gfn", "pfn", "flags"], "UInt64")
        counts_ = ["t", "cpu", "pid", "vcpu", "refcount", "after", "mapcount_raw", "nr"]
        types |= dict.fromkeys(counts_, "Int64")
        return frame.astype(types | dict.fromkeys(["comm", "event", "func", "reason", "stack"], "str"))

    def _steps(self) -> Iterator[tuple[int, Mapping[str, Any], Mapping[str, Any]]]:
        for line, record in self.records:
            for step in _list(record.get("seq")):
                if isinstance(step, dict):
                    yield line, record, step

    def _runs(self) -> Iterator[tuple[Any, ...]]:
        seen: tuple[int, Mapping[str, Any]] | None = None
        for line, record, step in self._steps():
            if "step" in step:
                seen = line, step
            elif "run" in step:
                page = seen[1] if seen is not None and seen[0] == line else {}
                ret, errno = _int(step.get("ret")), _int(step.get("errno"))
                exit_reason = _int(step.get("exit_reason"))
                if step.get("ok") == 1:
                    outcome = "ok"
                elif ret is not None and ret < 0:
                    outcome = "efault" if errno == EFAULT else f"errno {errno}"
                else:
                    outcome = f"exit {exit_reason}"
                where = line, record.get("case"), _int(record.get("page")), _int(record.get("i")), str(step["run"])
                found = [_int(page.get(name)) for name in ("refcount", "compound", "reserved")]
                yield (*where, ret, errno, exit_reason, outcome, _hex(page.get("pfn")), *found)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63 else None


def _hex(value: Any) -> int | None:
    return hex_u64(value) if isinstance(value, str) else None


def parse_lab_records(text: str | bytes) -> LabRecords:
    """Read the JSON lines of the lab's programs (`kl kvm`, `kl kvmttm`, `kl storm`, ...) and of klab's log.

    Args:
        text: the file.

    >>> line = '{"case":"c","page":1,"seq":[{"run":"read","ret":-1,"errno":14,"exit_reason":0,"ok":0}]}'
    >>> parse_lab_records(line).df_runs()[["case", "page", "outcome"]].values.tolist()
    [['c', 1, 'efault']]
    """
    records: list[tuple[int, Mapping[str, Any]]] = []
    rest: list[tuple[int, str]] = []
    malformed: list[Malformed] = []
    for number, line in numbered(text):
        plain = line.strip()
        if not plain.startswith("{"):
            rest.append((number, line))
            continue
        try:
            record = json.loads(plain)
        except (ValueError, RecursionError):
            malformed.append(Malformed(number, line, "expected a JSON object on one line."))
            continue
        records.append((number, record))
    ttm = parse_ttm_run("\n".join(line for _, line in rest))
    places = [number for number, _ in rest]
    malformed += [Malformed(places[m.line - 1], m.text, m.reason) for m in ttm.malformed]
    malformed.sort(key=lambda m: m.line)
    return LabRecords(tuple(records), ttm if ttm.buffers else None, tuple(malformed))
