"""Which kernel functions a step of the model stands for, in the names of a release, and how a stack shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """A function that a stack of the model has.

    Args:
        name: its name in 6.9.
        other_names: names under which other releases, or builds that inline it, show it.
        needed: False if compilers are known to inline it or to end in a tail call there.
        source: where that was seen.
    """

    name: str
    other_names: tuple[str, ...] = ()
    needed: bool = True
    source: str = "reported 6.9.12 stack"


_CAPTURE = "storms captured on 6.12.117 and 7.3.4"
_FRAMES = {
    frame.name: frame
    for frame in (
        Frame("kvm_mmu_page_fault", needed=False),
        Frame("kvm_tdp_page_fault", ("direct_page_fault",)),
        Frame("kvm_faultin_pfn", ("kvm_mmu_faultin_pfn", "__kvm_mmu_faultin_pfn"), source=_CAPTURE),
        Frame("__kvm_faultin_pfn", ("__gfn_to_pfn_memslot", "kvm_follow_pfn"), needed=False, source=_CAPTURE),
        Frame("hva_to_pfn", ("kvm_follow_pfn",), source=_CAPTURE),
        Frame("get_user_pages_unlocked"),
        Frame("__get_user_pages"),
        Frame("handle_mm_fault"),
        Frame("__handle_mm_fault"),
        Frame("handle_pte_fault", needed=False),
        Frame("do_wp_page"),
        Frame("wp_page_copy", needed=False),
        Frame("do_anonymous_page"),
        Frame("folio_add_lru_vma", needed=False),
        Frame("folio_add_lru", ("__folio_batch_add_and_move",), source=_CAPTURE),
        Frame("folio_batch_add_and_move", ("__folio_batch_add_and_move",), needed=False, source=_CAPTURE),
        Frame("folio_batch_move_lru"),
        Frame("folios_put_refs", ("release_pages", "folios_put"), source=_CAPTURE),
        Frame("free_unref_folios", ("free_unref_page_list",), needed=False, source=_CAPTURE),
        Frame("free_unref_page_prepare", ("free_pages_prepare",), needed=False, source=_CAPTURE),
        Frame("bad_page", source=_CAPTURE),
        Frame("dump_stack_lvl", needed=False),
    )
}


def base_name(symbol: str) -> str:
    """A symbol without the suffixes of compiler clones.

    Args:
        symbol: as printed.

    >>> base_name("bad_page.isra.0")
    'bad_page'
    """
    return symbol.partition(".")[0]


@dataclass(frozen=True, slots=True)
class StackMatch:
    """How a reported stack compares with the functions that the model says were active.

    Args:
        found: names of the reported frames that the model has, outermost first.
        lacking: functions of the model that every build shows and this stack does not.
        foreign: reported frames between the outermost and the innermost matched one that the model does not have.
    """

    found: tuple[str, ...]
    lacking: tuple[str, ...]
    foreign: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether nothing is lacking and nothing is foreign."""
        return not self.lacking and not self.foreign


def match_stack(functions: Sequence[str], reported: Iterable[str]) -> StackMatch:
    """Compare a chain of functions with a reported stack, in order.

    Args:
        functions: the chain of the model, outermost first, in the names of 6.9.
        reported: reliable functions of the stack, innermost first, as printed.

    >>> match_stack(("do_wp_page", "folio_add_lru"), ("bad_page", "folio_add_lru", "do_wp_page")).agrees
    True
    >>> match_stack(("do_wp_page", "folio_add_lru"), ("bad_page", "do_wp_page")).lacking
    ('folio_add_lru',)
    """
    stack = [base_name(symbol) for symbol in reported][::-1]
    at = 0
    found: list[str] = []
    lacking: list[str] = []
    foreign: list[str] = []
    started = False
    for name in functions:
        frame = _FRAMES.get(name, Frame(name))
        names = (frame.name, *frame.other_names)
        place = next((k for k in range(at, len(stack)) if stack[k] in names), None)
        if place is None:
            if frame.needed:
                lacking.append(name)
            continue
        if started:
            foreign += stack[at:place]
        started = True
        found.append(stack[place])
        at = place + 1
    optional = {n for f in _FRAMES.values() if not f.needed for n in (f.name, *f.other_names)}
    return StackMatch(tuple(found), tuple(lacking), tuple(dict.fromkeys(n for n in foreign if n not in optional)))
