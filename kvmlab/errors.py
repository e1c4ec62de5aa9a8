"""What kvmlab raises for a caller's mistake: one class each, one sentence each.

Damage in a log is a value (`kvmlab.text.span.Damage`), never an exception.
"""

from __future__ import annotations


class KvmlabError(Exception):
    """Base of all errors that kvmlab raises on purpose; its text is one sentence that says what to do."""


class UnusableInput(KvmlabError):
    """An input that cannot be read at all: it names the file, the line where there is one, and what was expected."""


class UnknownRelease(KvmlabError):
    """A kernel release that no table covers; the message names the releases that are covered."""
