"""Databases of older releases are upgraded when they are opened, and keep what they hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.domain.times import to_micros
from alphapulse_api.log.memory import MemoryEventLog
from alphapulse_api.record.feed import Feed
from alphapulse_api.storage import schema_versions
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine, Transaction
from tests.engines import T0, connected, opened, relay_of
from tests.event_logs import LogFollower
from tests.postgres import Postgres
from tests.socket_client import alert, portfolio, trade

Opening = Callable[[], AbstractAsyncContextManager[Engine]]


@pytest.fixture(params=["sqlite", "postgres"])
async def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Opening:
    """Opens one and the same database each time, on either engine."""
    if request.param == "sqlite":
        return lambda: opened(tmp_path / "store.db")
    server: Postgres = request.getfixturevalue("postgres")
    url = await server.new()
    return lambda: connected(url)


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
    async def work(transaction: Transaction) -> None:
        await transaction.execute(sql, *args)

    await engine.write(work)


class Process:
    """What records and publishes, on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.store = Accessors(engine, 300, {})
        self._log = MemoryEventLog()
        self.follower = LogFollower(self._log)
        self.relay = relay_of(self.store, MemoryCache(10**6), self._log)
        self.feed = Feed(self.store, self.relay)

    async def held(self) -> list[Any]:
        """Every record that it shows."""
        alerts, trades = await self.store.alerts.get_alerts(), await self.store.trades.get_trades()
        return [*alerts, *trades, await self.store.portfolio.get_portfolio(include_history=True)]


async def test_trades_of_before_the_outbox_are_kept_and_advance(opening: Opening) -> None:
    async with before("outbox", opening) as engine:
        await execute(
            engine,
            "INSERT INTO trades (id, symbol, side, quantity, price, value, order_type, status, "
            "executed_at, metadata, stored_at) SELECT status, 'AAPL', 'buy', '1', '1', '1', "
            "'market', status, $1, '{}', $1 FROM (SELECT 'filled' AS status "
            "UNION ALL SELECT 'cancelled' UNION ALL SELECT 'pending') AS old",
            to_micros(T0),
        )
    async with opening() as engine:
        one = Process(engine)
        await one.feed.record_trade(trade(id="new"))
        filled = {row["id"]: row["filled_quantity"] for row in await one.store.trades.get_trades()}
        # How much of a cancelled order was filled nobody had said; who knows it can say it now.
        assert filled == {"new": 1, "filled": 1, "cancelled": None, "pending": 0}
        ended = {"id": "cancelled", "symbol": "AAPL", "side": "buy", "quantity": "1", "price": "1"}
        for fields in ({}, {"filled_quantity": "0.5"}):
            await one.feed.record_trade({**ended, "status": "cancelled", **fields})
        known = await one.store.trades.get_trade("cancelled")
        assert known["filled_quantity"] == Decimal("0.5")
        assert one.follower.received() == ["new", "cancelled"]


async def test_records_are_kept_when_unused_columns_are_dropped(opening: Opening) -> None:
    tables = ("alerts", "portfolio_snapshots")
    async with before("unused_columns", opening) as engine:
        old = Process(engine)
        await old.feed.record_trade(trade(id="old"))
        await old.feed.raise_alert(alert(id="old"))
        for total in ("100", "101"):
            await old.feed.update_portfolio(portfolio(total))
        await execute(engine, "UPDATE alerts SET stored_at = created_at")
        await old.relay.relay_left()
        held = await old.held()
        widths = [len((await engine.fetch(f"SELECT * FROM {name}"))[0]) for name in tables]
    async with opening() as engine:
        one = Process(engine)
        assert await one.held() == held
        left = [len((await engine.fetch(f"SELECT * FROM {name}"))[0]) for name in tables]
        assert left == [width - 1 for width in widths]
        await one.feed.acknowledge_alert("old", "ann")
        await one.feed.raise_alert(alert(id="new"))
        assert one.follower.received("alerts") == ["old", "new"]
        await one.feed.update_portfolio(portfolio("102"))
        assert (await one.store.portfolio.get_portfolio())["total_value"] == 102
