"""Events as they are sent to a shared log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.outbox import OutboxRow

LOAD_EVENTS: Final = 1000  # sent at once: some milliseconds of Redis


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
        for at in range(0, len(row.bodies), LOAD_EVENTS):
            first, *rest = row.bodies[at : at + LOAD_EVENTS]
            parcels = [Parcel(f"{row.id}/{at}".encode(), first, lines)]
            parcels += [Parcel(b"=", body) for body in rest]
            yield row.channel, parcels, ()
