"""One loaded log on all views: whenever the loader has a new log, the players and browsers are made anew for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kvmlab.charts.pfn_map import EmptyMap
from kvmlab.charts.replay import NothingReplayed
from kvmlab.inquiry.replay import replay
from kvmlab.report.log import Log
from kvmlab.widgets.controller import Controller
from kvmlab.widgets.family_browser import FamilyBrowser, NoFamilies
from kvmlab.widgets.log_loader import LogLoader
from kvmlab.widgets.pfn_browser import PfnBrowser
from kvmlab.widgets.replay_player import ReplayPlayer

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Workbench(Controller):
    """Feeds the other controllers from a log loader; a part is None where the log has nothing for it.

    Args:
        loader: where logs come from; a new empty one if None.

    >>> bench = Workbench()
    >>> bench.pfns is None, bench.words()
    (True, 'no log is loaded')
    """

    def __init__(self, loader: LogLoader | None = None) -> None:
        super().__init__()
        self.loader = LogLoader() if loader is None else loader
        self.families: FamilyBrowser | None = None
        self.pfns: PfnBrowser | None = None
        self.player: ReplayPlayer | None = None
        self._log: Log | None = None
        self.loader.watch(self._loaded)
        self._loaded()

    def words(self) -> str:
        """What is loaded, and which views it feeds."""
        if self._log is None:
            return self.loader.words()
        parts = {"families": self.families, "pfns": self.pfns, "replay": self.player}
        fed = ", ".join(name for name, part in parts.items() if part is not None)
        return f"{self.loader.words()}; views: {fed or 'none, the log holds no report'}"

    def twin(self) -> go.Figure | None:
        """The picture for exported pages: the replay, or else the map, or else the stacks; None without a report."""
        if self.player is not None:
            return self.player.twin()
        if self.pfns is not None:
            return self.pfns.twin()
        return None if self.families is None else self.families.figure()

    def _loaded(self) -> None:
        log = self.loader.log
        if log is not None and log is not self._log:
            self._log = log
            # Only the last part: a caption is published, and the folders of this machine are not.
            name = Path(self.loader.name).name
            self.families, self.pfns, self.player = _families(log, name), _pfns(log, name), _player(log, name)
        self.changed()


def _families(log: Log, name: str) -> FamilyBrowser | None:
    try:
        return FamilyBrowser([log], source=name)
    except NoFamilies:
        return None


def _pfns(log: Log, name: str) -> PfnBrowser | None:
    try:
        return PfnBrowser.of_log(log, source=name)
    except EmptyMap:
        return None


def _player(log: Log, name: str) -> ReplayPlayer | None:
    """A player for the first bad page that the model has anything to run for."""
    if not log.bad_pages:
        return None
    try:
        return ReplayPlayer(replay(log.bad_pages[0]), source=name)
    except NothingReplayed:
        return None
