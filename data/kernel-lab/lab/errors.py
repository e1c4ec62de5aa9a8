"""What the lab raises when it cannot go on: one sentence that says what to do."""

from __future__ import annotations


class LabError(Exception):
    """A step of the lab failed; the text names the step and what can be done."""
