"""Deletes silences that are over, and changes of alerts that nobody sends."""

from __future__ import annotations

from functools import partial
from typing import Final

from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.retention.records import RECORD_BYTES, Expiry
from alphapulse_api.storage.steps import Steps

SILENCES: Final = Expiry(
    "silences", "silences", "until", ("id",), ("text",), ("matchers", "comment")
)
# The senders were switched off, or are gone for longer than changes are kept for them.
_NOBODY: Final = "NOT EXISTS (SELECT 1 FROM notifying WHERE until > $1)"
_DELETE: Final = (
    "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE receiver = '' "
    f"AND {_NOBODY} ORDER BY created_at, id LIMIT $2)"
)


async def delete_unsent(engine: Engine, steps: Steps, at: int) -> int:
    """Delete changes of alerts that are not routed, if nobody sends messages any more.

    Args:
        engine: the database.
        steps: the bounds of a step.
        at: the present, in microseconds since the epoch.

    Returns:
        Their number.
    """
    found = f"SELECT 1 FROM deliveries WHERE receiver = '' AND {_NOBODY} LIMIT 1"
    gone = 0
    while await engine.fetch(found, at):

        async def work(transaction: Transaction, count: int) -> int:
            return await transaction.execute(_DELETE, at, count)

        count = max(1, steps.size // RECORD_BYTES)
        gone += await steps.run(partial(work, count=count), count * RECORD_BYTES)
    return gone
