"""Stores with old records, watched while retention deletes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.deeds import HOST, Deed
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.stores import NONE_SET
from alphapulse_api.storage.tables.audit import COLUMNS, entry_of
from alphapulse_api.storage.tables.command_changes import COLUMNS as COMMANDS
from tests.engines import at, point
from tests.notifications import add_notifications, notification
from tests.records import alert, decision, sample, signal, snapshot, trade

KEPT = RetentionConfig(*[60.0] * 7)

DAY = 86_400


class Watched:
    """An engine, and the rows that each of its transactions deletes, by table.

    Args:
        engine: the engine.
        before: awaited before the transaction of that number begins.
    """

    def __init__(
        self, engine: Engine, before: Callable[[int], Awaitable[object]] | None = None
    ) -> None:
        self._engine = engine
        self._before = before
        self.deleted: list[Counter[str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def write(self, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
        if self._before is not None:
            await self._before(len(self.deleted))
        counted: Counter[str] = Counter()

        async def watched(transaction: Transaction) -> Any:
            counted.clear()
            return await work(_Counting(transaction, counted, self.note))  # type: ignore[arg-type]

        result = await self._engine.write(watched)
        self.deleted.append(counted)
        return result

    def note(self, sql: str, args: Sequence[Any]) -> None:
        """Called with each statement that deletes."""

    @property
    def total(self) -> Counter[str]:
        return sum(self.deleted, Counter())


class _Counting:
    def __init__(
        self,
        transaction: Transaction,
        counted: Counter[str],
        note: Callable[[str, Sequence[Any]], None],
    ) -> None:
        self._transaction = transaction
        self._counted = counted
        self._note = note

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    async def execute(self, sql: str, *args: Any) -> int:
        count = await self._transaction.execute(sql, *args)
        if sql.startswith("DELETE FROM "):
            self._counted[sql.split()[2]] += count
            self._note(sql, args)
        return count


async def fill(store: Accessors, count: int, **fields: Any) -> None:
    """Store so many records of each kind, one a second, and points of two series, one a minute."""
    for n in range(count):
        await store.metrics.add_points([point(m, -60 * n, 1.0) for m in ("var", "beta")])
        await store.alerts.add_alert(alert(f"a{n}", n, **fields))
        await store.alerts.resolve_alert(f"a{n}")
        await store.agents.add_signal(signal(f"s{n}", n, **fields))
        await store.system.add_sample(sample("db", n))
        await store.portfolio.set_portfolio(snapshot(n))
        await add_entry(store.engine, at(n))
        await add_command(store.engine, f"c{n}", at(n))
        await add_notifications(store.engine, notification(f"n{n}", n))
    await store.trades.add_trades([trade(f"t{n}", n, **fields) for n in range(count)])
    decisions = [decision(f"d{n}", n, **fields) for n in range(count)]
    await store.decisions.add_decisions(decisions, server_set=[NONE_SET] * count)


async def add_command(engine: Engine, command_id: str, instant: datetime) -> None:
    """Store a command from that instant that has ended."""
    texts = {"id": command_id, "agent_id": "a", "name": "pause", "level": "basic"}
    times = {"created_at": instant, "expires_at": instant, "ended_at": instant}
    known = {**texts, **times, "ttl": 1, "timeout": 1, "served": False, "created_by": "ann"}
    command = {**dict.fromkeys(COMMANDS.names), **known, "parameters": {}, "state": "expired"}

    async def work(transaction: Transaction) -> None:
        await transaction.execute(COMMANDS.insert, *COMMANDS.store(command))

    await engine.write(work)


async def add_entry(engine: Engine, instant: datetime) -> None:
    """Store an entry of the audit log from that instant."""
    entry = {**entry_of(Deed(HOST, "user.login")), "at": instant}

    async def work(transaction: Transaction) -> None:
        await transaction.execute(COLUMNS.insert, *COLUMNS.store(entry))

    await engine.write(work)


async def left(engine: Engine, table: str) -> int:
    ((count,),) = await engine.fetch(f"SELECT count(*) FROM {table}")
    return int(count)
