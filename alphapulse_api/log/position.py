"""Positions in a log that processes share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_CURSOR = re.compile(r"([0-9a-f]{1,32})-([0-9]{1,15})-([0-9]{1,18})")


class StreamPosition(NamedTuple):
    """The position of one event in a channel's stream.

    Attributes:
        epoch: the log's lifetime; a Redis that lost everything begins a new one.
        ms: when the event was appended, in milliseconds by the clock of Redis; it never decreases
            within an epoch.
        offset: the event's number.
    """

    epoch: str
    ms: int
    offset: int

    @classmethod
    def parse(cls, cursor: str) -> StreamPosition | None:
        """Parse a cursor; None if it is not one of a shared log."""
        found = _CURSOR.fullmatch(cursor)
        return found and cls(found[1], int(found[2]), int(found[3]))

    @property
    def cursor(self) -> str:
        """The text that clients get."""
        return f"{self.epoch}-{self.ms}-{self.offset}"

    @property
    def id(self) -> str:
        """The ID of the entry in the stream."""
        return f"{self.ms}-{self.offset}"

    def follows(self, other: StreamPosition) -> bool:
        """Return whether it comes after the other, in the same epoch."""
        return self.epoch == other.epoch and self[1:] > other[1:]


class Visit(NamedTuple):
    """The state of the log.

    Attributes:
        ms: the time of Redis.
        positions: by channel, its newest position.
        origins: of channels whose position was lost, the cursor to continue from.
    """

    ms: int
    positions: Mapping[str, StreamPosition]
    origins: Mapping[str, str]


def id_of(cursor: str) -> str:
    """Return the ID of the entry at a cursor."""
    return cursor.partition("-")[2]


def order_of(entry_id: str) -> tuple[int, int]:
    """Return a value that orders the IDs of entries."""
    ms, _, offset = entry_id.partition("-")
    return int(ms), int(offset)
