"""Counts the work of a call, so that tests can bound it without a clock."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def calls(function: Callable[..., Any], *arguments: object) -> int:
    """How many functions, Python's and C's, a call makes.

    Args:
        function: what to call.
        arguments: its arguments.

    >>> calls(lambda: (len(""), len(""))) - calls(lambda: (len(""),))
    1
    """
    count = 0

    def seen(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return count
