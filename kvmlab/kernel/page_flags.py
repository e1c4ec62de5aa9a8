"""Page flags by release: the low bits of `page->flags` to names, no bit lost, and which tables fit a printed line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

from kvmlab.kernel.page_flag_tables import FlagTable, default_config, flag_table, flag_tables
from kvmlab.kernel.release import KernelRelease, parse_version
from kvmlab.kernel.tables import as_release

__all__ = ["FlagTable", "PageFlags", "TableFit", "default_config", "flag_table", "flag_tables", "tables_that_fit"]


@dataclass(frozen=True, slots=True)
class PageFlags:
    """A decoded `page->flags` word; `mask | unknown | upper` gives the word back.

    Args:
        value: the word, unsigned long.
        bits: bit and name of every set flag that the table names, lowest first.
        unknown: set bits between the named flags and the fields, where `fields_from` is known: LRU_GEN, LRU_REFS, or
            flags that this kernel has and the table lacks.
        upper: the set bits from `fields_from` on; without it, every set bit above the named flags.
        flag_bits: how many low bits the table names.
        table: the table used, such as `6.6 to 6.9`.
        caveat: why the table may be the wrong one, None if the release's own source was read.
    """

    value: int
    bits: tuple[tuple[int, str], ...]
    unknown: int
    upper: int
    flag_bits: int
    table: str
    caveat: str | None

    @classmethod
    def decode(
        cls,
        value: int,
        release: KernelRelease | str,
        *,
        config: Mapping[str, bool] | None = None,
        arch: str = "x86_64",
        width: int = 64,
        fields_from: int | None = None,
    ) -> PageFlags:
        """Decode a flags word with the table of one release.

        Args:
            value: the word, unsigned long.
            release: the release of the kernel that printed it.
            config: options that are known, `CONFIG_X` to whether it is set; the others are `default_config`'s.
            arch: architecture, for the defaults.
            width: bits of an unsigned long, for the defaults.
            fields_from: lowest bit of the section, node, zone, lastcpupid and kasantag fields, where known.

        Raises:
            UnknownRelease: no table covers the release.
            ValueError: `value` is negative.

        Source: page_flags.csv. Example: the reported trace.

        >>> PageFlags.decode(0x0017FFFFC00A000C, "6.9.12-ajb").bits
        ((2, 'referenced'), (3, 'uptodate'), (17, 'mappedtodisk'), (19, 'swapbacked'))
        """
        if value < 0:
            raise ValueError(f"a flags word is unsigned, not {value}")
        release = as_release(release)
        table = flag_table(release)
        names = table.names(default_config(arch, release, width) | dict(config or {}))
        low = (1 << len(names)) - 1
        fields_low = (1 << max(len(names), fields_from if fields_from is not None else 0)) - 1
        return cls(
            value,
            tuple((bit, name) for bit, name in enumerate(names) if value >> bit & 1),
            value & fields_low & ~low,
            value & ~fields_low,
            len(names),
            str(table),
            _caveat(table, release),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the set flags, lowest bit first."""
        return tuple(name for _, name in self.bits)

    @property
    def mask(self) -> int:
        """The bits of the set flags that have a name."""
        return sum(1 << bit for bit, _ in self.bits)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __str__(self) -> str:
        return "|".join([*self.names, *([hex(self.unknown)] if self.unknown else [])])


def _caveat(table: FlagTable, release: KernelRelease) -> str | None:
    """Why `table` may not be the one of the tree that `release` names."""
    series = release.series
    if series is None:
        return None
    if release.between_releases and series == parse_version(table.until):
        return (
            f"{release.text[:65]} is a tree on the way to the next release, which has another table of page flags; "
            "compare with the printed names"
        )
    trees = [parse_version(tree) for tree in table.trees]
    if series in trees or (any(t < series for t in trees) and any(t > series for t in trees)):
        return None
    read = " and ".join(table.trees) or "no tree of it"
    return (
        f"the table of {table} was read in {read}; that it holds for {release.series_text} follows from its change log"
    )


@dataclass(frozen=True, slots=True)
class TableFit:
    """One table with which a word decodes to exactly the printed names.

    Args:
        table: the table.
        config: a fitting configuration, as near to the default one as possible.
        differs: options that had to differ from the default.
        distance: how many tables away from the release's own one, negative for older; None without a release.
    """

    table: FlagTable
    config: Mapping[str, bool]
    differs: tuple[str, ...]
    distance: int | None


def tables_that_fit(
    value: int,
    printed: Collection[str],
    *,
    release: KernelRelease | str | None = None,
    arch: str = "x86_64",
    width: int = 64,
) -> tuple[TableFit, ...]:
    """The tables with which `value` decodes to exactly the printed names, for kernels that changed their flags.

    Neighbours of the release's own table come first, and among equals those that need no unusual configuration.

    Args:
        value: the word, unsigned long.
        printed: the flag names that the kernel printed beside it.
        release: the release, if it has numbers; then the order is by nearness to its table.
        arch: architecture, for the default configuration.
        width: bits of an unsigned long.

    >>> printed = ["referenced", "uptodate", "mappedtodisk", "swapbacked"]
    >>> [str(fit.table) for fit in tables_that_fit(0xA000C, printed, release="6.5.0-vendor")]
    ['6.6 to 6.9', '4.3', '2.6.38 to 4.2']
    """
    wanted = frozenset(printed)
    tables = flag_tables()
    series = None if release is None else as_release(release).series
    # Before the first table counts as the first; after the last as the last: this only orders the answer.
    home = None if series is None else sum(parse_version(t.since) <= series for t in tables[1:])
    fits: dict[int, tuple[tuple[str, ...], Mapping[str, bool]]] = {}
    for layout in _candidates(value, wanted):
        if _is_made_of(value & layout.mask, wanted, layout.bits):
            usual = _most_usual(layout, arch, width)
            if layout.table not in fits or _strangeness(usual[0]) < _strangeness(fits[layout.table][0]):
                fits[layout.table] = usual
    found = [
        TableFit(tables[index], config, differs, None if home is None else index - home)
        for index, (differs, config) in sorted(fits.items())
    ]
    return tuple(sorted(found, key=lambda fit: (abs(fit.distance or 0), len(fit.differs))))


def _is_made_of(value: int, names: Collection[str], bits: Mapping[str, int]) -> bool:
    """Whether a word has the bits of these names and no others."""
    if value.bit_count() != len(names):
        return False
    # Most layouts differ in one of the first names: that is all that there is to be looked at.
    for name in names:  # noqa: SIM110
        if not value & bits.get(name, 0):
            return False
    return True


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """An order of flags that a table can give: value of each name, all of them, and the configurations with it."""

    table: int
    bits: Mapping[str, int]
    mask: int
    configs: tuple[Mapping[str, bool], ...]


@cache
def _layouts() -> tuple[_Layout, ...]:
    """All of them, by table."""
    layouts = []
    for index, table in enumerate(flag_tables()):
        found: dict[tuple[str, ...], list[Mapping[str, bool]]] = {}
        for choice in product((True, False), repeat=len(table.options)):
            config = dict(zip(table.options, choice, strict=True))
            found.setdefault(table.names(config), []).append(config)
        for names, configs in found.items():
            bits = {name: 1 << bit for bit, name in enumerate(names)}
            layouts.append(_Layout(index, bits, (1 << len(names)) - 1, tuple(configs)))
    return tuple(layouts)


@cache
def _most_usual(layout: _Layout, arch: str, width: int) -> tuple[tuple[str, ...], Mapping[str, bool]]:
    """The configuration with a layout that is nearest to the default one, behind the options that differ in it."""
    default = default_config(arch, None, width)
    options = flag_tables()[layout.table].options
    told = [
        (tuple(option for option in options if config[option] != default.get(option, False)), config)
        for config in layout.configs
    ]
    return min(told, key=lambda one: _strangeness(one[0]))


def _strangeness(differs: Sequence[str]) -> tuple[int, Sequence[str]]:
    return len(differs), differs


@cache
def _by_place(name: str) -> Mapping[int, tuple[_Layout, ...]]:
    """The layouts that have a flag, by its value in them."""
    found: dict[int, list[_Layout]] = {}
    for layout in _layouts():
        if name in layout.bits:
            found.setdefault(layout.bits[name], []).append(layout)
    return {bit: tuple(layouts) for bit, layouts in found.items()}


def _candidates(value: int, names: Collection[str]) -> Sequence[_Layout]:
    """Layouts among which all are that could fit: those in which the flag that most of them have elsewhere is set."""
    places = [[layouts for bit, layouts in _by_place(name).items() if value & bit] for name in names]
    if not places:
        return _layouts()
    chosen = min(places, key=lambda held: sum(map(len, held)))
    return [layout for layouts in chosen for layout in layouts]
