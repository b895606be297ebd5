"""Who is handed the events of a log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from alphapulse_api.events.base import Break, Broken, Event, Follower

logger = logging.getLogger(__name__)


class Followers:
    """The followers of one log; a fault of one of them is not the others'."""

    __slots__ = ("_followers",)

    def __init__(self) -> None:
        self._followers: list[tuple[Follower, Broken]] = []

    def add(self, follower: Follower, broken: Broken) -> Callable[[], None]:
        """Returns what removes it again."""
        pair = (follower, broken)
        self._followers.append(pair)
        return lambda: self._followers.remove(pair)

    def hand_out(self, events: Sequence[Event]) -> None:
        """The next events of one channel."""
        for follower, _ in tuple(self._followers):
            try:
                follower(events)
            except Exception:
                logger.exception("a follower of the event log failed")

    def tell(self, gap: Break) -> None:
        """Events may be missing here."""
        for _, broken in tuple(self._followers):
            try:
                broken(gap)
            except Exception:
                logger.exception("a follower of the event log failed")
