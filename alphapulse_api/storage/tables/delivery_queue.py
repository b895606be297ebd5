"""The rows of `deliveries` as the sender works on them: routed, taken into messages, settled.

Instants are microseconds since the epoch. Each write checks in its own transaction that this
process still is the one that sends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.notifications import (
    DELIVERED,
    ESCALATED,
    FAILED,
    PENDING,
    PLANNED,
    REPEATED,
    SILENCED,
    is_open,
)
from alphapulse_api.storage.bulk import keys_as_rows
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.tables.delivery_rows import (
    ALERT,
    Bound,
    Change,
    Due,
    New,
    alert_of,
    due_of,
    forget_planned,
    insert_new,
    key_of,
    plan_repeats,
    run_on,
)

CAUSES: Final = 200  # routed in one transaction
ROWS: Final = 1000  # alert states in one message

_JOINED: Final = "deliveries d LEFT JOIN alerts a ON a.book = d.book AND a.id = d.alert_id"
_CAUSES: Final = (
    f"SELECT d.id, d.cause, d.created_at, {ALERT} FROM {_JOINED} "
    f"WHERE d.receiver = '' ORDER BY d.created_at, d.id LIMIT {CAUSES}"
)
_DUE: Final = (
    f"SELECT d.id, d.cause, d.state, d.group_key, d.attempts, {ALERT} FROM {_JOINED} "
    "WHERE d.receiver = $1 AND d.due_at <= $2 AND d.message_id IS NULL "
    f"ORDER BY d.due_at, d.id LIMIT {ROWS}"
)
_IN_MESSAGE: Final = (
    f"SELECT d.id, d.cause, d.state, d.group_key, d.attempts, {ALERT} FROM {_JOINED} "
    "WHERE d.message_id = $1 AND d.due_at IS NOT NULL ORDER BY d.created_at, d.id"
)
_BOUND: Final = (
    "SELECT message_id, attempts, reached FROM deliveries WHERE receiver = $1 AND due_at <= $2 "
    "AND message_id IS NOT NULL ORDER BY due_at LIMIT 1"
)
_OPEN: Final = "message_id = $1 AND due_at IS NOT NULL"  # not settled yet
_DELIVERED: Final = (
    f"UPDATE deliveries SET state = '{DELIVERED}', due_at = NULL, delivered_at = $2, "
    f"attempts = attempts + 1, last_error = NULL, tried_at = coalesce(tried_at, $2) WHERE {_OPEN}"
)
# A receiver that took a message may take those that failed before.
_BACK: Final = (
    "UPDATE deliveries SET due_at = $2 WHERE receiver = $1 AND due_at > $2 AND attempts > 0 "
    f"AND state = '{PENDING}'"
)
_FAILED: Final = (
    f"UPDATE deliveries SET state = '{FAILED}', due_at = NULL, attempts = attempts + 1, "
    f"last_error = $2, tried_at = coalesce(tried_at, $3) WHERE {_OPEN}"
)
_GIVEN_UP: Final = f"{_FAILED} AND tried_at <= $4"
_RETRIED: Final = (
    "UPDATE deliveries SET due_at = $2, attempts = attempts + 1, last_error = $3, reached = $5, "
    f"tried_at = coalesce(tried_at, $4), message_id = $6 WHERE {_OPEN}"
)

Check = Callable[[Transaction], Awaitable[None]]


class DeliveryQueue:
    """The rows that wait, for the process that sends.

    Args:
        engine: where they are stored.
        check: raises, in a transaction, if another process sends by now.
    """

    def __init__(self, engine: Engine, check: Check) -> None:
        self._engine = engine
        self._check = check

    async def changes(self) -> list[Change]:
        """The oldest changes that are not routed."""
        rows = await self._engine.fetch(_CAUSES)
        return [Change(id_, cause, at, alert_of(rest)) for id_, cause, at, *rest in rows]

    async def told(self, alerts: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], set[str]]:
        """Who was told of alerts that they are open, by the book and id of the alert."""
        keys = list({key_of(alert) for alert in alerts})
        found: dict[tuple[str, str], set[str]] = {key: set() for key in keys}
        if keys:
            rows, args = keys_as_rows(self._engine, ("text", "text"), keys)
            sql = (
                "SELECT DISTINCT book, alert_id, receiver FROM deliveries "
                f"WHERE (book, alert_id) IN ({rows}) AND state = '{DELIVERED}'"
            )
            for book, alert_id, receiver in await self._engine.fetch(sql, *args):
                found[book, alert_id].add(receiver)
        return found

    async def route(self, changes: Sequence[Change], planned: Sequence[New]) -> None:
        """Replace changes by what receivers will be told of them."""
        closed = [key_of(c.alert) for c in changes if c.alert is not None and not is_open(c.alert)]
        escalated = [key_of(new.alert) for new in planned if new.cause == ESCALATED]

        async def work(transaction: Transaction) -> None:
            await self._check(transaction)
            await run_on(transaction, "DELETE FROM deliveries WHERE id", [c.id for c in changes])
            await forget_planned(transaction, closed, PLANNED)
            await forget_planned(transaction, escalated, (ESCALATED,))
            await insert_new(transaction, planned)

        await self._engine.write(work)

    async def due(self, receiver: str, at: int) -> list[Due]:
        """The rows of a receiver that are due and in no message, up to `ROWS`."""
        return [due_of(row) for row in await self._engine.fetch(_DUE, receiver, at)]

    async def bound(self, receiver: str, at: int) -> Bound | None:
        """The message of a receiver that is due to be sent again; None if there is none."""
        rows = await self._engine.fetch(_BOUND, receiver, at)
        return Bound(*rows[0]) if rows else None

    async def in_message(self, message_id: str) -> list[Due]:
        """The rows of a message."""
        return [due_of(row) for row in await self._engine.fetch(_IN_MESSAGE, message_id)]

    async def take(
        self,
        message_id: str,
        sent: Sequence[str],
        removed: Sequence[str],
        put_off: Mapping[tuple[str, int | None, str | None], Sequence[str]],
    ) -> None:
        """Put rows into a message, remove rows, and put others off.

        Args:
            message_id: of the message.
            sent: the ids of its rows.
            removed: the ids of rows about which nothing is to be told any more.
            put_off: the ids of the others, by state, due time and silence.
        """

        async def work(transaction: Transaction) -> None:
            await self._check(transaction)
            await run_on(transaction, "DELETE FROM deliveries WHERE id", removed)
            for values, ids in put_off.items():
                await run_on(
                    transaction,
                    "UPDATE deliveries SET state = {}, due_at = {}, silence_id = {} WHERE id",
                    ids,
                    *values,
                )
            await run_on(
                transaction,
                "UPDATE deliveries SET state = {}, message_id = {} WHERE id",
                sent,
                PENDING,
                message_id,
            )

        await self._engine.write(work)

    async def delivered(
        self, message_id: str, receiver: str, at: int, repeats: Sequence[New]
    ) -> None:
        """Record that a receiver took a message, and when it is told again."""

        async def work(transaction: Transaction) -> None:
            await self._check(transaction)
            await transaction.execute(_DELIVERED, message_id, at)
            await transaction.execute(_BACK, receiver, at)
            await plan_repeats(transaction, receiver, repeats)

        await self._engine.write(work)

    async def failed(
        self,
        message_id: str,
        receiver: str,
        at: int,
        error: str,
        *,
        retry_at: int | None,
        since: int,
        reached: str,
        keeps: bool,
        repeats: Sequence[New],
    ) -> bool:
        """Record that a receiver did not take a message.

        Args:
            message_id: of the message.
            receiver: its name.
            at: the present.
            error: why; without secrets.
            retry_at: when it is tried again; None: never.
            since: rows that were first tried before are given up.
            reached: which of the receiver's URLs took it.
            keeps: whether the same message is sent again. Otherwise its rows become due by
                themselves, and are sent with what is due by then.
            repeats: when the receiver is told again of what is given up.

        Returns:
            Whether all of it is given up.
        """

        async def work(transaction: Transaction) -> bool:
            await self._check(transaction)
            if retry_at is None:
                await transaction.execute(_FAILED, message_id, error, at)
            else:
                await transaction.execute(_GIVEN_UP, message_id, error, at, since)
            left = 0
            if retry_at is not None:
                kept = message_id if keeps else None
                left = await transaction.execute(
                    _RETRIED, message_id, retry_at, error, at, reached, kept
                )
            if not left:
                await plan_repeats(transaction, receiver, repeats)
            return not left

        return await self._engine.write(work)

    async def next_due(self, receivers: Sequence[str]) -> dict[str, int]:
        """When the next row of each of these receivers is due; without those that have none."""
        if not receivers:
            return {}
        each = " UNION ALL ".join(
            f"SELECT ${number}, min(due_at) FROM deliveries "
            f"WHERE receiver = ${number} AND due_at IS NOT NULL"
            for number in range(1, len(receivers) + 1)
        )
        rows = await self._engine.fetch(each, *receivers)
        return {receiver: at for receiver, at in rows if at is not None}

    async def strangers(self, known: Collection[str]) -> set[str]:
        """The receivers that are not known, and have rows with something to do."""
        rows = await self._engine.fetch(
            "SELECT DISTINCT receiver FROM deliveries WHERE due_at IS NOT NULL"
        )
        return {receiver for (receiver,) in rows if receiver not in known}

    async def abandon(self, receiver: str, error: str) -> None:
        """Give up what waits for a receiver that is not configured any more."""

        async def work(transaction: Transaction) -> None:
            await self._check(transaction)
            await transaction.execute(
                f"UPDATE deliveries SET state = CASE state WHEN '{SILENCED}' THEN state "
                f"ELSE '{FAILED}' END, due_at = NULL, last_error = $2 "
                "WHERE receiver = $1 AND due_at IS NOT NULL",
                receiver,
                error,
            )

        await self._engine.write(work)

    async def waiting(self) -> dict[str, int]:
        """How many rows wait for each receiver, among those that are due."""
        rows = await self._engine.fetch(
            "SELECT receiver, count(*) FROM deliveries WHERE due_at IS NOT NULL "
            f"AND state = '{PENDING}' AND cause NOT IN ('{REPEATED}', '{ESCALATED}') "
            "GROUP BY receiver"
        )
        return {receiver: count for receiver, count in rows}
