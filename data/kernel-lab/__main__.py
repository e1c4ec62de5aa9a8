"""`python3 data/kernel-lab ...`: the lab's command line."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
