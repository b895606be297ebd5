"""Changes of an alert by people."""

from __future__ import annotations

from typing import Any

from alphapulse_api.domain.books import NO_BOOK, Books
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.storage.columns import Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.outbox import of_change
from alphapulse_api.storage.stores import Written
from alphapulse_api.storage.tables.booked import the_one


async def change_alert(
    engine: Engine,
    columns: Columns,
    books: Books,
    alert_id: str,
    change: str,
    condition: str,
    *args: Any,
) -> Written:
    """Change an alert where a condition holds, and publish it.

    Args:
        engine: of the table.
        columns: of the table `alerts`.
        books: among which the alert is sought.
        alert_id: its id.
        change: the assignments, in SQL; its parameters are numbered from $3.
        condition: in SQL.
        args: the parameters.

    Returns:
        The alert as it is now, and whether this call changed it.

    Raises:
        NotFound: if there is none.
        Conflict: if several of the books have one.
    """

    async def work(transaction: Transaction) -> Written:
        book = books.one
        if book is None:
            alert = await the_one(transaction, columns, books, alert_id, "alert")
            book = alert["book"] or NO_BOOK
        # The later of two concurrent changes waits here for the commit of the earlier one. Then
        # its own condition no longer holds.
        changed = await transaction.execute(
            f"UPDATE alerts SET {change} WHERE book = $1 AND id = $2 AND {condition}",
            book,
            alert_id,
            *args,
        )
        alert = await the_one(transaction, columns, Books((book,)), alert_id, "alert")
        if changed:
            _, stage = CHANNELS["alerts"].identity(alert)
            rows = await of_change(
                transaction,
                "alerts",
                alert,
                stage,
                record_id=alert_id,
                relayed=engine.relayed,
            )
            transaction.publish(*rows)
        return alert, changed > 0

    return await engine.write(work)
