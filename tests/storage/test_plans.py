"""No listing reads a table for its first page: filters that few rows match have indexes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from alphapulse_api.domain.books import ALL, HOME, Books
from alphapulse_api.storage.tables.agents import AgentDataAccessor
from alphapulse_api.storage.tables.alerts import AlertDataAccessor
from alphapulse_api.storage.tables.books import BookDataAccessor
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests.engines import Fresh
from tests.plans import FEW, RARE, ROWS, START, Ask, Recorder, nodes

CALM = Books(("calm",))
TRADE: dict[str, Any] = {
    "side": "buy", "quantity": 1, "price": 10, "value": 10, "order_type": "market", "metadata": {},
    "fees": [],
}  # fmt: skip
ALERT: dict[str, Any] = {
    "title": "drawdown", "message": "", "tags": [], "metadata": {},
}  # fmt: skip


@pytest.fixture
async def filled(fresh: Fresh) -> AsyncIterator[Recorder]:
    """Trades and alerts of which few are rare in any respect."""
    async with fresh() as engine:
        await TradeDataAccessor(engine).add_trades([_trade(n) for n in range(ROWS)])
        for number in range(ROWS // 10):
            await AlertDataAccessor(engine).add_alert(_alert(number))
        # Most alerts are resolved, and few of the others are rare.
        resolve = "UPDATE alerts SET status = 'resolved' WHERE metric_value > 0"
        await engine.write(lambda transaction: transaction.execute(resolve))
        for alert_id in ("a4", "a104"):
            await AlertDataAccessor(engine).acknowledge_alert(alert_id, "ann")
        await AlertDataAccessor(engine, CALM).add_alerts([_alert(n) for n in range(ROWS // 10)])
        if engine.takes_arrays:
            await engine.write(lambda transaction: transaction.fetch("ANALYZE"))
        yield Recorder(engine)


def _trade(number: int) -> dict[str, Any]:
    rare = number % RARE == 0
    return {
        **TRADE,
        "id": f"t{number}",
        "symbol": "RARE" if rare else "BTC",
        "status": "rejected" if rare else "filled",
        "agent_id": "rare" if rare else "momentum",
        "strategy": "rare" if rare else "trend",
        "executed_at": START + timedelta(minutes=number),
    }


def _alert(number: int) -> dict[str, Any]:
    rare = number % 100 == 0
    return {
        **ALERT,
        "id": f"a{number}",
        "severity": "critical" if rare else "info",
        "source": "rare" if rare else "risk",
        "metric_value": number % 200 and number % 4,
        "created_at": START + timedelta(minutes=number),
    }


QUESTIONS: dict[str, Ask] = {
    "all trades": lambda e: TradeDataAccessor(e).get_trades(),
    "all trades, oldest first": lambda e: TradeDataAccessor(e).get_trades(sort="asc"),
    "trades of a rare symbol, oldest first": lambda e: TradeDataAccessor(e).get_trades(
        "RARE", sort="asc"
    ),
    "trades of a rare symbol": lambda e: TradeDataAccessor(e).get_trades("RARE"),
    "trades of rare symbols": lambda e: TradeDataAccessor(e).get_trades(["RARE", "NONE"]),
    "trades of a rare status": lambda e: TradeDataAccessor(e).get_trades(status="rejected"),
    "trades of an absent status": lambda e: TradeDataAccessor(e).get_trades(status="cancelled"),
    "trades of a rare agent": lambda e: TradeDataAccessor(e).get_trades(agent_id="rare"),
    "trades of an absent agent": lambda e: TradeDataAccessor(e).get_trades(agent_id="none"),
    "trades of a rare strategy": lambda e: TradeDataAccessor(e).get_trades(strategy="rare"),
    "trades of rare strategies": lambda e: TradeDataAccessor(e).get_trades(
        strategy=["rare", "none"]
    ),
    "trades of two books": lambda e: TradeDataAccessor(e, Books(("main", "calm"))).get_trades(),
    "alerts of two books that nobody has acknowledged": lambda e: AlertDataAccessor(
        e, Books(("main", "calm"))
    ).get_alerts(acknowledged=False),
    "all alerts": lambda e: AlertDataAccessor(e).get_alerts(),
    "all alerts, oldest first": lambda e: AlertDataAccessor(e).get_alerts(sort="asc"),
    "alerts of rare severities, oldest first": lambda e: AlertDataAccessor(e).get_alerts(
        severity=["critical", "error"], sort="asc"
    ),
    "alerts of a rare source": lambda e: AlertDataAccessor(e).get_alerts(source="rare"),
    "alerts of a rare severity": lambda e: AlertDataAccessor(e).get_alerts(severity=["critical"]),
    "alerts of rare severities": lambda e: AlertDataAccessor(e).get_alerts(
        severity=["critical", "error"]
    ),
    "critical alerts that nobody has acknowledged": lambda e: AlertDataAccessor(e).get_alerts(
        severity=["critical"], acknowledged=False
    ),
    "alerts that nobody has acknowledged": lambda e: AlertDataAccessor(e).get_alerts(
        acknowledged=False
    ),
    "alerts of a rare status": lambda e: AlertDataAccessor(e).get_alerts(status="acknowledged"),
    "active alerts": lambda e: AlertDataAccessor(e).get_alerts(status="active", limit=20),
    "alerts of the usual status": lambda e: AlertDataAccessor(e).get_alerts(
        status="resolved", limit=20
    ),
    "alerts of an absent status": lambda e: AlertDataAccessor(e, CALM).get_alerts(
        status="resolved", limit=20
    ),
    "alerts of an absent status, oldest first": lambda e: AlertDataAccessor(e, CALM).get_alerts(
        status="acknowledged", sort="asc", limit=20
    ),
    "unresolved critical alerts": lambda e: _all(
        AlertDataAccessor(e).unresolved_in_parts(["critical"])
    ),
    "unresolved alerts of rare sources": lambda e: _all(
        AlertDataAccessor(e).unresolved_in_parts(None, ["rare", "none"])
    ),
    "unresolved alerts of rare severities and a source": lambda e: _all(
        AlertDataAccessor(e).unresolved_in_parts(["critical", "error"], ["rare"])
    ),
}


async def _all(parts: AsyncIterator[Any]) -> None:
    async for _ in parts:
        pass


async def test_listings_read_no_more_rows_than_they_show(filled: Recorder) -> None:
    for question, ask in QUESTIONS.items():
        filled.asked.clear()
        await ask(filled)
        (sql, args), *others = filled.asked
        assert not others, question
        if filled.takes_arrays:
            ((plan,),) = await filled.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *args)
            for node in nodes(json.loads(plan)[0]["Plan"]):
                assert node["Node Type"] != "Seq Scan", (question, plan)
                assert node.get("Rows Removed by Filter", 0) <= FEW, (question, plan)
            steps = [plan]
        else:
            steps = [row[3] for row in await filled.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)]
            tables = [step for step in steps if " trades" in step or " alerts" in step]
            assert tables, (question, steps)
            for step in tables:
                in_order = question.startswith("all ") and "_by_time" in step
                assert in_order or step.startswith("SEARCH"), (question, steps)
        if question.startswith("unresolved"):
            assert any("alerts_unresolved_by_" in step for step in steps), (question, steps)
        if "alerts" in question and "status" in question:
            assert any("alerts_by_book_status" in step for step in steps), (question, steps)


async def test_several_values_are_one_listing_in_order_and_page_by_page(filled: Recorder) -> None:
    trades = TradeDataAccessor(filled)
    whole = await trades.get_trades(["RARE", "BTC", "NONE"], limit=ROWS)
    assert [trade["id"] for trade in whole] == [f"t{n}" for n in reversed(range(ROWS))]
    found: list[str] = []
    cursor = None
    while True:
        page = await trades.get_trades(["RARE", "NONE", "RARE"], limit=3, cursor=cursor)
        found += [trade["id"] for trade in page]
        if (cursor := page.next_cursor) is None:
            break
    assert found == [f"t{n}" for n in reversed(range(0, ROWS, RARE))]


async def test_the_newest_signals_of_agents_are_all_that_is_read(fresh: Fresh) -> None:
    signals = [_signal(n) for n in range(ROWS // 10)]
    await _check_newest(fresh, HOME, signals, "agent_id=? AND timestamp>?")


async def test_those_of_every_book_cost_no_more_than_those_of_one(fresh: Fresh) -> None:
    signals = [{**_signal(n), "book": f"b{n % 50}"} for n in range(ROWS // 10)]
    await _check_newest(fresh, ALL, signals, "signals_by_agent_time (agent_id=? AND timestamp>?")


async def _check_newest(
    fresh: Fresh, books: Books, signals: list[dict[str, Any]], sought: str
) -> None:
    async with fresh() as engine:
        for book in {signal["book"] for signal in signals if "book" in signal}:
            await BookDataAccessor(engine).set_book(book, {"mode": "paper"})
        await AgentDataAccessor(engine, books=books).add_signals(signals)
        if engine.takes_arrays:
            await engine.write(lambda transaction: transaction.fetch("ANALYZE"))
        recorder = Recorder(engine)
        page = await AgentDataAccessor(recorder, books=books).get_agents(
            start_time=START, end_time=START + timedelta(days=1000)
        )
        for number, agent in enumerate(page):
            last = len(signals) - 2 + number
            assert [one["id"] for one in agent["signals"]] == [
                f"s{last - 2 * n}" for n in range(20)
            ]
        asked = [each for each in recorder.asked if "FROM signals" in each[0]]
        assert 1 <= len(asked) <= len(page)
        for sql, args in asked:
            if engine.takes_arrays:
                ((plan,),) = await engine.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *args)
                for node in nodes(json.loads(plan)[0]["Plan"]):
                    assert node["Actual Rows"] <= 21, plan
                    assert node.get("Rows Removed by Filter", 0) <= FEW, plan
            else:
                steps = [row[3] for row in await engine.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)]
                searches = [step for step in steps if " signals" in step]
                assert searches
                assert all(sought in step for step in searches), steps
                assert not any(step.endswith("B-TREE FOR ORDER BY") for step in steps), steps


def _signal(number: int) -> dict[str, Any]:
    return {
        "id": f"s{number}",
        "agent_id": f"agent-{number % 2}",
        "symbol": "BTC",
        "direction": "buy",
        "timestamp": START + timedelta(minutes=number),
        "metadata": {},
    }
