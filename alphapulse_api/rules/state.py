"""The state of one group of a rule: a state machine without input, output or a clock.

A condition that is met makes a group pending for as long as `for` says, then firing. A firing group
whose condition is no longer met keeps firing as long as `keep_firing_for` says. All times are
microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from alphapulse_api.domain.rules import OPERATORS


class Phase(StrEnum):
    """Where a group is."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"  # firing, because keep_firing_for is not over

    @property
    def fires(self) -> bool:
        """Whether the group's alert is raised."""
        return self in (Phase.FIRING, Phase.RECOVERING)


class Timing(NamedTuple):
    """How long a condition must be met, and how long an alert outlives it."""

    hold: int = 0
    keep: int = 0


class State(NamedTuple):
    """The state of a group.

    Attributes:
        phase: where it is.
        since: when it came there.
        fired_at: when the alert that is raised began to fire; None if none is.
    """

    phase: Phase = Phase.OK
    since: int = 0
    fired_at: int | None = None

    def next(self, met: bool, at: int, timing: Timing) -> State:
        """The state after the condition was looked at; the same object if nothing changed."""
        match self.phase:
            case Phase.OK if met:
                return State(Phase.PENDING, at).next(True, at, timing)
            case Phase.PENDING if not met:
                return State(Phase.OK, at)
            case Phase.PENDING if at - self.since >= timing.hold:
                return State(Phase.FIRING, at, at)
            case Phase.FIRING if not met:
                return State(Phase.RECOVERING, at, self.fired_at).next(False, at, timing)
            case Phase.RECOVERING if met:
                return State(Phase.FIRING, at, self.fired_at)
            case Phase.RECOVERING if at - self.since >= timing.keep:
                return State(Phase.OK, at)
        return self

    def due(self, timing: Timing) -> int | None:
        """When time alone changes the state; None: never."""
        match self.phase:
            case Phase.PENDING:
                return self.since + timing.hold
            case Phase.RECOVERING:
                return self.since + timing.keep
        return None


class Condition:
    """The comparison of a value with a threshold.

    Args:
        sign: one of `OPERATORS`.
        recover: the threshold while the group fires; None: the same.
    """

    __slots__ = ("_compare", "_recover")

    def __init__(self, sign: str, recover: float | None = None) -> None:
        self._compare: Callable[[float, float], bool] = OPERATORS[sign]
        self._recover = recover

    def met(self, value: float | None, threshold: float | None, *, firing: bool) -> bool:
        """Whether it is met; never without a value or a threshold."""
        if firing and self._recover is not None:
            threshold = self._recover
        return value is not None and threshold is not None and self._compare(value, threshold)
