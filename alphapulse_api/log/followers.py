"""The followers of a log: callbacks that get its events and gaps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from alphapulse_api.log.base import Event, Follower, Gap, GapCallback

logger = logging.getLogger(__name__)


class Followers:
    """Calls the followers of one log; a failure of one does not affect the others."""

    __slots__ = ("_followers",)

    def __init__(self) -> None:
        self._followers: list[tuple[Follower, GapCallback]] = []

    def add(self, follower: Follower, on_gap: GapCallback) -> Callable[[], None]:
        """Add a follower; return a function that removes it."""
        pair = (follower, on_gap)
        self._followers.append(pair)
        return lambda: self._followers.remove(pair)

    def publish(self, events: Sequence[Event]) -> None:
        """Pass on the next events of one channel."""
        for follower, _ in tuple(self._followers):
            try:
                follower(events)
            except Exception:
                logger.exception("a follower of the event log failed")

    def publish_gap(self, gap: Gap) -> None:
        """Pass on a gap."""
        for _, on_gap in tuple(self._followers):
            try:
                on_gap(gap)
            except Exception:
                logger.exception("a follower of the event log failed")
