"""Which pageblock has which migratetype, when only sums are known: free blocks by type and order, blocks by type.

/proc/pagetypeinfo says how many free blocks of each order stand on the lists of each type. A free block below the
pageblock order lies inside one pageblock, whose type it has (since 6.10). So the pageblocks with free blocks must be
divided into types such that the sums come out; there is often just one way. Where none is found, the types are a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Counts = tuple[int, ...]

# Search steps before the division is given up and guessed.
BUDGET = 200_000


def divide_pageblocks(
    vectors: Mapping[int, Counts], sums: Mapping[int, Counts], prefer: Mapping[int, int]
) -> tuple[dict[int, int], bool]:
    """Give each pageblock a type so that the free blocks add up to the sums of each type.

    Args:
        vectors: free blocks by order of each pageblock that has any, by pageblock number.
        sums: free blocks by order of each migratetype.
        prefer: a likely type of a pageblock, where something is known about its pages.

    Returns:
        The type of each pageblock, and whether the sums come out exactly.

    >>> divide_pageblocks({0: (1, 0), 1: (0, 2), 2: (1, 1)}, {0: (1, 1), 1: (1, 2)}, {})
    ({2: 0, 0: 1, 1: 1}, True)
    """
    left = dict(vectors)
    types: dict[int, int] = {}
    # The type with the most blocks gets what is left over in the end.
    order = sorted((mt for mt in sums if any(sums[mt])), key=lambda mt: (sum(sums[mt]), mt))
    exact = True
    for mt in order[:-1]:
        chosen = _subset(left, sums[mt], mt, prefer)
        if chosen is None:
            exact = False
            chosen = _greedy(left, sums[mt], mt, prefer)
        for block in chosen:
            types[block] = mt
            del left[block]
    last = order[-1] if order else 1
    total = [sum(column) for column in zip(*left.values(), strict=True)] if left else []
    if left and order and tuple(total) != tuple(sums[last]):
        exact = False
    types.update(dict.fromkeys(left, last))
    return types, exact


def _fits(vector: Counts, room: Sequence[int]) -> bool:
    return all(a <= b for a, b in zip(vector, room, strict=True))


def _subset(left: Mapping[int, Counts], wanted: Counts, mt: int, prefer: Mapping[int, int]) -> list[int] | None:
    """Pageblocks whose vectors add up to `wanted`, found by depth-first search; None if none is found in the budget."""
    candidates = sorted(
        (block for block, vector in left.items() if _fits(vector, wanted)),
        key=lambda block: (prefer.get(block, mt) != mt, block),
    )
    steps = 0
    # Each entry: room that is left, position of the next candidate, blocks chosen so far (as a linked tuple).
    stack: list[tuple[Counts, int, tuple[int, object] | None]] = [(wanted, 0, None)]
    while stack:
        room, start, chosen = stack.pop()
        if not any(room):
            out = []
            while chosen is not None:
                out.append(chosen[0])
                chosen = chosen[1]  # type: ignore[assignment]
            return out
        steps += 1
        if steps > BUDGET:
            return None
        for position in range(start, len(candidates)):
            block = candidates[position]
            vector = left[block]
            if _fits(vector, room):
                stack.append((room, position + 1, chosen))
                rest = tuple(a - b for a, b in zip(room, vector, strict=True))
                stack.append((rest, position + 1, (block, chosen)))
                break
    return None


def _greedy(left: Mapping[int, Counts], wanted: Counts, mt: int, prefer: Mapping[int, int]) -> list[int]:
    room = list(wanted)
    chosen = []
    for block in sorted(left, key=lambda b: (prefer.get(b, mt) != mt, -sum(left[b]), b)):
        if _fits(left[block], room):
            chosen.append(block)
            room = [a - b for a, b in zip(room, left[block], strict=True)]
    return chosen
