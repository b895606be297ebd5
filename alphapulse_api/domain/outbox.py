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
        id: unique for ever, also over databases that are restored.
        channel: of its events; None: it only invalidates.
        record_id: of the record; None for several new records, or none.
        revision: how far along its life the record is; without a record, how many events there are.
        tags: of the cached answers that its records make stale.
        bodies: the JSON of each event; none where the row refers to the record, and where it has
            neither body nor record: events are missing here.
        records: the same as dicts, in the process that stored them.
        points: metric points, which are not in the table, in the process that stored them.
        stored: whether it is in the table already.
        book: that its records are kept in.
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
