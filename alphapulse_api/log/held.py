"""Events as a ring keeps them: without the dicts of their records, which take several times the
bytes of their JSON. A replay makes events of them again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol, Self

from alphapulse_api.domain.channels import Channel
from alphapulse_api.domain.points import Points
from alphapulse_api.log.base import Event

# What the interpreter adds to the JSON of an event: 150 bytes in a batch of 100, 500 alone.
EVENT_BYTES: Final = 400
POINT_BYTES: Final = 100  # a point in columns
SERIES_BYTES: Final = 600  # a series beside three times its name and labels


class Held(Protocol):
    """Successive events of one channel.

    Attributes:
        size: the bytes that they take.
    """

    @property
    def size(self) -> int: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Event]: ...

    def cursor(self, place: int) -> str:
        """Return the cursor of one event."""
        ...

    def offset(self, place: int) -> int:
        """Return the offset of one event."""
        ...

    def since(self, place: int) -> Self:
        """Return the events from a place on; they stay when these are released."""
        ...

    def release(self, place: int) -> int:
        """Release what can be released of the events before a place; return the bytes."""
        ...

    def released_with(self, place: int) -> int:
        """Return the place after the events whose bytes go together with those of one event."""
        ...


class HeldJson:
    """Events that are kept as JSON.

    Args:
        channel: theirs.
        first: the offset of the first.
        cursors: of each.
        bodies: the JSON of each; None where it was released.
    """

    __slots__ = ("_bodies", "_channel", "_cursors", "_first", "_released", "size")

    def __init__(
        self, channel: Channel, first: int, cursors: Sequence[str], bodies: list[bytes | None]
    ) -> None:
        self._channel = channel
        self._first = first
        self._cursors = cursors
        self._bodies = bodies
        self._released = 0
        self.size = sum(map(_bytes, bodies))

    def __repr__(self) -> str:
        return f"<HeldJson {self._channel.name} events={len(self)}>"

    def __len__(self) -> int:
        return len(self._cursors)

    def __iter__(self) -> Iterator[Event]:
        offset = self._first
        for place, (cursor, body) in enumerate(zip(self._cursors, self._bodies, strict=True)):
            if body is not None:
                yield Event(self._channel, offset + place, cursor, None, body)

    def cursor(self, place: int) -> str:
        return self._cursors[place]

    def offset(self, place: int) -> int:
        return self._first + place

    def since(self, place: int) -> HeldJson:
        return HeldJson(
            self._channel, self._first + place, self._cursors[place:], self._bodies[place:]
        )

    def release(self, place: int) -> int:
        freed = sum(map(_bytes, self._bodies[self._released : place]))
        self._bodies[self._released : place] = [None] * (place - self._released)
        self._released = place
        self.size -= freed
        return freed

    def released_with(self, place: int) -> int:
        return place + 1


class HeldPoints:
    """Metric points that are kept in columns.

    Args:
        channel: theirs.
        first: the offset of the first.
        cursor: returns the cursor of an offset.
        points: the points.
        begin: the place in `points` of the first.
    """

    __slots__ = ("_begin", "_channel", "_cursor", "_first", "_points", "size")

    def __init__(
        self,
        channel: Channel,
        first: int,
        cursor: Callable[[int], str],
        points: Points,
        begin: int = 0,
    ) -> None:
        self._channel = channel
        self._first = first
        self._cursor = cursor
        self._points = points
        self._begin = begin
        self.size = 0 if begin else _bytes_of(points)

    def __repr__(self) -> str:
        return f"<HeldPoints {self._channel.name} events={len(self)}>"

    def __len__(self) -> int:
        return len(self._points) - self._begin

    def __iter__(self) -> Iterator[Event]:
        for place in range(len(self)):
            offset = self.offset(place)
            record = self._points[self._begin + place]
            yield Event(self._channel, offset, self._cursor(offset), record)

    def cursor(self, place: int) -> str:
        return self._cursor(self.offset(place))

    def offset(self, place: int) -> int:
        return self._first + place

    def since(self, place: int) -> HeldPoints:
        if not place:
            return self
        begin = self._begin + place
        return HeldPoints(self._channel, self._first + place, self._cursor, self._points, begin)

    def release(self, place: int) -> int:
        if place < len(self):
            return 0
        freed, self.size = self.size, 0
        return freed

    def released_with(self, place: int) -> int:
        return len(self)


def _bytes(body: bytes | None) -> int:
    return 0 if body is None else EVENT_BYTES + len(body)


def _bytes_of(points: Points) -> int:
    series = set(points.series)
    names = sum(sum(map(len, one.key)) for one in series)
    return POINT_BYTES * len(points) + SERIES_BYTES * len(series) + 3 * names
