"""What the lines of a log block have in common: prefix, indentation, blanks that were lost on the way."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Container
from itertools import islice

from kvmlab.text.clean import prompt_parts
from kvmlab.text.prefix import Prefix
from kvmlab.text.record import Role
from kvmlab.text.records import CODE
from kvmlab.text.scan import KERNEL, PROMPT, SHAPE, Scan
from kvmlab.text.text import LogBlock, ShellPrompt

# How many rows of a block are looked at to learn its habits, and from each end for a timestamp.
_SAMPLE, _ENDS = 4000, 300
# Kernel text that always holds a run of blanks, with the run made one blank.
_COLLAPSED = re.compile(
    r"(?:BUG: )?Bad page (?:state|map|cache) in process .* (?:pfn|pte):|.*Tainted: [A-Z](?: [A-Z])+ \d"
    r"|(?:FS|GS): [0-9a-f]{16}\("
)
_RUN = re.compile(r"\S  +\S")
# Entries and markers of a stack that kernels print behind a blank.
_BARE_ENTRY = re.compile(r"(?:\? )?[A-Za-z_][\w.$]*\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[[\w-]+\])?\s*$|</?(?:TASK|IRQ)>\s*$")
_SPACED_ENTRY = re.compile(r"[ \t]+(?:\[<[0-9a-f]+>\] )?(?:\? )?[A-Za-z_][\w.$]*\+0x|[ \t]+</?(?:TASK|IRQ)>")


class Habits:
    """What the rows `first` to `stop` of a block have in common; those in `joined` do not begin a record."""

    def __init__(self, scan: Scan, first: int, stop: int, prefixed: bool, joined: Container[int]) -> None:
        self.scan, self.first, self.stop, self.prefixed = scan, first, stop, prefixed
        styles: Counter[str] = Counter()
        self.caller = self.level = False
        self.runs = collapsed = bare = spaced = 0
        indents = []
        for number in islice(range(first, stop + 1), _SAMPLE):
            if scan.kinds[number - 1] not in (KERNEL, SHAPE) or number in joined:
                continue
            content = scan.content(number)
            prefix = scan.prefix(content)
            message = content[prefix.end :] if prefix else content
            if prefix:
                styles[prefix.name] += 1
                self.caller |= prefix.caller is not None
                self.level |= prefix.level is not None
            elif not prefixed:
                indents.append(len(content) - len(content.lstrip(" \t")))
            self.runs += bool(_RUN.search(message, 0, 2000))
            collapsed += bool(_COLLAPSED.match(message, 0, 2000))
            bare += bool(_BARE_ENTRY.match(message, 0, 2000))
            spaced += bool(_SPACED_ENTRY.match(message, 0, 2000))
        self.style = styles.most_common(1)[0][0] if styles else None
        # The least indented tenth is not counted: wrapped lines start at the margin.
        self.indent = sorted(indents)[len(indents) // 10] if indents else 0
        self.collapsed = bool(collapsed and not self.runs) if collapsed or self.runs else None
        self.leading_lost = bool(bare and not spaced) if bare or spaced else None

    def block(self, begin: int, end: int, roles: bytearray) -> LogBlock:
        """The block, whose records are `begin` to `end`."""
        scan, lines = self.scan, self.scan.lines
        logs = roles.count(CODE[Role.LOG], begin, end)
        prompt = None
        if scan.kinds[self.first - 1] == PROMPT:
            parts = prompt_parts(scan.content(self.first))
            prompt = ShellPrompt(
                lines.line(self.first),
                parts["command"] or "",
                parts.get("time"),
                parts.get("user"),
                parts.get("host"),
                parts.get("cwd"),
            )
        earliest = self._timed(range(self.first, self.stop + 1))
        latest = self._timed(range(self.stop, self.first - 1, -1))
        begins = self.first + (prompt is not None)
        backward = bisect_left(scan.backwards, begins + 1)
        monotonic = not (backward < len(scan.backwards) and scan.backwards[backward] <= self.stop)
        physical = lines.last_line(self.stop) + 1 - lines.line(self.first) - (end - begin - logs)
        return LogBlock(
            first_line=lines.line(self.first),
            last_line=lines.last_line(self.stop),
            first_record=begin,
            stop_record=end,
            prefix_style=self.style,
            caller_id=self.caller,
            level_prefix=self.level,
            shell_prompt=prompt,
            first_timestamp=earliest.timestamp if earliest else None,
            last_timestamp=latest.timestamp if latest else None,
            logical_records=logs,
            physical_lines=physical,
            timestamps_monotonic=monotonic if earliest else None,
            quote_depth=scan.depth(self.stop),
            blanks_collapsed=self.collapsed,
            leading_blanks_lost=self.leading_lost,
        )

    def _timed(self, numbers: range) -> Prefix | None:
        for number in islice(numbers, _ENDS):
            if self.scan.kinds[number - 1] == KERNEL:
                prefix = self.scan.prefix(self.scan.content(number))
                if prefix and prefix.timestamp:
                    return prefix
        return None
