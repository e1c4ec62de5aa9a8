"""A chunk of a file, read by compiled code piece by piece while it is parsed: each piece is in the cache still."""

from __future__ import annotations

from numba import njit

from kvmlab.report.fast_simd import READS_FILES, read_file

# Bytes of a piece, and how many must be known behind a line before it is looked at, unless the chunk ends.
FILLED, AHEAD = 256 << 10, 64 << 10
# Zeros behind the last byte.
_PAD = 256


@njit(nogil=True, cache=True)
def _from_file(b, have, total, fd, base):  # type: ignore[no-untyped-def]
    want = min(total, have + FILLED)
    while have < want:
        n = read_file(fd, b, have, want - have, base + have)
        if n <= 0:
            return have, n == 0
        have += n
    for i in range(have, have + _PAD):
        b[i] = 0
    return have, True


@njit(nogil=True, cache=True)
def _from_nowhere(b, have, total, fd, base):  # type: ignore[no-untyped-def]
    return have, False


# Reads the next piece of a chunk of `total` bytes of which `have` are there: how many are there now, and whether all is
# well; no more than before, if the file has become shorter.
fill = _from_file if READS_FILES else _from_nowhere
