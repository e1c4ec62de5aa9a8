"""What stands behind the symbol of an entry: module, build id, what decoders added, remarks."""

from __future__ import annotations

import re
from dataclasses import dataclass

# OpenWrt, whose kernels have no symbols, prints where the module lies.
AT = r"(?:@[0-9a-f]{8,16}\+0x[0-9a-f]{1,16})?"
_MODULE = re.compile(rf"\[(?P<module>[\w-]{{1,64}}){AT}(?: (?P<build>[0-9a-f]{{40}}))?\]")
FILE = r"[\w./+~-]{1,256}\.[a-zA-Z]{1,4}:\d{1,7}(?::\d{1,5})?"
FILE_ENTRY = re.compile(FILE)
_DECODED_ITEM = rf"(?:{FILE}(?= |\))|\?\?:\?|\(discriminator \d{{1,6}}\))"
DECODED = re.compile(rf"\((?P<files>{_DECODED_ITEM}(?: +{_DECODED_ITEM})*+) *\)")
_SYZKALLER = re.compile(rf"(?P<file>{FILE})(?P<inline> \[inline\])?")
_ADDR2LINE = re.compile(rf"(?:at )?(?P<file>{FILE})(?: \(discriminator \d{{1,6}}\))?")
_INFO = re.compile(r"\((?P<info>[A-Z]{1,4}|unreliable|L)\)")


@dataclass(slots=True)
class Tail:
    """Module, build id, source and remark behind a symbol, as in `Entry`."""

    module: str | None = None
    build_id: str | None = None
    source: tuple[str, ...] = ()
    inlined: bool = False
    info: str | None = None


def match_tail(text: str, placed: bool) -> Tail | None:
    """What stands behind a symbol, or None if it is nothing that a call trace prints there."""
    tail = Tail()
    rest = text.strip()
    for _ in range(8):
        if not rest or rest in (")", "]"):
            return tail
        if found := _MODULE.match(rest):
            tail.module, tail.build_id = found["module"], found["build"]
        elif found := _INFO.match(rest):
            tail.info = found["info"]
        elif found := DECODED.match(rest):
            tail.source += tuple(item[0] for item in FILE_ENTRY.finditer(found["files"]))
        elif found := _SYZKALLER.match(rest):
            tail.source += (found["file"],)
            tail.inlined = found["inline"] is not None
        elif found := _ADDR2LINE.match(rest):
            tail.source += (found["file"],)
        elif tail.source and (found := re.match(r"[A-Za-z_][\w-]{0,63}(?=\s|$)", rest)):
            # decode_stacktrace.sh of 6.9 and before prints the module bare behind the parenthesis.
            tail.module = found[0]
        elif placed and (found := re.match(r"\([^()]{0,80}\)$", rest)):
            tail.info = found[0].strip("()")
        else:
            return None
        rest = rest[found.end() :].lstrip()
    return None
