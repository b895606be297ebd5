"""Who is handed the events of a log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from alphapulse_api.log.base import Event, Follower, Gap, GapCallback

logger = logging.getLogger(__name__)


class Followers:
    """The followers of one log; a fault of one of them is not the others'."""

    __slots__ = ("_followers",)

    def __init__(self) -> None:
        self._followers: list[tuple[Follower, GapCallback]] = []

    def add(self, follower: Follower, on_gap: GapCallback) -> Callable[[], None]:
        """Returns what removes it again."""
        pair = (follower, on_gap)
        self._followers.append(pair)
        return lambda: self._followers.remove(pair)

    def hand_out(self, events: Sequence[Event]) -> None:
        """The next events of one channel."""
        for follower, _ in tuple(self._followers):
            try:
                follower(events)
            except Exception:
                logger.exception("a follower of the event log failed")

    def tell(self, gap: Gap) -> None:
        """Events may be missing here."""
        for _, on_gap in tuple(self._followers):
            try:
                on_gap(gap)
            except Exception:
                logger.exception("a follower of the event log failed")
