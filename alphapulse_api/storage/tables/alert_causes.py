"""Notes what people may be told of alerts, in the transaction of the change.

A note is a row of `deliveries` without a receiver. Any process may change alerts, and most know
nothing of receivers. So the insert itself asks whether somebody sends messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.books import NO_BOOK
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.bulk import ROWS, keys_as_rows
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.outbox import new_id

_TYPES: Final = ("text", "text", "text", "text", "timestamptz")
_INTO: Final = "INSERT INTO deliveries (id, book, alert_id, cause, created_at)"
_WHERE: Final = "WHERE EXISTS (SELECT 1 FROM notifying WHERE until > ${})"
_ONE: Final = f"{_INTO} SELECT $1, $2, $3, $4, $5 {_WHERE.format(6)}"

Cause = tuple[str | None, Mapping[str, Any]]


async def note_causes(transaction: Transaction, causes: Sequence[Cause]) -> None:
    """Note changes of alerts, if somebody sends messages.

    Args:
        transaction: of the changes.
        causes: what happened (`domain/notifications.py`; None is left out), and to which alert.
    """
    at = to_micros(now())
    keys = [
        (new_id(), alert["book"] or NO_BOOK, alert["id"], cause, at)
        for cause, alert in causes
        if cause is not None
    ]
    if len(keys) == 1:
        await transaction.execute(_ONE, *keys[0], at)
        return
    for begin in range(0, len(keys), ROWS):
        rows, args = keys_as_rows(transaction, _TYPES, keys[begin : begin + ROWS])
        where = _WHERE.format(len(args) + 1)
        await transaction.execute(f"{_INTO} SELECT * FROM ({rows}) AS causes {where}", *args, at)
