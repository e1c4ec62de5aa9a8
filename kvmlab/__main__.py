"""`python -m kvmlab` is the command `kvmlab`."""

from __future__ import annotations

import sys

from kvmlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
