"""Events as they are sent to a shared log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.outbox import OutboxRow

# Sent at once: some milliseconds of Redis.
LOAD_EVENTS: Final = 1000
LOAD_BYTES: Final = 1 << 20
OVERHEAD: Final = 100  # bytes per event beside its JSON


class Parcel(NamedTuple):
    """An event to be sent.

    Attributes:
        mark: the id that the log deduplicates by; empty: none; "=": as the event before it.
        body: its JSON.
        tags: of the cached answers that it invalidates, one per line.
    """

    mark: bytes
    body: bytes
    tags: bytes = b""

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.mark) + len(self.body) + len(self.tags) + OVERHEAD


def parcels_of(records: Sequence[Mapping[str, Any]], tags: Sequence[str]) -> list[Parcel]:
    """Encode records of one channel; the tags go with the first.

    Raises:
        TypeError: if a record holds something that has no JSON form; none is encoded then.
    """
    bodies = [dumps(record) for record in records]
    lines = "\n".join(tags).encode()
    return [Parcel(b"", body, b"" if number else lines) for number, body in enumerate(bodies)]


def parts_of(row: OutboxRow) -> Iterator[tuple[str | None, Sequence[Parcel], Sequence[str]]]:
    """Split a row into arguments of `SendQueue.put`."""
    if row.points:
        for points in row.points:
            yield "metrics", parcels_of(points, row.tags), ()
    elif row.channel is None or not row.bodies:
        yield None, (), row.tags
    else:
        lines = "\n".join(row.tags).encode()
        for at, parcels in loads_of([Parcel(b"=", body) for body in row.bodies]):
            # The same in every process that relays the row, so the ids are the same, too.
            parcels[0] = Parcel(f"{row.id}/{at}".encode(), parcels[0].body, lines)
            yield row.channel, parcels, ()


def loads_of(parcels: Sequence[Parcel]) -> Iterator[tuple[int, list[Parcel]]]:
    """Split events into those that are sent at once; yield each part with its first index."""
    begin = size = 0
    for at, parcel in enumerate(parcels):
        if at > begin and (at - begin == LOAD_EVENTS or size + parcel.size > LOAD_BYTES):
            yield begin, list(parcels[begin:at])
            begin, size = at, 0
        size += parcel.size
    if begin < len(parcels):
        yield begin, list(parcels[begin:])
