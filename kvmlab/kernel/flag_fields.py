"""Where the section, node, zone, lastcpupid and kasantag fields stand in `page->flags`."""

from __future__ import annotations

from dataclasses import dataclass

from kvmlab.kernel.constants import constant

FIELD_NAMES = ("section", "node", "zone", "lastcpupid", "kasantag")


@dataclass(frozen=True, slots=True)
class FieldLayout:
    """Where the fields stand in a flags word; a field of width 0 is not in it.

    Args:
        word_bits: bits of an unsigned long.
        section_width, node_width, zone_width, lastcpupid_width, kasantag_width: bits of each field, from the top down.
    """

    word_bits: int
    section_width: int
    node_width: int
    zone_width: int
    lastcpupid_width: int
    kasantag_width: int

    @property
    def section_shift(self) -> int:
        """Lowest bit of the section field."""
        return self.word_bits - self.section_width

    @property
    def node_shift(self) -> int:
        """Lowest bit of the node field."""
        return self.section_shift - self.node_width

    @property
    def zone_shift(self) -> int:
        """Lowest bit of the zone field."""
        return self.node_shift - self.zone_width

    @property
    def lastcpupid_shift(self) -> int:
        """Lowest bit of the lastcpupid field."""
        return self.zone_shift - self.lastcpupid_width

    @property
    def kasantag_shift(self) -> int:
        """Lowest bit of the kasantag field, and of all fields together."""
        return self.lastcpupid_shift - self.kasantag_width

    @property
    def max_cpus(self) -> int | None:
        """CONFIG_NR_CPUS rounded up to a power of two; None without a lastcpupid field."""
        if not self.lastcpupid_width:
            return None
        return 1 << self.lastcpupid_width - constant("LAST__PID_SHIFT")

    @property
    def max_nodes(self) -> int:
        """How many NUMA nodes the node field can tell apart."""
        return 1 << self.node_width

    def fields(self, value: int) -> dict[str, int]:
        """The fields of a word that have a width, by name.

        Args:
            value: the flags word, unsigned long.

        >>> FieldLayout(64, 0, 10, 3, 21, 0).fields(0x0017FFFFC00A000C)
        {'node': 0, 'zone': 2, 'lastcpupid': 2097151}
        """
        places = (
            (self.section_shift, self.section_width),
            (self.node_shift, self.node_width),
            (self.zone_shift, self.zone_width),
            (self.lastcpupid_shift, self.lastcpupid_width),
            (self.kasantag_shift, self.kasantag_width),
        )
        return {
            name: value >> shift & (1 << width) - 1
            for name, (shift, width) in zip(FIELD_NAMES, places, strict=True)
            if width
        }

    def lru_gen_places(self, flag_bits: int) -> tuple[range, range]:
        """The bits of LRU_GEN and LRU_REFS, if the build has CONFIG_LRU_GEN (6.1 and later); never printed by name.

        Args:
            flag_bits: how many low bits are page flags.

        >>> FieldLayout(64, 0, 10, 3, 21, 0).lru_gen_places(26)
        (range(27, 30), range(26, 27))
        """
        gen = self.kasantag_shift - constant("LRU_GEN_WIDTH")
        refs = max(gen - constant("LRU_REFS_WIDTH"), flag_bits)
        return range(max(gen, 0), self.kasantag_shift), range(min(refs, gen), max(gen, 0))
