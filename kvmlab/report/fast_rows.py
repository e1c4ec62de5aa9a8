"""The columns of what a fast engine finds: one row of numbers a report, one a stretch for the tolerant parser."""

from __future__ import annotations

# One row a report. Offsets and lines count from the beginning of the chunk; -1 stands for what the report lacks.
(
    START, STOP, LINE, LINES, TIME_US, COMM, GAP, PFN_DIGITS, PFN, REFCOUNT, MAPCOUNT, MAPPING, INDEX, FLAGS_WORD,
    TYPE_ID, WORD_WIDTH, N_WORDS, WORD_0,
) = range(18)  # fmt: skip
MAX_WORDS = 8
(
    REASON_ID, ORDER, NODE, ZONE, HARDWARE_ID, CPU_NUMBER, PID, TASK_ID, FRAMES, RELIABLE, STACK, TRACE_AT, STYLE,
) = range(WORD_0 + MAX_WORDS, WORD_0 + MAX_WORDS + 13)  # fmt: skip
N_COLUMNS = STYLE + 1

# One row a mark: lines that the tolerant parser must see. Its lines, and the times of the first and the last of them.
MARK_START, MARK_STOP, MARK_LINE, MARK_LINES, MARK_KIND, MARK_FIRST_US, MARK_LAST_US = range(7)
N_MARK = 7
# Kinds of marks: something that may be of a report; a line without a prefix, which could be the rest of the line above;
# something that may be of a report and begins with a line without a prefix.
WANTED, LOOSE, BARE = 1, 2, 3

# One row an unknown: what has to be learned from a line before its chunk can be read.
UNKNOWN_KIND, UNKNOWN_START, UNKNOWN_STOP, UNKNOWN_LENGTH, UNKNOWN_KEY = range(5)
N_UNKNOWN = 5
# Bytes that a template takes in the array of shapes.
PREFIX_ROOM = 128
PREFIX, MESSAGE, BEGINNING, WHOLE, TASK, NAME, BLOCK = range(1, 8)
