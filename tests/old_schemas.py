"""Databases as older releases made them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import takewhile
from typing import Any

import pytest

from alphapulse_api.domain.times import to_micros
from alphapulse_api.storage import schema_versions
from alphapulse_api.storage.engine import Engine, Transaction
from tests.engines import T0

Opening = Callable[[], AbstractAsyncContextManager[Engine]]
"""Opens one and the same database each time."""

# Rows that every schema since the first one takes.
_ROWS = {
    "trades": (
        "id, symbol, side, quantity, price, value, order_type, status, executed_at, metadata",
        "$1, 'AAPL', 'buy', '2', '10', '20', 'limit', 'open', $2, '{\"n\":1}'",
    ),
    "alerts": (
        "id, title, message, severity, status, created_at, acknowledged, tags, metadata",
        "$1, 'drawdown', 'm', 'critical', 'active', $2, FALSE, '[]', '{}'",
    ),
    "signals": (
        "id, agent_id, symbol, direction, timestamp, metadata",
        "$1, 'm1', 'AAPL', 'buy', $2, '{\"why\":\"x\"}'",
    ),
}
_AGENT = (
    "INSERT INTO agents (agent_id, agent_type, state, metrics, updated_at) "
    "VALUES ('m1', 'momentum', 'active', '{}', $1)"
)
_STATE = (
    "INSERT INTO trade_states (trade_id, revision, at, status, filled_quantity, price) "
    "VALUES ($1, $2, $3, $4, '0', NULL)"
)


@asynccontextmanager
async def before(migration: str, opening: Opening) -> AsyncIterator[Engine]:
    """The database as the last release before that migration made it."""
    every = schema_versions.migrations
    with pytest.MonkeyPatch.context() as old:
        for engine in ("sqlite", "postgres"):
            old.setattr(
                f"alphapulse_api.storage.{engine}.schema.migrations",
                lambda types: list(takewhile(lambda step: step.name != migration, every(types))),
            )
        async with opening() as engine_:
            yield engine_


async def execute(engine: Engine, sql: str, *args: Any) -> None:
    """Run one statement."""

    async def work(transaction: Transaction) -> None:
        await transaction.fetch(sql, *args)

    await engine.write(work)


async def fill_old(engine: Engine, ids: Iterable[str], *, with_states: bool = True) -> None:
    """Store an open trade, an active alert and a signal of each id, in an old schema.

    Args:
        with_states: whether the trades were pending before, and the schema knows it.
    """
    at = to_micros(T0)

    async def work(transaction: Transaction) -> None:
        await transaction.execute(_AGENT, at)
        for id_ in ids:
            for table, (columns, values) in _ROWS.items():
                sql = f"INSERT INTO {table} ({columns}) VALUES ({values})"
                await transaction.execute(sql, id_, at)
            if with_states:
                await transaction.execute(_STATE, id_, 0, at, "pending")
                await transaction.execute(_STATE, id_, 1, at, "open")
        if with_states:
            await transaction.execute("UPDATE trades SET revision = 1")

    await engine.write(work)
