"""The parser that anybody writes first: one loop over the lines, one regular expression a field. The yardstick."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_PREFIX = re.compile(
    r"^(?:(?:\w{3}\s+\d+ [\d:]{8}|\d{4}-\d\d-\d\dT\S+) \S+ kernel: )?(?:\[ *(\d+\.\d+)\](?:\[ *[TC]\d+\])? )?(.*)$"
)
_BUG = re.compile(r"BUG: Bad page state in process (.*?)\s+pfn:([0-9a-f]+)")
_PAGE = re.compile(r"page: ?(?:[0-9a-f]+ )?refcount:(-?\d+) mapcount:(-?\d+) mapping:([0-9a-f]+) index:(0x[0-9a-f]+)")
_FLAGS = re.compile(r"flags: (0x[0-9a-f]+)\(([^)]*)\)")
_TYPE = re.compile(r"page_type: (0x[0-9a-f]+)\((.*)\)")
_RAW = re.compile(r"raw: ([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{16})")
_WHY = re.compile(r"page dumped because: (.*)")
_CPU = re.compile(r"CPU: (\d+) PID: (\d+) Comm: (.*?) (Not tainted|Tainted: .*?)\s+(\d+\.\S+) (#\S+)")
_FRAME = re.compile(r"^\s*(\? )?([\w.]+)\+0x([0-9a-f]+)/0x([0-9a-f]+)(?: \[(\w+)\])?\s*$")


def parse(path: Path) -> pd.DataFrame:
    """All bad pages of a log.

    Args:
        path: of the log.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    now: dict[str, Any] | None = None
    in_stack = False
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            found = _PREFIX.match(line)
            if not found:
                continue
            time, text = found.groups()
            if found := _BUG.search(text):
                if now:
                    rows.append(now)
                now = {"time": float(time or 0), "comm": found[1], "pfn": int(found[2], 16), "raw": [], "stack": []}
                in_stack = False
            elif now is None:
                continue
            elif in_stack:
                if found := _FRAME.match(text):
                    now["stack"].append((bool(found[1]), found[2], int(found[3], 16), int(found[4], 16), found[5]))
                elif "<TASK>" not in text or "/" in text:
                    names = "\n".join(entry[1] for entry in now["stack"] if not entry[0])
                    now["hash"] = hashlib.sha1(names.encode()).hexdigest()[:16]
                    rows.append(now)
                    now, in_stack = None, False
            elif found := _PAGE.match(text):
                values = {"mapping": int(found[3], 16), "index": int(found[4], 16)}
                now.update(refcount=int(found[1]), mapcount=int(found[2]), **values)
            elif found := _FLAGS.match(text):
                now["flags"], now["names"] = int(found[1], 16), found[2].split("|")
            elif found := _TYPE.match(text):
                now["page_type"] = int(found[1], 16)
            elif found := _RAW.match(text):
                now["raw"] += [int(word, 16) for word in found.groups()]
            elif found := _WHY.match(text):
                now["reason"] = found[1]
            elif found := _CPU.match(text):
                now.update(cpu=int(found[1]), pid=int(found[2]), taint=found[4], kernel=found[5])
            elif text.startswith("Call Trace"):
                in_stack = True
    if now:
        rows.append(now)
    return pd.DataFrame(rows)
