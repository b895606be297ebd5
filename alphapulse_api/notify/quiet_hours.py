"""The hours of each day in which a receiver gets no messages. No I/O and no clock."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from alphapulse_api.config import QuietHoursConfig
from alphapulse_api.domain.buckets import DAY, Zoned
from alphapulse_api.domain.times import zone_of

MINUTE: Final = 60_000_000  # microseconds


class QuietHours:
    """The quiet hours of a receiver.

    They begin and end at the first instant at which the clock of their zone shows these times, or
    a later time where the clock skips them. So each day has them once, also when the clock changes.
    """

    __slots__ = ("_ends", "_exempt", "_starts")

    def __init__(self, config: QuietHoursConfig) -> None:
        zone = zone_of(config.timezone) or UTC
        self._exempt = frozenset(config.exempt)
        self._starts = Zoned(DAY, zone, _micros(config.start)) if config.start else None
        self._ends = Zoned(DAY, zone, _micros(config.end or "00:00"))

    def __repr__(self) -> str:
        return f"<QuietHours from {self._starts} to {self._ends}>"

    def until(self, severity: str, now: int) -> int:
        """When an alert may be sent, in microseconds since the epoch: now, or at their end."""
        if self._starts is None or severity in self._exempt:
            return now
        started = self._starts.edges(now, now + 1, 1)[0]
        ended, ends = self._ends.edges(now, now + 1, 1)
        return ends if started > ended else now


def _micros(time_of_day: str) -> int:
    hours, _, minutes = time_of_day.partition(":")
    return (int(hours) * 60 + int(minutes)) * MINUTE
