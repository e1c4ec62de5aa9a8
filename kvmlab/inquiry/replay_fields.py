"""The fields in which a replay is compared with a report: predicted, reported, and whether they agree."""

from __future__ import annotations

from dataclasses import dataclass

from kvmlab.errors import UnknownRelease
from kvmlab.inquiry.basis import Basis
from kvmlab.kernel.constants import constant
from kvmlab.kernel.page_flag_aliases import PageKind, expand
from kvmlab.kernel.page_flags import PageFlags
from kvmlab.kernel.poison import name_word
from kvmlab.kernel.release import KernelRelease
from kvmlab.kvm.kernel_names import match_stack
from kvmlab.kvm.scenario import Run
from kvmlab.memory.free_checks import reason_text
from kvmlab.memory.page_state import PageState
from kvmlab.report.records import PageDump, Report

Value = int | str | tuple[str, ...] | None

_USER_BITS = {"x86_64": 47}
_LIST_POISON = ("LIST_POISON1", "LIST_POISON2")


@dataclass(frozen=True, slots=True)
class Agreement:
    """One field, predicted and reported.

    Args:
        field: its name.
        predicted: what the model ends with.
        reported: what the report says; None if it does not say it.
        agrees: whether they are the same; None if the report does not say it.
        basis: how the reported value is known.
        note: one sentence.
    """

    field: str
    predicted: Value
    reported: Value
    agrees: bool | None
    basis: Basis
    note: str = ""


def reported_flags(dump: PageDump, release: KernelRelease) -> tuple[str, ...] | None:
    """The flags of an anonymous page under their own names (`anon_exclusive` where `mappedtodisk` is printed).

    Args:
        dump: the page dump.
        release: the kernel that printed it.

    The word itself is decoded; a printed list that says something else is no flag list of that word, and gives None.
    """
    if dump.flags is None:
        return None
    try:
        decoded = PageFlags.decode(dump.flags.value, release)
    except UnknownRelease:
        return tuple(sorted(dump.flags.names))
    if set(decoded.names) != set(dump.flags.names):
        return tuple(sorted({*dump.flags.names, f"printed names do not fit {dump.flags.value:#x}"}))
    return tuple(sorted(meaning.name for meaning in expand(decoded, PageKind.ANON, release)))


def _row(field: str, predicted: Value, reported: Value, basis: Basis, note: str = "") -> Agreement:
    return Agreement(field, predicted, reported, None if reported is None else predicted == reported, basis, note)


def compare(report: Report, run: Run, release: KernelRelease) -> tuple[Agreement, ...]:
    """Compare the followed page of a run with a report, field by field.

    Args:
        report: a report with a page dump.
        run: a run whose followed page is frame 0.
        release: the kernel of the report.
    """
    dump = report.page
    assert dump is not None
    bad = next((b for b in run.bad_pages if b.page.page == 0), None)
    page = bad.page if bad is not None else run.page(0)
    rows = [
        _row("kind", "bad_page" if bad is not None else "no report", str(report.kind), Basis.OBSERVED),
        _row("refcount", page.refcount, dump.refcount, Basis.OBSERVED),
        _row("mapcount", page.mapcount, dump.mapcount, Basis.OBSERVED),
        _row("mapping", "anon_vma" if page.mapping else "NULL",
             None if dump.mapping is None else _pointer(dump.mapping), Basis.OBSERVED,
             "cleared when the page is freed, before the tests"),
        _index_row(dump),
        _row("flags", tuple(sorted(page.flags or ())), reported_flags(dump, release), Basis.INFERRED,
             "decoded with the release's table, as flags of an anonymous page"),
        _row("reason", reason_text(bad.reason, release) if bad is not None else None, dump.reason, Basis.OBSERVED),
    ]  # fmt: skip
    rows += _raw_rows(dump, page, release)
    rows.append(_stack_row(report, run))
    return tuple(rows)


def _pointer(value: int) -> str:
    return "NULL" if value == 0 else f"{value:#x}"


def _index_row(dump: PageDump) -> Agreement:
    """The guest's hva is taken from the index, so what is tested is that an hva of user space can have that index."""
    note = "index = hva >> 12 of anonymous memory; hva is an address of user space, taken from the report"
    if dump.index is None:
        return Agreement("index", "hva >> 12", None, None, Basis.INFERRED, note)
    shift = constant("PAGE_SHIFT")
    hva = dump.index << shift
    fits = dump.index >= 16 and hva >> _USER_BITS["x86_64"] == 0
    predicted = f"{hva >> shift:#x}" if fits else "an index that is the address of user memory"
    return Agreement("index", predicted, f"{dump.index:#x}", fits, Basis.INFERRED, note)


def _raw_rows(dump: PageDump, page: PageState, release: KernelRelease) -> list[Agreement]:
    """The words of the struct page: each printed field must stand in them too (64-bit layout of 6.9)."""
    raw = dump.raw
    poison = "LIST_POISON" if page.list_poison else "no poison"
    if raw is None or raw.width != 16 or len(raw.words) < 8:
        return [Agreement("list", poison, None, None, Basis.OBSERVED, "the raw words are missing")]
    words = raw.words
    names = tuple(None if (named := name_word(w, release)) is None else named.name for w in words[1:3])
    counts = (words[6] >> 32, (words[6] & 0xFFFFFFFF) + 1 & 0xFFFFFFFF)
    rows = [
        _row("list", poison, "LIST_POISON" if names == _LIST_POISON else f"{words[1]:#x} {words[2]:#x}", Basis.OBSERVED,
             "words 1 and 2: list_del() after the page had been on an LRU list"),
        _row("raw mapping", "anon_vma" if page.mapping else "NULL", _pointer(words[3]), Basis.OBSERVED, "word 3"),
        _row("raw counts", f"{page.refcount}/{page.mapcount}", f"{counts[0]}/{counts[1]}", Basis.OBSERVED,
             "word 6: _refcount/_mapcount + 1"),
        _row("raw private", "0x0", f"{words[5]:#x}", Basis.OBSERVED, "word 5: nothing uses it on such a page"),
        _row("memcg", "uncharged", "uncharged" if words[7] == 0 else f"{words[7]:#x}", Basis.OBSERVED,
             "word 7: uncharged before the tests"),
    ]  # fmt: skip
    if dump.flags is not None:
        rows.append(_row("raw flags", f"{dump.flags.value:#x}", f"{words[0]:#x}", Basis.OBSERVED, "word 0"))
    if dump.index is not None:
        rows.append(_row("raw index", f"{dump.index:#x}", f"{words[4]:#x}", Basis.OBSERVED, "word 4"))
    return rows


def _stack_row(report: Report, run: Run) -> Agreement:
    """The functions of the step that reports the page, against the reliable frames of the stack."""
    step = next((s for s in run.steps if 0 in s.bad_pages), None)
    frames = () if report.call_trace is None else tuple(f.function for f in report.call_trace.reliable)
    predicted = "no report" if step is None else " < ".join(reversed(step.functions))
    if not frames:
        return Agreement("stack", predicted, None, None, Basis.OBSERVED, "the report has no stack")
    if step is None:
        return Agreement("stack", predicted, " < ".join(frames[:8]), False, Basis.OBSERVED)
    match = match_stack(step.functions, frames)
    note = "; ".join(
        [f"not in the stack: {', '.join(match.lacking)}"] * bool(match.lacking)
        + [f"not in the model: {', '.join(match.foreign)}"] * bool(match.foreign)
    )
    return Agreement("stack", predicted, " < ".join(reversed(match.found)), match.agrees, Basis.OBSERVED, note)
