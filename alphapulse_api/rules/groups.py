"""The groups of a rule: series, or sets of series, each with values and a state of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from alphapulse_api.domain.encoding import canonical
from alphapulse_api.domain.rules import MAX_GROUPS
from alphapulse_api.rules.rule import Labels, Rule
from alphapulse_api.rules.state import Phase, State
from alphapulse_api.rules.windows import Values, values_of

_SECOND = 1_000_000


class TooManyGroups(Exception):
    """A rule has more groups than the bound allows."""


class Effect(NamedTuple):
    """A change of a group's state that must be stored.

    Attributes:
        before: the state before.
        after: the state after.
        value: of the function at that time; None for silence, and where there is none.
        seen: the time of the newest point that had been evaluated.
    """

    group: Group
    before: State
    after: State
    value: float | None
    threshold: float | None
    seen: int

    @property
    def changes_alert(self) -> bool:
        """Whether an alert is raised or resolved."""
        return self.before.phase.fires != self.after.phase.fires


class Group:
    """One group of a rule.

    Attributes:
        heard: when something was last heard of it.
        seen: the time of its newest point.
        stored: whether its state is stored.
        stored_seen: points up to this time were evaluated by an earlier evaluator.
        scheduled: when its timer is due; None if it has none.
    """

    __slots__ = (
        "_numbers", "heard", "key", "labels", "run", "scheduled", "seen", "state", "stored",
        "stored_seen", "values",
    )  # fmt: skip

    def __init__(self, run: Run, labels: Labels, heard: int) -> None:
        self.run = run
        self.labels = labels
        self.key = canonical(labels)
        self.values: Values | None = None if run.rule.silence else values_of(run.rule.function)
        self.state = State()
        self.heard = heard
        self.seen = 0
        self.stored = False
        self.stored_seen = 0
        self.scheduled: int | None = None
        self._numbers: dict[object, int] = {}

    def __repr__(self) -> str:
        return f"<Group {self.key} of {self.run.rule.id} {self.state.phase}>"

    def number(self, series: object) -> int:
        """The number of a series in the group."""
        return self._numbers.setdefault(series, len(self._numbers))

    def remember_newest(self, at: int, value: float | None, heard: int) -> None:
        """Take the newest point of a series, which may have left the window long ago."""
        self.heard = max(self.heard, heard)
        if not self.run.rule.window:
            self.remember(at, 0, value)

    def remember(self, at: int, number: int, value: float | None) -> None:
        """Add a point that is not evaluated by itself."""
        if at > self.seen:
            self.seen = at
        if self.values is not None:
            self.values.put(at, number, value)

    def take(self, at: int, number: int, value: float | None, now: int) -> None:
        """Add a point and look at the condition."""
        self.heard = now
        if at > self.seen:
            self.seen = at
        if self.values is not None:
            self.values.put(at, number, value)
        self.look(now)

    def look(self, now: int) -> None:
        """Look at the condition, which time may have changed."""
        run, state = self.run, self.state
        rule, phase = run.rule, state.phase
        value = None
        if self.values is None:
            met = now - self.heard >= rule.window
        else:
            if rule.window:
                self.values.leave(now - rule.window)
            value = self.values.value
            firing = phase is Phase.FIRING or phase is Phase.RECOVERING
            met = rule.condition.met(value, run.threshold, firing=firing)
        # The usual case first: nothing changes.
        if (phase is Phase.OK and not met) or (phase is Phase.FIRING and met):
            if rule.window and self.scheduled is None:
                run.schedule(self, now)
            return
        after = state.next(met, now, rule.timing)
        if after is not state:
            self.state = after
            run.changed(Effect(self, state, after, value, run.threshold, self.seen))
        run.schedule(self, now)

    def due(self, now: int) -> int | None:
        """When time alone may change the state; None: never."""
        rule = self.run.rule
        times = [self.state.due(rule.timing)]
        if self.values is None:
            if self.heard + rule.window > now:
                times.append(self.heard + rule.window)
        elif (oldest := self.values.oldest) is not None:
            # At whole seconds, so that a window with many points does not wake up for each.
            times.append(-(-(oldest + rule.window) // _SECOND) * _SECOND)
        known = [due for due in times if due is not None]
        return min(known) if known else None


class Threshold:
    """Takes the points of a series that is the threshold of a rule."""

    __slots__ = ("_at", "run")

    def __init__(self, run: Run) -> None:
        self.run = run
        self._at = 0

    def remember(self, at: int, value: float | None) -> None:
        """Take the newest value."""
        if value is not None and at >= self._at:
            self._at = at
            self.run.threshold = value

    def take(self, at: int, number: int, value: float | None, now: int) -> None:
        """The same, and look at the condition of every group."""
        self.remember(at, value)
        for group in tuple(self.run.groups.values()):
            group.look(now)


class Run:
    """The evaluation of one rule.

    Args:
        rule: the rule.
        changed: is called with each change of a state.
        schedule: is called with a group that may need another timer.

    Attributes:
        threshold: a number, or the newest value of the series that is the threshold.
        error: why the rule is not evaluated; None if it is.
    """

    __slots__ = (
        "changed", "error", "groups", "rule", "schedule", "threshold", "threshold_taker",
    )  # fmt: skip

    def __init__(
        self,
        rule: Rule,
        changed: Callable[[Effect], None],
        schedule: Callable[[Group, int], None],
    ) -> None:
        self.rule = rule
        self.changed = changed
        self.schedule = schedule
        self.groups: dict[str, Group] = {}
        self.threshold = rule.threshold
        self.threshold_taker = Threshold(self)
        self.error: str | None = None

    def __repr__(self) -> str:
        return f"<Run {self.rule.id} groups={len(self.groups)}>"

    def group(self, labels: Labels, now: int) -> Group:
        """The group of something with these labels.

        Raises:
            TooManyGroups: if there would be too many.
        """
        mine = self.rule.labels_of(labels)
        group = self.groups.get(canonical(mine))
        if group is None:
            if len(self.groups) >= MAX_GROUPS:
                raise TooManyGroups(
                    f"it has more than {MAX_GROUPS} groups: narrow the matchers, or name labels "
                    "in group_by"
                )
            group = Group(self, mine, now)
            self.groups[group.key] = group
        return group
