"""What a whole bad-page report looks like, line class by line class: the automaton that both fast engines run."""

from __future__ import annotations

from collections.abc import Mapping

# Classes of lines inside a report. A line of any other class sends the report to the tolerant parser.
(
    BAD, TITLE, PAGE, HEAD, FLAGS, TYPE, WORDS, HEAD_WORDS, REASON, MAPPING, MODULES, MORE_MODULES, UNLOADED, CPU,
    TAINTED, HARDWARE, QUEUE, TRACE, OPEN, CLOSE, FRAME, REGISTERS, CODE, QUIET,
) = range(24)  # fmt: skip
N_CLASSES = 24

# States. A report that has been read to IN_TRACE or IN_REGISTERS may end there; DEAD means that it is not understood.
DEAD, START, TITLED, PAGED, HEADED, FLAGGED, TYPED, IN_WORDS, IN_HEAD_WORDS, REASONED, IN_MODULES, UNLOADED_SEEN = (
    range(12)
)
CPU_SEEN, TAINT_SEEN, HARDWARE_SEEN, QUEUE_SEEN, IN_TRACE, IN_REGISTERS = range(12, 18)
N_STATES = 18

_BEHIND_CPU = {QUEUE: QUEUE_SEEN, TRACE: IN_TRACE}
# What may follow what, as bad_page() and dump_page() of 3.10 to 6.19 print it. The tolerant parser accepts more orders.
STEPS: Mapping[int, Mapping[int, int]] = {
    START: {TITLE: TITLED},
    TITLED: {PAGE: PAGED},
    PAGED: {HEAD: HEADED, MAPPING: PAGED, FLAGS: FLAGGED},
    HEADED: {MAPPING: HEADED, FLAGS: FLAGGED},
    FLAGGED: {TYPE: TYPED, WORDS: IN_WORDS, REASON: REASONED},
    TYPED: {WORDS: IN_WORDS, REASON: REASONED},
    IN_WORDS: {WORDS: IN_WORDS, HEAD_WORDS: IN_HEAD_WORDS, REASON: REASONED},
    IN_HEAD_WORDS: {HEAD_WORDS: IN_HEAD_WORDS, REASON: REASONED},
    REASONED: {MODULES: IN_MODULES, CPU: CPU_SEEN},
    IN_MODULES: {MORE_MODULES: IN_MODULES, UNLOADED: UNLOADED_SEEN, CPU: CPU_SEEN},
    UNLOADED_SEEN: {CPU: CPU_SEEN},
    CPU_SEEN: {TAINTED: TAINT_SEEN, HARDWARE: HARDWARE_SEEN, **_BEHIND_CPU},
    TAINT_SEEN: {HARDWARE: HARDWARE_SEEN, **_BEHIND_CPU},
    HARDWARE_SEEN: _BEHIND_CPU,
    QUEUE_SEEN: {TRACE: IN_TRACE},
    IN_TRACE: {FRAME: IN_TRACE, OPEN: IN_TRACE, CLOSE: IN_TRACE, REGISTERS: IN_REGISTERS, CODE: IN_REGISTERS},
    IN_REGISTERS: {
        REGISTERS: IN_REGISTERS, CODE: IN_REGISTERS, FRAME: IN_TRACE, OPEN: IN_TRACE, CLOSE: IN_TRACE,
    },
}  # fmt: skip

# What the hash of a stack of unconfirmed entries begins with.
LOOSE_STACK = 1
# A longer report is left to the tolerant parser, which has a bound of its own.
MAX_LINES = 1000
# Bounds of the tolerant parser between two records of one report, in microseconds.
GAP_US, BACK_US = 2_000_000, 1_000_000


def step_table() -> bytes:
    """The automaton as one byte a state and class: `table[state * N_CLASSES + class]` is the next state.

    >>> step_table()[START * N_CLASSES + TITLE] == TITLED, step_table()[TITLED * N_CLASSES + FRAME] == DEAD
    (True, True)
    """
    table = bytearray(N_STATES * N_CLASSES)
    for state, steps in STEPS.items():
        for found, following in steps.items():
            table[state * N_CLASSES + found] = following
    return bytes(table)
