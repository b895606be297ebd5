"""Rows of `deliveries` in the sender's transactions, and statements on many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.books import NO_BOOK
from alphapulse_api.domain.notifications import REPEATED
from alphapulse_api.storage.bulk import insert_rows, keys_as_rows
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.outbox import new_id
from alphapulse_api.storage.tables.alert_columns import COLUMNS as ALERTS

_INTO: Final = (
    "deliveries (id, receiver, book, alert_id, title, severity, cause, created_at, due_at, "
    "group_key)"
)
_TYPES: Final = (
    "text", "text", "text", "text", "text", "text", "text", "timestamptz", "timestamptz", "text",
)  # fmt: skip
ALERT: Final = ", ".join(f"a.{name}" for name in ALERTS.names)

Alert = dict[str, Any]


class Change(NamedTuple):
    """A change of an alert that is not routed yet; the alert is None if it was deleted since."""

    id: str
    cause: str
    created_at: int
    alert: Alert | None


class Due(NamedTuple):
    """A row that is due, with its alert as it is now; None if that was deleted."""

    id: str
    cause: str
    state: str
    group: str
    attempts: int
    alert: Alert | None


class Bound(NamedTuple):
    """A message that is sent again: its id, how often it was sent, which URLs took it."""

    id: str
    attempts: int
    reached: str


class New(NamedTuple):
    """A row to insert: whom to tell of which alert, why, and when."""

    receiver: str
    cause: str
    group: str
    created_at: int
    due: int
    alert: Mapping[str, Any]

    @property
    def row(self) -> tuple[Any, ...]:
        """Its values, in the order of `_INTO`."""
        alert = self.alert
        return (
            new_id(), self.receiver, *key_of(alert), alert["title"], alert["severity"], self.cause,
            self.created_at, self.due, self.group,
        )  # fmt: skip


def key_of(alert: Mapping[str, Any]) -> tuple[str, str]:
    return alert["book"] or NO_BOOK, str(alert["id"])


def alert_of(row: Sequence[Any]) -> Alert | None:
    return None if row[0] is None else ALERTS.read(row)


def due_of(row: Sequence[Any]) -> Due:
    id_, cause, state, group, attempts, *alert = row
    return Due(id_, cause, state, group, attempts, alert_of(alert))


async def insert_new(transaction: Transaction, planned: Sequence[New]) -> None:
    await insert_rows(transaction, _INTO, [new.row for new in planned], "", _TYPES)


async def run_on(transaction: Transaction, sql: str, ids: Sequence[str], *values: Any) -> None:
    """Run a statement on the rows with these ids; each `{}` in it stands for one value."""
    if not ids:
        return
    rows, args = keys_as_rows(transaction, ("text",), [(id_,) for id_ in ids])
    marks = [f"${number}" for number in range(len(args) + 1, len(args) + len(values) + 1)]
    await transaction.execute(f"{sql.format(*marks)} IN ({rows})", *args, *values)


async def forget_planned(
    transaction: Transaction, alerts: Sequence[tuple[str, str]], causes: Sequence[str]
) -> None:
    """Remove what was planned about alerts and is not in a message yet."""
    if not alerts:
        return
    rows, args = keys_as_rows(transaction, ("text", "text"), alerts)
    among = ", ".join(f"'{cause}'" for cause in causes)
    await transaction.execute(
        f"DELETE FROM deliveries WHERE (book, alert_id) IN ({rows}) AND cause IN ({among}) "
        "AND due_at IS NOT NULL AND message_id IS NULL",
        *args,
    )


async def plan_repeats(transaction: Transaction, receiver: str, repeats: Sequence[New]) -> None:
    """Plan that a receiver is told again, in place of what was planned about these alerts."""
    if not repeats:
        return
    rows, args = keys_as_rows(transaction, ("text", "text"), [key_of(new.alert) for new in repeats])
    await transaction.execute(
        f"DELETE FROM deliveries WHERE (book, alert_id) IN ({rows}) AND cause = '{REPEATED}' "
        f"AND receiver = ${len(args) + 1} AND due_at IS NOT NULL AND message_id IS NULL",
        *args,
        receiver,
    )
    await insert_new(transaction, repeats)
