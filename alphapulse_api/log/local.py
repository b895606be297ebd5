"""The part of every log that is local to a process: a ring per channel, and the followers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from alphapulse_api.log.base import Event, Follower, GapCallback
from alphapulse_api.log.followers import Followers
from alphapulse_api.log.ring import Ring
from alphapulse_api.log.shares import Shares


class LocalLog:
    """The reading side of an `EventLog`; each kind of log fills the rings in its own way.

    Args:
        rings: by channel.
        size: events kept per channel.
        ttl: seconds an event is kept.
        max_bytes: bytes of the events kept in all channels.
    """

    def __init__(self, rings: Mapping[str, Ring], size: int, ttl: float, max_bytes: int) -> None:
        self._rings = rings
        self._shares = Shares(max_bytes, rings)
        self._followers = Followers()
        self.ttl = ttl
        self.size = size

    @property
    def held(self) -> Mapping[str, int]:
        return self._shares.held

    @property
    def evicted(self) -> Mapping[str, int]:
        return self._shares.evicted

    def cursor(self, channel: str) -> str:
        return self._rings[channel].cursor

    def offset(self, channel: str) -> int:
        return self._rings[channel].number

    def since(self, channel: str, cursor: str) -> Sequence[Event] | None:
        return self._rings[channel].since(cursor)

    def follow(self, follower: Follower, on_gap: GapCallback) -> Callable[[], None]:
        return self._followers.add(follower, on_gap)
