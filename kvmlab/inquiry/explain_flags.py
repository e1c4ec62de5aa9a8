"""What the flags word of a page dump says: bits, fields, and the names that stand for something else on this kind of "
"page."""

from __future__ import annotations

from collections.abc import Iterator

from kvmlab.errors import UnknownRelease
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.explanation import Row
from kvmlab.inquiry.page_kind import page_kind
from kvmlab.kernel.flag_fields import FIELD_NAMES
from kvmlab.kernel.flag_layout import LayoutSolution, solve_layout
from kvmlab.kernel.page_flag_aliases import expand
from kvmlab.kernel.page_flags import PageFlags, tables_that_fit
from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.zones import zone_name
from kvmlab.report.records import PageDump, PrintedFlags, RawWords

TOPIC = "Flags"


def flag_rows(page: PageDump, release: KernelRelease | None, arch: str) -> Iterator[Row]:
    """Statements about the flags word.

    Args:
        page: the dump.
        release: the release that printed it, None if the text does not say.
        arch: architecture, for usual configurations.
    """
    printed = page.flags
    if printed is None:
        return
    width = 32 if _is_32_bit(page.raw) else 64
    value = f"{printed.value:#x}"
    named = ", ".join(printed.names) or "none"
    yield Row(TOPIC, "flags", value, f"The kernel names: {named}.", Basis.OBSERVED, printed.span)
    # A spoilt line can hold a field name that no kernel prints; only the known ones say something about the layout.
    known = {name: number for name, number in printed.fields.items() if name in FIELD_NAMES}
    layout = solve_layout(printed.value, known, release or "", arch=arch, width=width) if known else None
    decoded = _decode(printed, release, arch, width, layout)
    if decoded is None:
        yield _unknown_release(printed, release, arch, width)
    else:
        yield _agreement(printed, decoded, release, arch, width)
        kind = page_kind(page, release)
        for flag in expand(decoded, kind.kind, release or ""):
            shown = f"bit {flag.bit}"
            if flag.name == flag.printed:
                meaning, basis = f"{flag.meaning}.", Basis.OBSERVED
            else:
                meaning = (
                    f"Printed as {flag.printed}; on a page of kind {kind.kind} the bit is {flag.name}: {flag.meaning}."
                )
                basis = Basis.INFERRED
            yield Row(TOPIC, flag.name, shown, meaning[:1].upper() + meaning[1:], basis, printed.span)
    if layout is not None:
        yield from _fields(printed, layout, release, arch)


def _is_32_bit(raw: RawWords | None) -> bool:
    return raw is not None and raw.width == 8


def _decode(
    printed: PrintedFlags, release: KernelRelease | None, arch: str, width: int, layout: LayoutSolution | None
) -> PageFlags | None:
    if release is None:
        return None
    fields_from = layout.preferred.kasantag_shift if layout and layout.preferred else None
    try:
        return PageFlags.decode(printed.value, release, arch=arch, width=width, fields_from=fields_from)
    except UnknownRelease:
        return None


def _unknown_release(printed: PrintedFlags, release: KernelRelease | None, arch: str, width: int) -> Row:
    fits = tables_that_fit(printed.value, printed.names, release=release, arch=arch, width=width)
    which = f"no table covers release {release.text!r}" if release else "the text names no release"
    tables = ", ".join(str(fit.table) for fit in fits[:4])
    meaning = f"{which[:1].upper()}{which[1:]}, so the bits are not decoded. "
    meaning += f"The printed names fit the tables of: {tables}." if fits else "No table gives the printed names."
    return Row(TOPIC, "flag table", "unknown release", meaning, Basis.OBSERVED, printed.span)


def _agreement(printed: PrintedFlags, decoded: PageFlags, release: KernelRelease | None, arch: str, width: int) -> Row:
    if set(decoded.names) == set(printed.names):
        meaning = f"The bits give the printed names with the table of {decoded.table}."
        if decoded.caveat:
            meaning += f" {decoded.caveat[:1].upper()}{decoded.caveat[1:]}."
        if decoded.unknown:
            meaning += f" {decoded.unknown:#x} has no name in it (LRU_GEN and LRU_REFS are never printed)."
        return Row(TOPIC, "flag table", decoded.table, meaning, Basis.INFERRED, printed.span)
    fits = tables_that_fit(printed.value, printed.names, release=release, arch=arch, width=width)
    meaning = (
        f"The bits give {', '.join(decoded.names) or 'no names'} with the table of {decoded.table}, the kernel printed "
        f"{', '.join(printed.names) or 'none'}: this kernel has other flags than its release. "
    )
    meaning += f"The printed names fit {', '.join(str(f.table) for f in fits[:4])}." if fits else "No table fits."
    return Row(TOPIC, "flag table", "contradiction", meaning, Basis.OBSERVED, printed.span)


def _fields(printed: PrintedFlags, layout: LayoutSolution, release: KernelRelease | None, arch: str) -> Iterator[Row]:
    for name, number in printed.fields.items():
        if name == "node":
            meaning, basis = "NUMA node of the page.", Basis.OBSERVED
        elif name == "zone":
            zone = zone_name(number, arch, release)
            meaning, basis = (f"Zone {zone} in a build with all zones." if zone else "Zone number."), Basis.ASSUMED
        elif name == "lastcpupid":
            reset = layout.lastcpupid_is_reset
            meaning = (
                "All ones: the value of a page that no NUMA balancing fault has touched since it was allocated."
                if reset
                else "CPU and process of the last NUMA balancing fault on the page."
            )
            basis = Basis.INFERRED
        else:
            meaning, basis = "Printed by the kernel beside the flags.", Basis.OBSERVED
        shown = f"{number:#x}" if name in ("lastcpupid", "kasantag") else str(number)
        yield Row(TOPIC, name, shown, meaning, basis, printed.span)
    found = layout.preferred
    if found is None:
        yield Row(
            TOPIC,
            "field layout",
            "no solution",
            f"{layout.reason[:1].upper()}{layout.reason[1:]}.",
            Basis.OBSERVED,
            printed.span,
        )
        return
    widths = [
        f"{name} {width} bits from bit {shift}"
        for name, width, shift in (
            ("section", found.section_width, found.section_shift),
            ("node", found.node_width, found.node_shift),
            ("zone", found.zone_width, found.zone_shift),
            ("lastcpupid", found.lastcpupid_width, found.lastcpupid_shift),
            ("kasantag", found.kasantag_width, found.kasantag_shift),
        )
        if width
    ]
    meaning = "Solved from the word and the printed fields; "
    meaning += (
        "this is the only solution." if layout.unique else f"one of {len(layout.layouts)} solutions: {layout.reason}."
    )
    if found.max_cpus:
        meaning += f" lastcpupid of {found.lastcpupid_width} bits means a kernel built for up to {found.max_cpus} CPUs."
    if layout.left_over:
        meaning += f" {layout.left_over:#x} between flags and fields is left over (LRU_GEN, LRU_REFS)."
    yield Row(TOPIC, "field layout", ", ".join(widths), meaning, Basis.INFERRED, printed.span)
