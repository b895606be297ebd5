"""A row of the outbox: an event that is committed with its record and not yet published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.books import MAIN
from alphapulse_api.domain.points import Points

TOGETHER: Final = 200  # new records that share a row


class OutboxRow(NamedTuple):
    """One row.

    Attributes:
        id: unique for ever, even if a database is restored.
        channel: of its events; None: it only invalidates.
        record_id: of the record; None for several new records, or none.
        revision: the revision of the record; without a record, the number of events.
        tags: of the cached answers that its records make stale.
        bodies: the JSON of each event; empty if the row refers to the record. A row with neither
            body nor record says that events are missing.
        records: the same as dicts; only in the process that stored them.
        points: metric points, which are not in the table; only in the process that stored them.
        stored: whether it is in the table already.
        book: the book of its records.
    """

    id: str
    channel: str | None
    record_id: str | None
    revision: int
    tags: Sequence[str]
    bodies: Sequence[bytes] = ()
    records: Sequence[Mapping[str, Any]] = ()
    points: Sequence[Points] = ()
    stored: bool = False
    book: str = MAIN
