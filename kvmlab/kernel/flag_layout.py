"""Widths of the section, node, zone, lastcpupid and kasantag fields of `page->flags`, solved from one printed line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.constants import constant
from kvmlab.kernel.flag_fields import FIELD_NAMES, FieldLayout
from kvmlab.kernel.page_flag_tables import default_config, flag_table
from kvmlab.kernel.release import KernelRelease

__all__ = ["FIELD_NAMES", "FieldLayout", "LayoutSolution", "solve_layout"]

_CPU_BITS = range(17)
_ZONE_WIDTHS = (1, 2, 3)
_KASAN_WIDTHS = (8, 4)
_SECTION_WIDTHS = range(1, 33)
# Node widths that builds really have, likeliest first: distributions, then the Kconfig default of x86-64 and arm64.
_USUAL_NODE_WIDTHS = (10, 6, 4)
# MAX_PHYSMEM_BITS - SECTION_SIZE_BITS of x86-64: 46 - 27 with four levels of page tables, 52 - 27 with five.
_USUAL_SECTION_WIDTHS = (0, 19, 25)
_USUAL_LASTCPUPID_WIDTH = 21  # CONFIG_NR_CPUS=8192, as distributions have it


@dataclass(frozen=True, slots=True)
class LayoutSolution:
    """All field layouts that give the printed fields back.

    Args:
        value: the flags word.
        printed: the fields that the kernel printed.
        layouts: every solution, the preferred one first.
        reason: why the first one is preferred, or why there is none.
        flag_bits: how many low bits are page flags; 0 if the release has no table.
        lastcpupid_is_reset: whether lastcpupid is all ones, the value of a page that no NUMA hint has touched;
            None if it was not printed or the solutions disagree.
        left_over: set bits between the page flags and the fields of the preferred layout: LRU_GEN, LRU_REFS.
    """

    value: int
    printed: Mapping[str, int]
    layouts: tuple[FieldLayout, ...]
    reason: str
    flag_bits: int
    lastcpupid_is_reset: bool | None
    left_over: int

    @property
    def preferred(self) -> FieldLayout | None:
        """The likeliest solution, None if there is none."""
        return self.layouts[0] if self.layouts else None

    @property
    def unique(self) -> bool:
        """Whether there is exactly one solution."""
        return len(self.layouts) == 1

    @property
    def lru_gen(self) -> tuple[int, int] | None:
        """LRU_GEN (generation + 1, 0 for none) and LRU_REFS of the preferred layout, if the build has them."""
        if self.preferred is None:
            return None
        gen, refs = self.preferred.lru_gen_places(self.flag_bits)
        return _bits(self.value, gen), _bits(self.value, refs)


def solve_layout(
    value: int,
    printed: Mapping[str, int],
    release: KernelRelease | str,
    *,
    arch: str = "x86_64",
    width: int = 64,
    config: Mapping[str, bool] | None = None,
) -> LayoutSolution:
    """Find every layout of the fields that gives back what the kernel printed beside the word.

    Only fields of nonzero width are printed, so a field that is not there has no bits. A section field exists without
    SPARSEMEM_VMEMMAP only. The node field has at most 10 bits, the zone field 3, lastcpupid 8 and a CPU number's.

    Args:
        value: the flags word, unsigned long.
        printed: `section`, `node`, `zone`, `lastcpupid`, `kasantag` as printed, those that are there.
        release: the release; where no table covers it, only the room for page flags is not checked.
        arch: architecture, for what is usual.
        width: bits of an unsigned long.
        config: options that are known, for the number of page flags.

    Raises:
        ValueError: `value` is negative, or `printed` has a field of another name.

    Source: include/linux/page-flags-layout.h and mmzone.h of 6.9. Example: the reported trace.

    >>> found = solve_layout(0x0017FFFFC00A000C, {"node": 0, "zone": 2, "lastcpupid": 0x1FFFFF}, "6.9.12-ajb")
    >>> (found.unique, found.preferred.node_width, found.preferred.zone_shift, found.preferred.max_cpus)
    (True, 10, 51, 8192)
    """
    if value < 0 or (other := set(printed) - set(FIELD_NAMES)):
        raise ValueError(
            f"a flags word is unsigned, not {value}" if value < 0 else f"no field is called {min(other)!r}"
        )
    try:
        names = flag_table(release).names(default_config(arch, release, width) | dict(config or {}))
        flag_bits = len(names)
    except UnknownRelease:
        flag_bits = 0
    if not printed:
        return LayoutSolution(value, dict(printed), (), "the line prints no fields", flag_bits, None, 0)
    layouts = sorted(_candidates(value, printed, flag_bits, width), key=lambda found: _rank(found, printed, arch))
    if not layouts:
        reason = "no widths that a kernel can have give the printed fields back from this word"
        return LayoutSolution(value, dict(printed), (), reason, flag_bits, None, 0)
    first = layouts[0]
    reset = {printed.get("lastcpupid") == (1 << found.lastcpupid_width) - 1 for found in layouts}
    left_over = value & (1 << first.kasantag_shift) - 1 & ~((1 << flag_bits) - 1)
    return LayoutSolution(
        value,
        dict(printed),
        tuple(layouts),
        _reason(layouts, printed, arch),
        flag_bits,
        next(iter(reset)) if len(reset) == 1 and "lastcpupid" in printed else None,
        left_over,
    )


def _candidates(value: int, printed: Mapping[str, int], flag_bits: int, width: int) -> Iterator[FieldLayout]:
    """Every layout whose fields have the printed values; widths are chosen from the top down."""
    choices: dict[str, Sequence[int]] = {
        "section": _SECTION_WIDTHS,
        "node": range(1, constant("NODES_SHIFT_MAX") + 1),
        "zone": _ZONE_WIDTHS,
        "lastcpupid": tuple(constant("LAST__PID_SHIFT") + cpu for cpu in _CPU_BITS),
        "kasantag": _KASAN_WIDTHS,
    }

    def place(index: int, top: int, chosen: tuple[int, ...]) -> Iterator[FieldLayout]:
        if index == len(FIELD_NAMES):
            yield FieldLayout(width, *chosen)
            return
        name = FIELD_NAMES[index]
        for bits in choices[name] if name in printed else (0,):
            if top - bits >= flag_bits and (not bits or value >> top - bits & (1 << bits) - 1 == printed[name]):
                yield from place(index + 1, top - bits, (*chosen, bits))

    if value < 1 << width:
        yield from place(0, width, ())


def _rank(layout: FieldLayout, printed: Mapping[str, int], arch: str) -> tuple[int, ...]:
    """Smaller for a likelier layout."""
    cpupid = layout.lastcpupid_width
    return (
        _place(layout.section_width, _USUAL_SECTION_WIDTHS),
        cpupid and printed["lastcpupid"] != (1 << cpupid) - 1,
        layout.node_width not in _USUAL_NODE_WIDTHS,
        abs(layout.zone_width - _usual_zone_width(layout, arch)),
        _place(layout.node_width, _USUAL_NODE_WIDTHS),
        _place(cpupid, (_USUAL_LASTCPUPID_WIDTH,)),
        -layout.node_width,
        -cpupid,
        layout.section_width,
        layout.kasantag_width,
    )


def _place(width: int, usual: tuple[int, ...]) -> int:
    return usual.index(width) if width in usual else len(usual)


def _usual_zone_width(layout: FieldLayout, arch: str) -> int:
    """Builds with DMA, DMA32, Normal, Movable and Device need 3 bits; Device needs SPARSEMEM_VMEMMAP, so no section."""
    return 3 if arch in ("x86_64", "arm64") and not layout.section_width else 2


def _reason(layouts: list[FieldLayout], printed: Mapping[str, int], arch: str) -> str:
    if len(layouts) == 1:
        return "the only widths that give the printed fields back"
    usual = []
    if "section" in printed:
        usual.append("19 section bits (46 physical address bits, sections of 128 MiB)")
    if "lastcpupid" in printed:
        usual.append("lastcpupid all ones")
    if "node" in printed:
        usual.append("10, 6 or 4 node bits")
    if "zone" in printed:
        usual.append(f"{_usual_zone_width(layouts[0], arch)} zone bits")
    return (
        f"{len(layouts)} layouts give the printed fields back; the first one is nearest to what is usual: "
        + ", ".join(usual)
    )


def _bits(value: int, places: range) -> int:
    return value >> places.start & (1 << len(places)) - 1 if places else 0
