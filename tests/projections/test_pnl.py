"""The projection of profit: equal to all trades folded in their order, however they arrived."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.domain.lots import Lots, RoundTrip, fill_of
from alphapulse_api.domain.orders import completed
from alphapulse_api.projections.pnl import planning
from alphapulse_api.projections.pnl.accessor import PnlDataAccessor
from alphapulse_api.projections.pnl.folding import fold_all, fold_some, fold_symbol
from alphapulse_api.projections.pnl.rebuild import rebuild
from alphapulse_api.projections.pnl.rows import ACCOUNT_COLUMNS, FILLS, TRIPS, trip_of
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests.engines import at

Trade = dict[str, Any]


def order(id_: str, seconds: float, side: str, quantity: str, price: str, **more: Any) -> Trade:
    given = {
        "id": id_,
        "symbol": "BTC",
        "side": side,
        "quantity": Decimal(quantity),
        "price": Decimal(price),
        "executed_at": at(seconds),
        **more,
    }
    return completed(given, at(0))[0]


async def dump(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the projection, without how often it was changed."""
    accounts = [name for name in ACCOUNT_COLUMNS if name != "version"]
    keys = {
        "pnl_accounts": ("book, symbol", ", ".join(accounts)),
        "pnl_fills": ("book, symbol, executed_at, trade_id", FILLS.select),
        "round_trips": (
            "book, symbol, closed_at, closing_id, opened_at, opening_id",
            TRIPS.select,
        ),
    }
    return {
        table: [
            tuple(row)
            for row in await engine.fetch(f"SELECT {columns} FROM {table} ORDER BY {key}")
        ]
        for table, (key, columns) in keys.items()
    }


async def trips_of(engine: Engine, symbol: str = "BTC") -> list[RoundTrip]:
    sql = (
        f"SELECT {TRIPS.select} FROM round_trips WHERE symbol = $1 "
        "ORDER BY closed_at, closing_id, opened_at, opening_id"
    )
    return [trip_of(row) for row in TRIPS.records(await engine.fetch(sql, symbol))]


def expected(trades: Iterable[Mapping[str, Any]], symbol: str) -> tuple[Lots, list[RoundTrip]]:
    """All trades of a symbol, folded in their order at once."""
    corrected = {trade.get("corrects") for trade in trades}
    defaults = {"agent_id": None, "strategy": None, "fee": None, "fee_currency": None, "fees": []}
    found = [
        fill_of({**defaults, **trade})
        for trade in trades
        if trade["symbol"] == symbol and trade["id"] not in corrected
    ]
    lots, trips = Lots(), []
    for fill in sorted((fill for fill in found if fill is not None), key=lambda f: f.position):
        trips += lots.fold(fill).trips
    return lots, trips


async def test_any_order_of_arrival_gives_the_same(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "LOTS", 3)
    monkeypatch.setattr(planning, "STEP", 9)
    generator = random.Random(7)
    store = TradeDataAccessor(engine)
    stored: dict[str, Trade] = {}
    for number in range(150):
        symbol = generator.choice(["BTC", "ETH"])
        late = generator.random() < 0.2
        trade = order(
            f"t{number}",
            generator.randint(0, number) if late else number // 3,
            generator.choice(["buy", "sell"]),
            str(generator.randint(1, 12)),
            str(generator.randint(90, 110)),
            symbol=symbol,
            fee=Decimal(generator.randint(0, 5)) / 7,
            fee_currency="USD",
        )
        if number > 20 and generator.random() < 0.05:
            trade["corrects"] = f"t{generator.randrange(number)}"
        if generator.random() < 0.1:
            half = {**trade, "status": "partially_filled", "quantity": trade["quantity"] * 2}
            await store.add_trades([half])
            trade = {**half, "status": "filled", "filled_quantity": half["quantity"]}
            trade["executed_at"] = at(number)
        stored[trade["id"]] = trade
        await store.add_trades([trade])
        if generator.random() < 0.3:
            await fold_symbol(engine, "main", symbol, steps=generator.choice([1, 2, None]))
        if generator.random() < 0.1:
            planned = await planning.plan(engine, "main", symbol)
            if planned is not None:
                await fold_some(engine)  # overtakes the plan
    await fold_all(engine)
    for symbol in ("BTC", "ETH"):
        lots, trips = expected(stored.values(), symbol)
        assert await trips_of(engine, symbol) == trips
        ((held,),) = await engine.fetch("SELECT held FROM pnl_accounts WHERE symbol = $1", symbol)
        assert Decimal(held) == lots.held
    assert not await engine.fetch("SELECT id FROM trade_marks")
    before = await dump(engine)
    assert await rebuild(engine) == 2
    assert await dump(engine) == before


async def test_what_a_trade_closed_and_opened_is_its_profit(engine: Engine) -> None:
    store, metrics = TradeDataAccessor(engine), MetricsDataAccessor(engine)
    pnl = PnlDataAccessor(engine, metrics)
    await store.add_trades([order("buy", 0, "buy", "10", "100", fee=Decimal("1.5"))])
    await store.add_trades([order("flip", 1, "sell", "15", "110")])
    bought = await pnl.get_trade_profit(await store.get_trade("buy"))
    assert bought is not None
    assert (bought["position_before"], bought["position_after"]) == (0, 10)
    assert (bought["open_quantity"], bought["profit"]) == (0, 100)
    assert bought["fees"] == [{"currency": "", "amount": Decimal("1.5")}]
    flip = await pnl.get_trade_profit(await store.get_trade("flip"))
    assert flip is not None
    assert (flip["position_before"], flip["position_after"]) == (10, -5)
    assert (flip["closed_quantity"], flip["closed_profit"]) == (10, 100)
    assert (flip["open_quantity"], flip["unrealized_profit"]) == (5, 0)  # at its own price
    price = {"metric_type": "price", "name": "BTC", "timestamp": at(2), "value": 108.5}
    await metrics.add_points([price | {"labels": {}}])
    flip = await pnl.get_trade_profit(await store.get_trade("flip"))
    assert flip is not None
    assert (flip["price"], flip["price_at"]) == (Decimal("108.5"), at(2))
    assert (flip["unrealized_profit"], flip["profit"]) == (Decimal("7.5"), Decimal("107.5"))


async def test_an_order_that_filled_nothing_has_no_profit(engine: Engine) -> None:
    store = TradeDataAccessor(engine)
    await store.add_trades([order("open", 0, "buy", "10", "100", status="open")])
    pnl = PnlDataAccessor(engine, MetricsDataAccessor(engine))
    assert await pnl.get_trade_profit(await store.get_trade("open")) is None


async def test_late_fees_are_entered(engine: Engine) -> None:
    store = TradeDataAccessor(engine)
    await store.add_trades([order("a", 0, "buy", "10", "100"), order("b", 1, "sell", "4", "101")])
    await fold_all(engine)
    late = order("a", 0, "buy", "10", "100", fee=Decimal(1), fee_currency="USD")
    await store.add_trades([late])
    await fold_all(engine)
    (trip,) = await trips_of(engine)
    assert trip.opening_fees == {"USD": Decimal("0.4")}


async def test_a_refused_trade_leaves_no_mark(engine: Engine) -> None:
    store = TradeDataAccessor(engine)
    await store.add_trades([order("a", 0, "buy", "10", "100")])
    await fold_all(engine)
    with pytest.raises(Conflict):
        await store.add_trades([order("b", 0, "buy", "1", "1"), order("a", 0, "buy", "9", "100")])
    assert not await engine.fetch("SELECT id FROM trade_marks")
