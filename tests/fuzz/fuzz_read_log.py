"""A fuzz target: any bytes go through reading, parsing, explaining and the JSON document, and the promises must hold.

Run it for as long as you like: `python -m tests.fuzz.fuzz_read_log CORPUS_DIR -max_total_time=600`; the options are
libFuzzer's. A crash leaves its bytes in a file `crash-...`: put that into `tests/fuzz/corpus/`, and mend what it shows.
"""

from __future__ import annotations

import sys

import atheris

# Only modules that are imported here are watched for new branches.
with atheris.instrument_imports(include=["kvmlab"]):
    from tests.fuzz.promises import check

# More than this tells nothing new and slows the search down.
LONGEST = 1 << 16


def main() -> None:
    """Hand the target to atheris."""
    atheris.Setup(sys.argv, lambda data: check(data[:LONGEST]))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
