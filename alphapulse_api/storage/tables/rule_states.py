"""The states of the groups of rules, stored in one transaction with the alerts that they change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.books import NO_BOOK, Books
from alphapulse_api.domain.encoding import canonical
from alphapulse_api.domain.errors import Conflict, NotFound
from alphapulse_api.domain.notifications import cause_of
from alphapulse_api.domain.times import from_micros, to_micros
from alphapulse_api.storage.columns import FLOAT, JSON, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.job_leases import JobLease
from alphapulse_api.storage.outbox import invalidation, of_new
from alphapulse_api.storage.query import Where
from alphapulse_api.storage.tables.alert_causes import note_causes
from alphapulse_api.storage.tables.alert_changes import RESOLVE, change_in
from alphapulse_api.storage.tables.alert_columns import COLUMNS as ALERTS
from alphapulse_api.storage.tables.alert_columns import RAISED
from alphapulse_api.storage.tables.book_directory import BookDirectory
from alphapulse_api.storage.tables.once import insert_once

COLUMNS: Final = Columns(
    "rule_states",
    {
        "rule_id": PLAIN,
        "group_id": PLAIN,
        "revision": PLAIN,
        "labels": JSON,
        "phase": PLAIN,
        "since": TIME,
        "fired_at": TIME,
        "value": FLOAT,
        "seen": TIME,
        "alert_id": PLAIN,
        "alert_book": PLAIN,
    },
)
_KEY: Final = ("rule_id", "group_id")
_UPSERT: Final = f"{COLUMNS.insert} ON CONFLICT (rule_id, group_id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in COLUMNS.names if name not in _KEY
)
SHOWN_GROUPS: Final = 1000
A_TRANSACTION: Final = 100  # changes


class StateChange(NamedTuple):
    """The new state of one group; times are microseconds.

    Attributes:
        alert: to be raised; None: none is.
        resolves: whether the alert of the state is resolved.
    """

    rule_id: str
    revision: int
    labels: Mapping[str, str]
    phase: str
    since: int
    fired_at: int | None
    value: float | None
    seen: int
    alert_id: str | None
    alert: Mapping[str, Any] | None = None
    resolves: bool = False


class RuleStates:
    """Stores the states of the groups of rules, for the owner of a lease.

    Args:
        engine: the database.
        directory: the books.
        lease: of the evaluation.
    """

    def __init__(self, engine: Engine, directory: BookDirectory, lease: JobLease) -> None:
        self._engine = engine
        self._directory = directory
        self._lease = lease

    async def load(self) -> list[dict[str, Any]]:
        """All states, with times as microseconds."""
        rows = await self._engine.fetch(f"SELECT {COLUMNS.select} FROM rule_states")
        found = COLUMNS.records(rows)
        for state in found:
            for name in ("since", "fired_at", "seen"):
                state[name] = state[name] and to_micros(state[name])
        return found

    async def store(self, changes: Sequence[StateChange], epoch: int) -> None:
        """Store changes of states and of their alerts, all or none; those of old rules are left.

        Raises:
            LeaseLost: if the lease has gone to another.
            Unavailable: if the database is away.
        """

        async def work(transaction: Transaction) -> None:
            await self._lease.check(transaction, epoch)
            ids = sorted({change.rule_id for change in changes})
            where = Where()
            where.one_of("id", ids)
            rows = await transaction.fetch(
                f"SELECT id, revision FROM rules {where} AND enabled ORDER BY id "
                f"{self._engine.locked}",
                *where.args,
            )
            revisions: dict[str, int] = {rule_id: revision for rule_id, revision in rows}
            for change in changes:
                if revisions.get(change.rule_id) == change.revision:
                    await self._store(transaction, change)
            for rule_id in revisions:
                await self._count(transaction, rule_id)
            transaction.publish(invalidation("rules"))

        await self._engine.write(work)

    async def drop(self, states: Sequence[Mapping[str, Any]], epoch: int) -> None:
        """Delete states that no rule has any more, and resolve their alerts; raises as `store`."""

        async def work(transaction: Transaction) -> None:
            await self._lease.check(transaction, epoch)
            for state in states:
                if state["fired_at"] is not None:
                    await self._resolve(transaction, state["alert_id"], state["alert_book"], None)
                await transaction.execute(
                    "DELETE FROM rule_states "
                    "WHERE rule_id = $1 AND group_id = $2 AND revision = $3",
                    state["rule_id"],
                    state["group_id"],
                    state["revision"],
                )
            transaction.publish(invalidation("rules"))

        await self._engine.write(work)

    async def fail(self, reasons: Mapping[str, tuple[int, str]], epoch: int) -> None:
        """Store why rules are not evaluated, by id with their revisions; raises as `store`."""

        async def work(transaction: Transaction) -> None:
            await self._lease.check(transaction, epoch)
            for rule_id, (revision, reason) in sorted(reasons.items()):
                await transaction.execute(
                    "UPDATE rules SET error = $3 WHERE id = $1 AND revision = $2",
                    rule_id,
                    revision,
                    reason,
                )
            transaction.publish(invalidation("rules"))

        await self._engine.write(work)

    async def clear_errors(self, epoch: int) -> None:
        """Forget why rules were not evaluated; raises as `store`."""

        async def work(transaction: Transaction) -> None:
            await self._lease.check(transaction, epoch)
            if await transaction.execute("UPDATE rules SET error = NULL WHERE error IS NOT NULL"):
                transaction.publish(invalidation("rules"))

        await self._engine.write(work)

    async def _store(self, transaction: Transaction, change: StateChange) -> None:
        group = group_id(change.labels)
        if change.alert is not None:
            book: str | None = await self._raise(transaction, change.alert)
        else:
            rows = await transaction.fetch(
                "SELECT alert_book FROM rule_states WHERE rule_id = $1 AND group_id = $2",
                change.rule_id,
                group,
            )
            book = rows[0][0] if rows else None
        if change.resolves:
            await self._resolve(transaction, change.alert_id, book, change.since)
        record = {
            **change._asdict(),
            "group_id": group,
            "since": from_micros(change.since),
            "seen": from_micros(change.seen),
            "fired_at": change.fired_at and from_micros(change.fired_at),
            "alert_book": book,
        }
        await transaction.execute(_UPSERT, *COLUMNS.store(record))

    async def _raise(self, transaction: Transaction, alert: Mapping[str, Any]) -> str:
        """Store an alert; one of a closed book is stored without a book. Returns its book."""
        record = {**alert, **RAISED}
        for book in (alert["book"], None):
            record["book"] = book
            try:
                stored, new = await insert_once(
                    transaction,
                    ALERTS,
                    record,
                    directory=self._directory,
                    fixed=("rule_id",),
                )
            except Conflict:
                if book is None:
                    raise
                continue
            if new:
                transaction.publish(*of_new("alerts", [stored]))
                await note_causes(transaction, [(cause_of(None, stored), stored)])
            break
        return record["book"] or NO_BOOK

    async def _resolve(
        self, transaction: Transaction, alert_id: str | None, book: str | None, at: int | None
    ) -> None:
        if alert_id is None:
            return
        if at is None:
            ((at,),) = await transaction.fetch(f"SELECT {self._engine.clock}")
        books = Books((book or NO_BOOK,))
        try:
            await change_in(transaction, self._engine, ALERTS, books, alert_id, RESOLVE, at)
        except NotFound:
            return  # retention removed the alert

    async def _count(self, transaction: Transaction, rule_id: str) -> None:
        groups = (
            "(SELECT count(*) FROM rule_states s WHERE s.rule_id = rules.id "
            "AND s.revision = rules.revision AND s.phase {})"
        )
        firing = groups.format("IN ('firing', 'recovering')")
        pending = groups.format("= 'pending'")
        await transaction.execute(
            f"UPDATE rules SET firing = {firing}, pending = {pending} WHERE id = $1", rule_id
        )


async def groups_of(engine: Engine, rule_id: str) -> list[dict[str, Any]]:
    """The groups of a rule that are pending or firing, as users see them: the first 1000."""
    rows = await engine.fetch(
        "SELECT s.labels, s.phase, s.since, s.fired_at, s.value, s.alert_id FROM rule_states s "
        "JOIN rules r ON r.id = s.rule_id AND r.revision = s.revision "
        f"WHERE s.rule_id = $1 AND s.phase <> 'ok' ORDER BY s.group_id LIMIT {SHOWN_GROUPS}",
        rule_id,
    )
    names = ("labels", "phase", "since", "fired_at", "value", "alert_id")
    shown = Columns("rule_states", {name: COLUMNS.kinds[name] for name in names})
    return [
        {**{("state" if name == "phase" else name): value for name, value in group.items()}}
        for group in shown.records(rows)
    ]


def group_id(labels: Mapping[str, str]) -> str:
    """The id of the group with these labels."""
    return hashlib.blake2b(canonical(labels).encode(), digest_size=16).hexdigest()


def in_parts(changes: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Changes in the numbers that a transaction takes."""
    return (changes[at : at + A_TRANSACTION] for at in range(0, len(changes), A_TRANSACTION))
