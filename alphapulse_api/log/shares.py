"""Divides the bytes of a log among its channels.

Metrics and portfolio together have one half, trades and alerts the other, so that neither pushes
out the other's events. Where two channels have more than their half, the larger one evicts its
oldest events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alphapulse_api.domain.channels import LOGGED, Channel
from alphapulse_api.log.held import Held
from alphapulse_api.log.ring import Ring

DEFAULT_BYTES: Final = 64 << 20


def half_of(channel: Channel) -> int:
    """Return the number of the half that a channel belongs to: 0 if it is conflated, else 1."""
    return int(channel.conflate is None)


class Shares:
    """Keeps the rings of a log within its bytes.

    Args:
        max_bytes: of all rings.
        rings: by channel.

    Attributes:
        evicted: by channel, how many events were evicted.
    """

    __slots__ = ("_groups", "_half", "_rings", "evicted")

    def __init__(self, max_bytes: int, rings: Mapping[str, Ring]) -> None:
        self._half = max_bytes // 2
        self._rings = rings
        self._groups = {
            name: [other for other in rings if half_of(LOGGED[other]) == half_of(LOGGED[name])]
            for name in rings
        }
        self.evicted = dict.fromkeys(rings, 0)

    def __repr__(self) -> str:
        return f"<Shares {self.held}>"

    @property
    def held(self) -> Mapping[str, int]:
        """By channel, the bytes of the events that are kept."""
        for ring in self._rings.values():
            ring.expire()
        return {name: ring.held for name, ring in self._rings.items()}

    def extend(self, channel: str, events: Held, came: float) -> None:
        """Add the next events of a channel, and evict what is too much for its half.

        Args:
            channel: its name.
            events: as for `Ring.extend`.
            came: as for `Ring.extend`.
        """
        self._rings[channel].extend(events, came)
        rings, group = self._rings, self._groups[channel]
        while sum(rings[name].held for name in group) > self._half:
            largest = max(group, key=lambda name: rings[name].held)
            self.evicted[largest] += rings[largest].evict()
