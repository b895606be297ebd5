"""Changes of an alert by people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.books import NO_BOOK, Books
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.deeds import Actor, Deed
from alphapulse_api.domain.notifications import cause_of
from alphapulse_api.storage.columns import Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.outbox import of_change
from alphapulse_api.storage.stores import Written
from alphapulse_api.storage.tables.alert_causes import note_causes
from alphapulse_api.storage.tables.audit import note
from alphapulse_api.storage.tables.booked import the_one


class Change(NamedTuple):
    """A change of an alert, which happens at most once.

    Attributes:
        action: its name in the audit log.
        assignments: in SQL; their parameters are numbered from $3.
        condition: of the alert before, in SQL.
        status: the status before, of the alert as it is after.
        fields: those that the change sets, besides the status.
    """

    action: str
    assignments: str
    condition: str
    status: Callable[[Mapping[str, Any]], str]
    fields: tuple[str, ...]

    def deed(self, actor: Actor, alert: Mapping[str, Any]) -> Deed:
        """The entry of the audit log about an alert that was changed."""
        return Deed(
            actor,
            self.action,
            alert["id"],
            alert["book"],
            before={"status": self.status(alert)},
            after={name: alert.get(name) for name in ("status", *self.fields)},  # a host's may lack
        )


ACKNOWLEDGE: Final = Change(
    "alert.acknowledge",
    "acknowledged = TRUE, acknowledged_by = $3, acknowledged_at = $4, comments = $5, "
    "status = CASE status WHEN 'active' THEN 'acknowledged' ELSE status END",
    "NOT acknowledged",
    lambda alert: "resolved" if alert["status"] == "resolved" else "active",
    ("acknowledged_by", "comments"),
)
RESOLVE: Final = Change(
    "alert.resolve",
    "status = 'resolved', resolved_at = $3",
    "status <> 'resolved'",
    lambda alert: "acknowledged" if alert.get("acknowledged") else "active",
    (),
)


async def change_alert(
    engine: Engine,
    columns: Columns,
    books: Books,
    alert_id: str,
    change: Change,
    actor: Actor,
    *args: Any,
) -> Written:
    """Change an alert where the condition of a change holds, publish and audit it.

    It is noted for people, too.

    Args:
        engine: of the table.
        columns: of the table `alerts`.
        books: among which the alert is sought.
        alert_id: its id.
        change: what to do.
        actor: who does it.
        args: the parameters of the change.

    Returns:
        The alert as it is now, and whether this call changed it.

    Raises:
        NotFound: if there is none.
        Conflict: if several of the books have one.
    """

    async def work(transaction: Transaction) -> Written:
        written = await change_in(transaction, engine, columns, books, alert_id, change, *args)
        alert, changed = written
        if changed:
            await note(transaction, change.deed(actor, alert))
        return written

    return await engine.write(work)


async def change_in(
    transaction: Transaction,
    engine: Engine,
    columns: Columns,
    books: Books,
    alert_id: str,
    change: Change,
    *args: Any,
) -> Written:
    """The same in a transaction of the caller, who audits it where that is needed."""
    book = books.one
    if book is None:
        alert = await the_one(transaction, columns, books, alert_id, "alert")
        book = alert["book"] or NO_BOOK
    # The later of two concurrent changes waits here for the commit of the earlier one. Then its own
    # condition no longer holds.
    changed = await transaction.execute(
        f"UPDATE alerts SET {change.assignments} "
        f"WHERE book = $1 AND id = $2 AND {change.condition}",
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
        before = {**alert, "status": change.status(alert)}
        await note_causes(transaction, [(cause_of(before, alert), alert)])
    return alert, changed > 0
