"""The numbers by which the parts of the compiled engine name what they keep: templates, state, verdicts."""

from __future__ import annotations

# Columns of the array of templates; the last says how far behind the end of the line above its own time ends.
T_LENGTH, T_SECONDS, T_SECONDS_END, T_MICROS, T_CALLER, T_CALLER_END, T_STYLE, T_FIRST, T_TIME = range(9)
N_FORM = 9
# What `read_chunk` writes into its state: how much it found, how many lines begin before `hi`, where it stopped,
# the room for unknowns, carriage returns within lines, why it stopped, how
# many reports it has learned from, and whether lines name their callers.
S_ROWS, S_MARKS, S_UNKNOWN, S_LINES, S_AT, S_FULL, S_STRAY, S_SHORT, S_TAUGHT, S_CALLERS = range(10)
# Why a chunk could not be read to its end.
NEEDS_TEXT, NEEDS_ROOM, HAS_TO_LEARN, UNREAD = 1, 2, 3, 4
# Where it stands: offset, line, the last template; the seconds read last, as shown and as microseconds.
C_P, C_LINE, C_LAST, C_SHOWN, C_SECONDS = range(10, 15)
# The report that is being read: its state, the place in the trail, hashes of its confirmed and other entries, how many
# entries there are and are confirmed, whether one is at the bottom of a stack; where its last line begins.
L_GRAMMAR, L_TRAIL, L_STACK, L_LOOSE, L_FRAMES, L_RELIABLE, L_BOTTOM, L_BEFORE = range(15, 23)
# Where the first line or report begins that holds something unknown (-1 if none does), and how much there was before
# it: number of the line, rows, marks, and what stood in the last mark.
R_P, R_LINE, R_ROWS, R_MARKS, R_STOP, R_LINES, R_LAST_US = range(23, 30)
# How many numbers there are in the trail: of each new stack its hash, how many entries and markers follow, and those:
# numbers of entries, -1 - 2n where stack n opens, -2 - 2n where it closes.
S_TRAIL = 30
# How many bytes of the chunk are there.
S_HAVE = 31
N_STATE = 32
MOST_TRAIL = 1 << 16
# Places for hashes of stacks that have been in a trail.
SEEN = 1 << 14
# Behind something unknown, so many bytes are still read to learn from.
LOOK_ON = 1 << 18
# What a line is outside a report.
QUIET, WANTED, UNKNOWN, DETAIL = 0, 1, 2, 3
# What a line does to the report that is open: it belongs to it, ends it, stands behind its end, or is not understood.
# A report that has taught something is read again when that is known; more of the text may be needed to judge.
GOES_ON, ENDS, STANDS_BEHIND, BREAKS, NEEDS_MORE = 0, 1, 2, 3, 4
# Entries of the small table of quiet beginnings, in pairs.
NEAR = 2048
# Ends of lines that are looked up at a time, at most.
MOST_ENDS = 1 << 15
