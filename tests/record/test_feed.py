"""The feed, called with the objects that trading code has: validate, store, invalidate, publish."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from numbers import Real

import pytest

from alphapulse_api.domain.errors import Conflict, NotFound, ValidationProblem
from alphapulse_api.record.feed import MAX_BATCH
from tests.engines import T0, at
from tests.record.conftest import House

TRADE = {"id": "t1", "symbol": "BTC", "side": "buy", "quantity": "0.1", "price": "67123.50"}


class Scalar:
    """A number as numpy has them: registered as Real, no subclass of float."""

    def __init__(self, number: float) -> None:
        self._number = number

    def __float__(self) -> float:
        return self._number

    def __str__(self) -> str:
        return str(self._number)


Real.register(Scalar)


class Instant(datetime):
    """A time as pandas has it: a subclass of datetime."""


def places(problem: pytest.ExceptionInfo[ValidationProblem]) -> set[str]:
    return {error["pointer"] for error in problem.value.errors}


async def test_python_numbers_and_times_are_taken_as_they_are(house: House) -> None:
    cet = timezone(timedelta(hours=1))
    points = [
        {"metric_type": "risk", "name": "f", "timestamp": T0, "value": Scalar(1.5)},
        {"metric_type": "risk", "name": "d", "timestamp": T0.astimezone(cet), "value": Decimal(2)},
        {"metric_type": "risk", "name": "n", "timestamp": T0.timestamp(), "value": math.nan},
        {"metric_type": "risk", "name": "i", "timestamp": T0.isoformat(), "value": 3},
    ]
    assert await house.feed.record_metrics(points) == 4
    latest = await house.accessors.metrics.get_latest_metrics("risk")
    assert [(p["name"], p["value"], p["timestamp"]) for p in latest] == [
        ("d", 2.0, T0), ("f", 1.5, T0), ("i", 3.0, T0), ("n", None, T0),
    ]  # fmt: skip
    numbers = {"quantity": Scalar(0.1), "price": 67123.5}
    executed_at = Instant(2026, 3, 1, 13, tzinfo=cet)
    trade = await house.feed.record_trade({**TRADE, **numbers, "executed_at": executed_at})
    assert trade["executed_at"] == T0
    assert house.events.cursor("trades").endswith("-1")
    assert (trade["quantity"], trade["value"]) == (Decimal("0.1"), Decimal("6712.35"))


async def test_what_is_left_out_is_filled_in(house: House) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    trade = await house.feed.record_trade({k: v for k, v in TRADE.items() if k != "id"})
    alert = await house.feed.raise_alert({"title": "drawdown"})
    assert trade["value"] == Decimal("6712.350")
    assert (trade["order_type"], trade["status"], trade["metadata"]) == ("market", "filled", {})
    assert (alert["severity"], alert["status"], alert["acknowledged"]) == (
        "warning", "active", False,
    )  # fmt: skip
    assert before < trade["executed_at"] <= alert["created_at"]
    assert trade["id"] < alert["id"]  # sortable by time
    stored = await house.accessors.trades.get_trade(trade["id"])
    assert [state["status"] for state in stored.pop("history")] == ["filled"]
    assert stored == trade
    assert await house.accessors.alerts.get_alert(alert["id"]) == alert


async def test_a_batch_with_one_bad_record_stores_nothing(house: House) -> None:
    good = {"metric_type": "risk", "name": "var", "value": 1}
    with pytest.raises(ValidationProblem) as problem:
        await house.feed.record_metrics([good, {**good, "value": "high"}, {**good, "colour": 1}])
    assert places(problem) == {"/1/value", "/2/colour"}
    with pytest.raises(ValidationProblem) as problem:
        await house.feed.record_trades([TRADE, {**TRADE, "id": "t2", "side": "hold"}])
    assert places(problem) == {"/1/side"}
    await house.feed.record_trade(TRADE)
    with pytest.raises(Conflict) as conflict:
        await house.feed.record_trades([{**TRADE, "id": "t0"}, {**TRADE, "price": 1}])
    assert conflict.value.extra["errors"][0]["pointer"] == "/1/id"
    assert "price" in conflict.value.detail
    assert await house.accessors.metrics.list_series() == []
    assert [trade["id"] for trade in await house.accessors.trades.get_trades()] == ["t1"]
    assert [name for name, _ in house.published] == ["trades"]


async def test_a_batch_has_at_most_10000_records(house: House) -> None:
    point = {"metric_type": "risk", "name": "var", "value": 1}
    for call in (house.feed.record_metrics, house.feed.record_trades):
        with pytest.raises(ValidationProblem, match="10000"):
            await call([point] * (MAX_BATCH + 1))
    assert await house.feed.record_metrics([]) == 0
    assert await house.feed.record_trades([]) == []
    assert house.published == []


async def test_a_repeat_succeeds_and_neither_changes_nor_publishes(house: House) -> None:
    first = await house.feed.record_trade(TRADE)
    assert await house.feed.record_trade(TRADE) == first
    assert await house.feed.record_trade({**TRADE, "price": 67123.5}) == first
    assert await house.feed.record_trade({**TRADE, "value": "6712.35"}) == first
    assert await house.feed.record_trades([TRADE, TRADE]) == [first, first]
    assert [name for name, _ in house.published] == ["trades"]
    alert = {"id": "a1", "title": "drawdown", "metric_value": math.nan, "tags": ["x"]}
    raised = await house.feed.raise_alert(alert)
    acknowledged = await house.feed.acknowledge_alert("a1", "ann")
    assert raised["acknowledged"] is False
    assert await house.feed.raise_alert(alert) == acknowledged
    for other in ({"title": "other"}, {"tags": []}, {"created_at": T0}, {"metric_value": 1}):
        with pytest.raises(Conflict, match=next(iter(other))):
            await house.feed.raise_alert({**alert, **other})
    assert [name for name, _ in house.published] == ["trades", "alerts", "alerts"]


async def test_an_acknowledgement_is_published_once_however_many_come_at_once(house: House) -> None:
    await house.feed.raise_alert({"id": "a1", "title": "drawdown"})
    changes = [house.feed.acknowledge_alert("a1", f"user{n}") for n in range(8)]
    changes += [house.feed.resolve_alert("a1") for _ in range(8)]
    answers = await asyncio.gather(*changes)
    assert {answer["acknowledged_by"] for answer in answers} == {"user0"}
    stages = [data["status"] for _, data in house.published]
    assert stages == ["active", "acknowledged", "resolved"]
    with pytest.raises(NotFound):
        await house.feed.resolve_alert("a2")


LONG, SHORT = (
    {"symbol": "BTC", "quantity": "2", "entry_price": "100", "current_price": "150"},
    {"symbol": "ETH", "side": "short", "quantity": 4, "entry_price": "50", "current_price": "60"},
)


async def test_positions_are_completed_by_what_follows_from_them(house: House) -> None:
    sent = {"total_value": 1000, "cash": "940", "positions": [LONG, SHORT], "as_of": T0}
    stored = await house.feed.update_portfolio(sent)
    long, short = stored["positions"]
    assert (long["side"], long["value"], long["weight"]) == ("long", 300, 0.3)
    assert (long["unrealized_pnl"], long["unrealized_pnl_pct"]) == (100, 0.5)
    assert (short["value"], short["weight"]) == (-240, -0.24)
    assert (short["unrealized_pnl"], short["unrealized_pnl_pct"]) == (-40, -0.2)
    assert stored["stale"] is True
    (point,) = (await house.accessors.portfolio.get_portfolio(True))["history"]
    assert point == {"timestamp": T0, "total_value": 1000, "cash": 940, "positions_value": 60}


async def test_what_a_position_says_itself_stands(house: House) -> None:
    said = {"value": "1", "weight": 0.5, "unrealized_pnl": "2", "unrealized_pnl_pct": 0.25}
    bare = {"symbol": "X", "quantity": 1}
    sent = {"total_value": 0, "cash": 0, "positions": [{**LONG, **said}, bare]}
    full, empty = (await house.feed.update_portfolio(sent))["positions"]
    assert {name: full[name] for name in said} == {**said, "value": 1, "unrealized_pnl": 2}
    assert {n for n, v in empty.items() if v is not None} == {"symbol", "side", "quantity"}


async def test_computed_amounts_are_exact_under_any_decimal_context(house: House) -> None:
    quantity, price = "123456789.123456789012345678", "67123.501234567890123"
    with localcontext() as context:
        context.prec = 100
        product = Decimal(quantity) * Decimal(price)
    position = {"symbol": "BTC", "quantity": quantity, "current_price": price, "entry_price": 0}
    with localcontext() as context:
        context.prec = 6
        trade = await house.feed.record_trade({**TRADE, "quantity": quantity, "price": price})
        sent = {"total_value": "1", "cash": 0, "positions": [position] * 2}
        stored = await house.feed.update_portfolio(sent)
        (past,) = (await house.accessors.portfolio.get_portfolio(True))["history"]
    assert str(trade["value"]) == str(product)
    assert stored["positions"][0]["value"] == product
    assert stored["positions"][0]["unrealized_pnl"] == product
    with localcontext() as context:
        context.prec = 100
        assert past["positions_value"] == 2 * product


async def test_an_empty_short_is_worth_zero_without_a_sign(house: House) -> None:
    sent = {"total_value": 1, "cash": 1, "positions": [{**SHORT, "quantity": 0}]}
    (position,) = (await house.feed.update_portfolio(sent))["positions"]
    assert str(position["value"]) == "0"


async def test_a_late_portfolio_is_history_and_not_published(house: House) -> None:
    await house.feed.update_portfolio({"total_value": 2, "cash": 0, "as_of": at(10)})
    await house.feed.update_portfolio({"total_value": 1, "cash": 0, "as_of": at(0)})
    assert [data["total_value"] for _, data in house.published] == [2]
    portfolio = await house.accessors.portfolio.get_portfolio(include_history=True)
    assert portfolio["total_value"] == 2
    assert [point["total_value"] for point in portfolio["history"]] == [1, 2]


async def test_every_write_moves_its_cached_answers_on(house: House) -> None:
    feed = house.feed
    await feed.raise_alert({"id": "a1", "title": "x"})
    writes = {
        "metrics": feed.record_metrics({"metric_type": "risk", "name": "v", "value": 1}),
        "metrics:risk": feed.record_metrics({"metric_type": "risk", "name": "v", "value": 2}),
        "trades": feed.record_trade(TRADE),
        "alerts": feed.acknowledge_alert("a1", "ann"),
        "portfolio": feed.update_portfolio({"total_value": 1, "cash": 1}),
        "agents": feed.record_signal("m1", {"symbol": "BTC", "direction": "buy"}),
        "system": feed.report_system({"component": "db", "status": "healthy"}),
    }
    for resource, write in writes.items():
        before, _ = await house.cache.look(resource, ())
        await write
        assert (await house.cache.look(resource, ()))[0] != before, resource
    before, _ = await house.cache.look("agents", ())
    untouched, _ = await house.cache.look("metrics:trade", ())
    await feed.update_agent("m1", {"state": "error"})
    assert (await house.cache.look("agents", ()))[0] != before
    assert (await house.cache.look("metrics:trade", ()))[0] == untouched


async def test_a_new_agent_owns_its_defaults(house: House) -> None:
    first = await house.feed.update_agent("m1", {})
    first["metrics"]["mine"] = 1
    assert (await house.feed.update_agent("m2", {}))["metrics"] == {}
    for bad in ("", "a/b", "x" * 129):
        with pytest.raises(ValidationProblem) as problem:
            await house.feed.update_agent(bad, {})
        assert places(problem) == {"/agent_id"}
    signal = {"agent_id": "m2", "symbol": "BTC", "direction": "buy"}
    with pytest.raises(ValidationProblem, match="agent_id"):
        await house.feed.record_signal("m1", signal)
