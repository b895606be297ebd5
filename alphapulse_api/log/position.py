"""Places in a log that processes share."""

from __future__ import annotations

import re
from typing import NamedTuple

_CURSOR = re.compile(r"([0-9a-f]{1,32})-([0-9]{1,15})-([0-9]{1,18})")


class StreamPosition(NamedTuple):
    """Where a channel has come to.

    Attributes:
        epoch: the life of the log, begun anew when a Redis has lost everything.
        ms: when its event was appended, by the clock of Redis, in milliseconds; it never goes back
            within an epoch.
        offset: its event's number.
    """

    epoch: str
    ms: int
    offset: int

    @classmethod
    def parse(cls, cursor: str) -> StreamPosition | None:
        """The place that a cursor means, if it is one of a shared log."""
        found = _CURSOR.fullmatch(cursor)
        return found and cls(found[1], int(found[2]), int(found[3]))

    @property
    def cursor(self) -> str:
        """The text that clients know it by."""
        return f"{self.epoch}-{self.ms}-{self.offset}"

    @property
    def id(self) -> str:
        """The ID of its entry in the stream."""
        return f"{self.ms}-{self.offset}"

    def follows(self, other: StreamPosition) -> bool:
        """Whether it comes after the other in the same epoch."""
        return self.epoch == other.epoch and self[1:] > other[1:]
