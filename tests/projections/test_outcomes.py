"""Outcomes of signals: which prices count, and what a late price changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from scipy import stats

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.projections import deadline
from alphapulse_api.projections.outcomes import updating
from alphapulse_api.projections.outcomes.accessor import per_cost
from alphapulse_api.projections.outcomes.reading import Profit
from alphapulse_api.projections.outcomes.rebuild import rebuild
from alphapulse_api.projections.outcomes.updating import update_agent, update_all
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.tables.agents import AgentDataAccessor
from alphapulse_api.storage.tables.signal_outcomes import expect_outcomes
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests.projections.test_pnl import order

HOUR = timedelta(hours=1)
BEGIN = now().replace(minute=0, second=0, microsecond=0) - 20 * HOUR


def signal(id_: str, hours: float, **more: Any) -> dict[str, Any]:
    """A signal of an agent, received some hours after `BEGIN`, for one hour."""
    received = BEGIN + hours * HOUR
    return {
        "id": id_, "book": "main", "agent_id": "m1", "symbol": "BTC", "direction": "buy",
        "timestamp": received, "received_at": received, "horizon": "PT1H", "confidence": 0.75,
        **more,
    }  # fmt: skip


async def expect(engine: Engine, *signals: Mapping[str, Any]) -> None:
    async def work(transaction: Transaction) -> None:
        await expect_outcomes(transaction, signals)

    await engine.write(work)


async def record(engine: Engine, prices: Mapping[datetime, float], **labels: str) -> None:
    """Record prices of BTC."""
    point = {"metric_type": "price", "name": "BTC", "labels": labels}
    points = [{**point, "timestamp": at, "value": value} for at, value in prices.items()]
    await MetricsDataAccessor(engine).add_points(points)


async def outcome(engine: Engine, id_: str = "s1") -> dict[str, Any]:
    names = ("entry_at", "exit_at", "change", "rises", "falls", "windows", "check_at", "imported")
    ((*values,),) = await engine.fetch(
        f"SELECT {', '.join(names)} FROM signal_outcomes WHERE signal_id = $1", id_
    )
    return dict(zip(names, values, strict=True))


async def test_the_entry_is_the_first_price_after_the_receipt(engine: Engine) -> None:
    early, entry = BEGIN - timedelta(minutes=1), BEGIN + timedelta(minutes=1)
    await record(engine, {early: 50, entry: 100, entry + HOUR: 110, entry + 2 * HOUR: 1})
    await expect(engine, signal("s1", 0, entry_price=1))
    await update_all(engine)
    found = await outcome(engine)
    assert (found["entry_at"], found["exit_at"]) == (to_micros(entry), to_micros(entry + HOUR))
    assert found["change"] == pytest.approx(0.1)
    assert found["check_at"] is None


async def test_earlier_windows_give_the_base_rate(engine: Engine) -> None:
    prices = {BEGIN + n * HOUR: value for n, value in enumerate([5, 6, 7, 6, 6, 9, 10, 11.0])}
    await record(engine, prices)
    await expect(engine, signal("s1", 6))
    await update_all(engine)
    found = await outcome(engine)
    assert (found["rises"], found["falls"], found["windows"]) == (4, 1, 6)


async def test_a_late_price_is_looked_at_again(engine: Engine) -> None:
    await record(engine, {BEGIN + HOUR / 2: 100, BEGIN + 2 * HOUR: 120})
    await expect(engine, signal("s1", 0))
    await update_all(engine)
    assert (await outcome(engine))["change"] == pytest.approx(0.2)
    await record(engine, {BEGIN: 80, BEGIN + 3 * HOUR: 1})
    await update_all(engine)
    found = await outcome(engine)
    assert found["entry_at"] == to_micros(BEGIN)
    assert found["change"] == pytest.approx(0.5)
    assert not await engine.fetch("SELECT id FROM price_marks")


async def test_a_bar_counts_from_its_opening_price(engine: Engine) -> None:
    for field, (entry, leave) in {"close": (101, 121), "open": (100, 150), "high": (1, 9)}.items():
        await record(engine, {BEGIN: entry, BEGIN + HOUR: leave}, field=field)
    await expect(engine, signal("s1", 0))
    await update_all(engine)
    assert (await outcome(engine))["change"] == pytest.approx(0.5)


async def test_trades_stand_for_prices_that_are_not_recorded(engine: Engine) -> None:
    base = to_micros(BEGIN)
    store = TradeDataAccessor(engine)
    trades = [order("a", 0, "buy", "1", "100"), order("b", 0, "sell", "1", "90")]
    trades[0]["executed_at"], trades[1]["executed_at"] = BEGIN, BEGIN + HOUR
    await expect(engine, signal("s1", 0, direction="short"))
    await store.add_trades(trades[:1])
    await update_all(engine)
    waiting = await outcome(engine)
    assert waiting["change"] is None
    assert waiting["check_at"] > base
    await store.add_trades(trades[1:])
    await update_agent(engine, "main", "m1")
    assert (await outcome(engine))["change"] == pytest.approx(-0.1)


async def test_a_signal_without_prices_is_given_up_after_days(engine: Engine) -> None:
    await expect(engine, signal("s1", -24 * 5))
    await update_all(engine)
    found = await outcome(engine)
    assert (found["change"], found["check_at"]) == (None, None)


async def test_only_calls_with_a_horizon_have_outcomes(engine: Engine) -> None:
    late = signal("late", 0, timestamp=BEGIN - timedelta(seconds=61))
    await expect(
        engine,
        signal("hold", 0, direction="hold"),
        signal("none", 0, horizon=None),
        signal("blind", 0, abstained=True),
        signal("future", 30),
        late,
    )
    await expect(engine, late)  # a repeat
    await update_all(engine)
    rows = await engine.fetch("SELECT signal_id, imported FROM signal_outcomes ORDER BY signal_id")
    assert [tuple(row) for row in rows] == [("future", 0), ("late", 1)]


async def test_rebuilding_gives_the_same_outcomes(engine: Engine) -> None:
    await record(engine, {BEGIN + n * HOUR: 100 + (7 * n) % 5 for n in range(12)})
    agents = AgentDataAccessor(engine)
    for number in range(8):
        given = signal(f"s{number}", number, metadata={}, received_at=None)
        given["timestamp"] = BEGIN + number * HOUR
        await agents.add_signal(given)
    # As if each had been received at its time.
    await engine.write(_received_in_time)
    await rebuild(engine)
    query = "SELECT * FROM signal_outcomes ORDER BY signal_id"
    before = await engine.fetch(query)
    assert sum(row is not None for row in before) == 8
    assert await rebuild(engine) == 8
    assert [tuple(row) for row in await engine.fetch(query)] == [tuple(row) for row in before]


async def _received_in_time(transaction: Transaction) -> None:
    await transaction.execute("UPDATE signals SET received_at = timestamp")
    await transaction.execute("DELETE FROM signal_outcomes")


async def test_a_read_looks_at_every_outcome_of_the_agent_or_says_that_it_takes_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updating, "STEP", 3)
    await record(engine, {BEGIN + n * HOUR: 100 + n for n in range(12)})
    await expect(engine, *(signal(f"s{n}", n) for n in range(10)), signal("due", 19.9))
    with monkeypatch.context() as patch:
        patch.setattr(deadline, "SECONDS", 0.0)
        with pytest.raises(Unavailable):
            await update_agent(engine, "main", "m1")
    await update_agent(engine, "main", "m1")
    assert all([(await outcome(engine, f"s{n}"))["check_at"] is None for n in range(10)])
    assert (await outcome(engine, "due"))["check_at"] is not None


@pytest.mark.parametrize("nets", [[], ["3"], ["3", "-1.5", "4.25", "0", "-2"]])
def test_profit_per_cost_has_the_interval_of_the_mean_round_trip(nets: list[str]) -> None:
    trips = [Decimal(net) for net in nets]
    found = per_cost(Profit(trips, trips, {}, Decimal(0)), Decimal("0.5"))
    assert found.value == pytest.approx(2 * sum(map(float, nets)))
    if len(nets) < 2:
        assert found[1:] == (None, None)
        return
    values = [2 * len(nets) * float(net) for net in nets]
    interval = stats.norm.interval(0.95, found.value, stats.sem(values))
    assert found[1:] == pytest.approx(interval)
