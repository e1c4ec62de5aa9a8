"""What every controller shares: it knows no browser, holds a state, and tells whoever watches that it has changed."""

from __future__ import annotations

from collections.abc import Callable


class Controller:
    """Base of the controllers; a view watches one and redraws when told.

    >>> controller, seen = Controller(), []
    >>> stop = controller.watch(lambda: seen.append("changed"))
    >>> controller.changed(); stop(); controller.changed(); seen
    ['changed']
    """

    def __init__(self) -> None:
        self._watchers: list[Callable[[], None]] = []

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after every change; what is returned ends that.

        Args:
            callback: called without arguments.
        """
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback) if callback in self._watchers else None

    def changed(self) -> None:
        """Tell the watchers; controllers call it at the end of each method that changes their state."""
        for callback in tuple(self._watchers):
            callback()
