"""Databases of older releases are upgraded when they are opened, and keep what they hold."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.times import to_micros
from alphapulse_api.log.memory import MemoryEventLog
from alphapulse_api.record.feed import Feed
from alphapulse_api.storage import schema_versions
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.retention import forget
from alphapulse_api.storage.sqlite.schema import COLUMN_TYPES as SQLITE_TYPES
from tests.engines import T0, at, relay_of
from tests.event_logs import LogFollower
from tests.old_schemas import Opening, before, execute, fill_old
from tests.socket_client import alert, trade


class Process:
    """What records and publishes, on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.store = Accessors(engine, 300, {})
        self._log = MemoryEventLog()
        self.follower = LogFollower(self._log)
        self.relay = relay_of(self.store, MemoryCache(10**6), self._log)
        self.feed = Feed(self.store, self.relay)


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


@pytest.mark.parametrize("migration", ["rollups", "outbox", "order_life", "rare_filters", "books"])
async def test_records_of_older_schemas_are_kept_and_change(
    opening: Opening, migration: str
) -> None:
    names = [step.name for step in schema_versions.migrations(SQLITE_TYPES)]
    with_states = names.index(migration) > names.index("order_life")
    async with before(migration, opening) as engine:
        await fill_old(engine, ["old"], with_states=with_states)
    async with opening() as engine:
        one = Process(engine)
        found = await one.store.trades.get_trade("old")
        assert (found["metadata"], found["executed_at"], found["value"]) == ({"n": 1}, T0, 20)
        history = [state["status"] for state in found["history"]]
        assert history == (["pending", "open"] if with_states else ["open"])
        fill = {"symbol": "AAPL", "side": "buy", "quantity": "2", "price": "10", "status": "filled"}
        await one.feed.record_trade({"id": "old", **fill})
        assert (await one.store.trades.get_trade("old"))["history"][-1]["status"] == "filled"
        await one.feed.acknowledge_alert("old", "ann")
        (old,) = await one.store.alerts.get_alerts(acknowledged=True)
        assert (old["id"], old["created_at"], old["acknowledged_by"]) == ("old", T0, "ann")
        (signal,) = await one.store.agents.get_signals("m1")
        assert (signal["id"], signal["metadata"]) == ("old", {"why": "x"})
        again = {"symbol": "AAPL", "direction": "buy", "metadata": {"why": "x"}}
        await one.feed.record_signal("m1", {"id": "old", "timestamp": T0, **again})
        assert len(await one.store.agents.get_signals("m1")) == 1
        await one.feed.raise_alert(alert(id="new"))
        assert one.follower.received("alerts") == ["old", "new"]
        for table in ("trades", "trade_states", "alerts", "signals"):
            assert await engine.fetch(f"SELECT DISTINCT book FROM {table}") == [("main",)]
        main = await one.store.books.get_book("main")
        assert (main["mode"], main["currency"], main["opened_at"]) == ("live", None, T0)
        assert (await one.feed.open_book("beta", mode="paper"))["currency"] is None
        twin = await one.feed.record_trade({"id": "old", **fill, "book": "beta"})
        assert twin["book"] == "beta"


OLD_POSITION = (
    '{"symbol":"BTC","side":"long","quantity":"0.10","entry_price":null,"current_price":"1.50",'
    '"value":"0.150","weight":0.0015,"unrealized_pnl":null,"unrealized_pnl_pct":null,'
    '"realized_pnl":"0","opened_at":"2026-03-01T12:00:00.000000Z"}'
)


@pytest.mark.parametrize("migration", ["unused_columns", "portfolio"])
async def test_snapshots_of_before_the_narrow_table_are_read_where_they_are(
    opening: Opening, migration: str
) -> None:
    async with before(migration, opening) as engine:
        for second in range(3):
            await execute(
                engine,
                "INSERT INTO portfolio_snapshots (as_of, total_value, cash, positions_value, "
                "currency, positions, performance) "
                "VALUES ($1, $2, '99.850', '0.150', 'EUR', $3, $4)",
                to_micros(at(second)),
                f"{100 + second}.00",
                f"[{OLD_POSITION}]",
                '{"sharpe":1.5}',
            )
        await execute(engine, "INSERT INTO portfolio_current VALUES (1, $1, 3)", to_micros(at(2)))
    async with opening() as engine:
        one = Process(engine)
        current = await one.store.portfolio.get_portfolio(include_history=True)
        (position,) = current["positions"]
        assert (str(position["quantity"]), position["weight"]) == ("0.10", 0.0015)
        assert (position["opened_at"], current["performance"]) == (T0, {"sharpe": 1.5})
        assert [str(p["total_value"]) for p in current["history"]] == ["100.00", "101.00", "102.00"]
        past = await one.store.portfolio.get_portfolio(as_of=at(1.5))
        assert (str(past["total_value"]), past["positions"]) == ("101.00", [position])
        # The same again is no change; another one replaces it.
        again = {name: current[name] for name in ("cash", "currency", "positions", "performance")}
        sent = {**again, "total_value": Decimal("102.00"), "as_of": at(2)}
        assert (await one.store.portfolio.set_portfolio(sent))[1] == 3
        sent["positions"] = [{**position, "quantity": Decimal(2)}]
        assert (await one.store.portfolio.set_portfolio(sent))[1] == 4
        await one.store.portfolio.set_portfolio({**sent, "as_of": at(60)})
        assert await forget(engine, RetentionConfig(portfolio=1.0), at(61)) == {"portfolio": 3}
        assert await engine.fetch("SELECT 1 FROM portfolio_whole") == []
        assert (await one.store.portfolio.get_portfolio())["positions"] == sent["positions"]
        main = await one.store.books.get_book("main")
        assert (main["currency"], main["opened_at"], current["book"]) == ("EUR", T0, "main")


async def test_signals_of_older_schemas_are_shown_and_repeated_as_before(opening: Opening) -> None:
    async with before("signals", opening) as engine:
        await fill_old(engine, ["old"])
        (old,) = await engine.fetch("SELECT agent_id, symbol, direction, timestamp FROM signals")
    async with opening() as engine:
        one = Process(engine)
        shown = await one.store.agents.get_signal("m1", "old")
        assert (shown["agent_id"], shown["symbol"], shown["direction"]) == tuple(old[:3])
        assert (shown["timestamp"], shown["metadata"], shown["book"]) == (T0, {"why": "x"}, "main")
        empty = {"abstained": False, "usage": [], "inputs": [], "thesis": None, "received_at": None}
        assert {name: shown[name] for name in empty} == empty
        assert (await one.store.agents.get_signals("m1")) == [
            {name: value for name, value in shown.items() if name not in ("thesis", "inputs")}
        ]
        sent = {"id": "old", "symbol": "AAPL", "direction": "buy", "timestamp": T0}
        repeated = await one.feed.record_signal("m1", {**sent, "metadata": {"why": "x"}})
        assert repeated.new is False  # type: ignore[attr-defined]
