"""Walks through a replay step by step, under any of its policies, and says in words what each step does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kvmlab.charts import template as look
from kvmlab.charts.page_scene import df_page_scene, plot_page_scene
from kvmlab.charts.replay import df_replay, plot_replay
from kvmlab.inquiry.replay import Replay
from kvmlab.kvm.scenario import Step
from kvmlab.widgets.controller import Controller

if TYPE_CHECKING:
    import plotly.graph_objects as go


class ReplayPlayer(Controller):
    """A position in a replay; the first step is 1.

    Args:
        replays: one replay, or several by policy id as `same_events` returns them; those without steps are left out.
        source: case or file, for the caption.

    Raises:
        kvmlab.charts.replay.NothingReplayed: no replay has a step.
    """

    def __init__(self, replays: Replay | Mapping[str, Replay], *, source: str | None = None) -> None:
        super().__init__()
        self._frame = df_replay(replays, source=source)
        given = {str(self._frame["policy"].iloc[0]): replays} if isinstance(replays, Replay) else replays
        self.replays = {name: one for name, one in given.items() if one.steps}
        self.policy = next(iter(self.replays))
        self.source = source
        self.position = 1

    @property
    def policies(self) -> tuple[str, ...]:
        """The policies that can be chosen."""
        return tuple(self.replays)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps under the chosen policy."""
        return self.replays[self.policy].steps

    @property
    def step(self) -> Step:
        """The step at the position."""
        return self.steps[self.position - 1]

    def go_to(self, position: int) -> None:
        """Go to a step; beyond the ends is at the ends."""
        self.position = min(max(1, position), len(self.steps))
        self.changed()

    def forward(self) -> None:
        """One step on."""
        self.go_to(self.position + 1)

    def back(self) -> None:
        """One step back."""
        self.go_to(self.position - 1)

    def next_mark(self) -> None:
        """On to the next stray put or bad page; to the end if there is none."""
        replay = self.replays[self.policy]
        later = (s.number for s in self.steps[self.position :] if {"stray put", "bad page"} & set(replay.marks(s)))
        self.go_to(next(later, len(self.steps)))

    def choose(self, policy: str) -> None:
        """Change the policy; the position stays, as far as that replay is long enough.

        Args:
            policy: one of `policies`; others are not taken.
        """
        if policy in self.replays:
            self.policy = policy
            self.go_to(self.position)

    def words(self) -> str:
        """The step in plain text, line by line."""
        step, replay = self.step, self.replays[self.policy]
        marks = replay.marks(step)
        page = step.page
        counts = "not allocated yet" if page is None else f"_refcount {page.refcount}, mapcount {page.mapcount}"
        lines = [
            f"step {step.number} of {len(self.steps)} under {self.policy}: {step.action} ({step.actor})",
            step.detail,
            f"the page: {counts}; held by {', '.join(step.holders) or 'nobody'}",
            f"the batch: {step.batch} folios",
            f"functions: {' > '.join(step.functions)}",
        ]
        if marks:
            lines.append(f"marks: {', '.join(marks)}")
        return "\n".join(look.visible(line) for line in lines)

    def figure(self) -> go.Figure:
        """The picture of the chosen policy with the position in it."""
        picture = plot_replay(self._frame[self._frame["policy"] == self.policy])
        picture.add_vrect(
            x0=self.position - 0.5,
            x1=self.position + 0.5,
            fillcolor=look.tint(look.SKY, 0.25),
            line={"color": look.theme_of(picture).ink, "width": 1.5},
            layer="below",
            name="position",
        )
        return picture

    def scene(self) -> go.Figure:
        """The page's box at the position, with its holders and the folio batch."""
        return plot_page_scene(df_page_scene(self.replays[self.policy], self.position, source=self.source))

    def twin(self) -> go.Figure:
        """The picture for exported pages: all policies, nothing to play."""
        return plot_replay(self._frame)
