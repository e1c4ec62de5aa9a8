"""A fuzz target: the fast way through a log and the slow one give the same records, whatever the bytes.

Run it for as long as you like: `python -m tests.fuzz.fuzz_scan CORPUS_DIR -max_total_time=600`; see `fuzz_read_log`.
"""

from __future__ import annotations

import sys

import atheris

# Only modules that are imported here are watched for new branches.
with atheris.instrument_imports(include=["kvmlab.report", "kvmlab.text"]):
    from tests.fuzz.both_ways import both_ways

LONGEST = 1 << 15


def main() -> None:
    """Hand the target to atheris."""
    atheris.Setup(sys.argv, lambda data: both_ways(data[:LONGEST]))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
