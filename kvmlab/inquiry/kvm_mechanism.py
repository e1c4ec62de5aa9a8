"""The life of each page of a storm, get by get and put by put: as page_ref events recorded it, and as the model has it.

The lab injects the put that is too many; where it comes from in the reported kernel is the model's answer, not that of
the trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.shelf import ShippedRun
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.hypothesis_facts import Fact
from kvmlab.kernel.release import KernelRelease
from kvmlab.kvm.policies import AfterCheck, stock_policy
from kvmlab.kvm.storm import simulate_storm, with_stale_put
from kvmlab.memory.ledger import Entry

if TYPE_CHECKING:
    import pandas as pd

    from kvmlab.inquiry.replay import Replay

TRACE: Final = "storm/ftrace_page_ref.txt"
LOG: Final = "storm/log.jsonl"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a page's count.

    Args:
        t: time, ns.
        event: name of the event, without `page_ref_`.
        count: `_refcount` after it.
        flags: the page's flags at that time.
        mapped: page-table entries that map it at that time.
    """

    t: int
    event: str
    count: int
    flags: frozenset[str]
    mapped: int


@dataclass(frozen=True, slots=True)
class Life:
    """What happened to one page of the guest, recorded and predicted.

    Args:
        gfn: the guest page, from the first that the guest touched.
        pfn: its frame.
        recorded: the changes of its count.
        predicted: the gets and puts of the model, with who did them.
    """

    gfn: int
    pfn: int
    recorded: tuple[Change, ...]
    predicted: tuple[Entry, ...]

    @property
    def agrees(self) -> bool:
        """Whether count for count is the same."""
        return [change.count for change in self.recorded] == [entry.refcount for entry in self.predicted]

    @property
    def missing_from(self) -> int | None:
        """Number of the first change after which fewer references are left than the page has certain holders.

        A page that is mapped has a reference for each mapping, and one more while it waits in the LRU batch, from its
        second change until PG_lru is set. That is what the trace alone proves; the put that is too many may be earlier
        still, covered by a reference that a fault holds for a moment. None if the count never falls so low.
        """
        for number, change in enumerate(self.recorded, start=1):
            waits = number >= 2 and "lru" not in change.flags
            if change.count < change.mapped + waits and number > 2:
                return number
        return None

    @property
    def ends(self) -> str:
        """`lost` (the count reached 0 while it was mapped), `alive` or `freed`."""
        last = self.recorded[-1]
        return "alive" if last.count > 0 else "lost" if last.mapped > 0 else "freed"


def page_lives(run: ShippedRun) -> tuple[Life, ...]:
    """The lives of the pages that a storm's puts hit, in the order of the guest's accesses.

    Args:
        run: a storm of the lab with page_ref events.

    Raises:
        MissingInput: the run has no such trace, or its kernel has no late check into which a put can be injected.
    """
    captures = run.open()
    trace, log = captures.read(TRACE).value, captures.read(LOG).value.df_log()
    policy = stock_policy(KernelRelease.parse(run.release).version)
    if policy is None or policy.after_check is AfterCheck.NO_CHECK:
        raise MissingInput(f"{run.release} has no late check, so the model has nothing to hold against {run.run}.")
    puts = log[log["event"] == "stale_put"]
    faults = trace.df_event("kvm_page_fault")
    refs = trace.df_page_ref()
    refs = refs[(refs["line"] >= int(faults["line"].min())) & refs["pfn"].isin(puts["pfn"].tolist())]
    by_pfn = {int(pfn): part for pfn, part in refs.groupby("pfn")}
    storm = simulate_storm(with_stale_put(policy), run.release, pages=len(puts), drain_at_end=False)
    book: dict[int, list[Entry]] = {}
    for entry in storm.run.ledger.entries:
        if entry.change:
            book.setdefault(storm.run.page(entry.page).gfn or 0, []).append(entry)
    first = int(puts["gfn"].min())
    lives = []
    for gfn, pfn in sorted((int(g), int(p)) for g, p in zip(puts["gfn"], puts["pfn"], strict=True)):
        changes = tuple(
            Change(
                int(row["t"]), str(row["event"]).removeprefix("page_ref_"), int(row["count"]),
                frozenset(str(row["flags"]).split("|")), int(row["mapcount"]) + 1,
            )
            for row in by_pfn[pfn].to_dict("records")
        )  # fmt: skip
        lives.append(Life(gfn - first, pfn, changes, tuple(book.get(gfn - first, ()))))
    return tuple(lives)


def df_lives(lives: tuple[Life, ...]) -> pd.DataFrame:
    """One row a page: gfn, pfn UInt64, recorded and predicted (counts as text), agrees, ends, missing_from Int64.

    Args:
        lives: as `page_lives` returns them.
    """
    import pandas as pd

    rows = [
        (
            life.gfn, life.pfn, " ".join(str(c.count) for c in life.recorded),
            " ".join(str(e.refcount) for e in life.predicted), life.agrees, life.ends, life.missing_from,
        )
        for life in lives
    ]  # fmt: skip
    names = ["gfn", "pfn", "recorded", "predicted", "agrees", "ends", "missing_from"]
    return pd.DataFrame(rows, columns=names).astype({"pfn": "UInt64", "missing_from": "Int64"})


def df_mechanism(life: Life, replayed: Replay) -> pd.DataFrame:
    """One page's life beside the steps of a replay of the report.

    Args:
        life: a page of the storm.
        replayed: the replay, which follows frame 0.

    Returns:
        change int64, event, count, flags (tuple) as recorded; lab (who changes the count in the model of the lab's
        kernel); step Int64, reported (who does it in the replay, `stray: ` before who holds nothing), reported_count
        Int64; agrees (whether the three counts are the same). One row a change, as long as the longest of the three.
    """
    import pandas as pd

    entries = [e for e in replayed.run.ledger.entries if e.page == 0 and e.change] if replayed.run is not None else []
    rows = []
    for n in range(max(len(life.recorded), len(life.predicted), len(entries))):
        seen = life.recorded[n] if n < len(life.recorded) else None
        lab = life.predicted[n] if n < len(life.predicted) else None
        said = entries[n] if n < len(entries) else None
        counts = {
            None if one is None else value
            for one, value in ((seen, seen and seen.count), (lab, lab and lab.refcount), (said, said and said.refcount))
        }
        rows.append(
            (
                n + 1,
                seen and seen.event,
                seen and seen.count,
                () if seen is None else tuple(sorted(seen.flags & _TELLING)),
                _who(lab),
                said and said.step,
                _who(said),
                said and said.refcount,
                len(counts) == 1,
            )
        )
    names = ["change", "event", "count", "flags", "lab", "step", "reported", "reported_count", "agrees"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.astype({"count": "Int64", "step": "Int64", "reported_count": "Int64"})


_TELLING: Final = frozenset({"referenced", "active", "lru"})


def _who(entry: Entry | None) -> str | None:
    if entry is None:
        return None
    does = "gets" if entry.change > 0 else "puts"
    return f"{'stray: ' if entry.stray else ''}{entry.holder} {does}"


def extra_put_in_trace(lives: tuple[Life, ...]) -> Fact:
    """Whether page_ref events prove that the put too many came before the one that the report shows, and by how much.

    Args:
        lives: as `page_lives` returns them.
    """
    lost = [(life, life.missing_from) for life in lives if life.ends == "lost"]
    known = [(life, number) for life, number in lost if number is not None and number < len(life.recorded)]
    if not lost:
        return Fact("extra put in trace", None, "no page of this trace was lost while it was mapped", Basis.OBSERVED)
    early = sorted((life.recorded[-1].t - life.recorded[number - 1].t) / 1e6 for life, number in known)
    told = (
        f"of {len(lost)} pages that were lost while mapped, {len(known)} were short of a reference before the last put"
    )
    if early:
        told += f", by {early[0]:.1f} to {early[-1]:.1f} ms"
    return Fact("extra put in trace", len(known) == len(lost), told, Basis.OBSERVED)
