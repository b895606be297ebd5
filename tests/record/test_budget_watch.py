"""Alerts at 80 and 100 % of what an agent may spend in a day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alphapulse_api.config import BudgetsConfig
from alphapulse_api.domain.books import ALL
from alphapulse_api.domain.budgets import Budget
from alphapulse_api.domain.errors import ConfigError
from alphapulse_api.domain.times import now
from alphapulse_api.record.budget_watch import BudgetWatch
from tests.conftest import Server
from tests.plans import Recorder

BUDGETS = ("analyst=1.00 USD", "*=10 USD")


def watch_of(server: Server, *budgets: str) -> BudgetWatch:
    zone = ZoneInfo("America/New_York")
    parsed = map(Budget.parse, budgets or BUDGETS)
    return BudgetWatch(server.backend.engine, parsed, zone, server.feed.raise_alert)


async def spend(server: Server, agent_id: str, cost: str, currency: str = "USD") -> None:
    await server.feed.record_usage(
        {"agent_id": agent_id, "cost": cost, "currency": currency, "model": "m"}
    )


async def raised(server: Server) -> list[dict[str, Any]]:
    """The alerts of budgets, oldest first."""
    alerts = server.backend.accessors.of(ALL).alerts
    return list(await alerts.get_alerts(sort="asc", source="budgets"))


async def test_each_threshold_is_one_alert_of_no_book(either: Server) -> None:
    watch = watch_of(either)
    await spend(either, "analyst", "0.79")
    await watch.look()
    assert await raised(either) == []
    await spend(either, "analyst", "0.01")
    for _ in range(2):
        await watch.look()
    await spend(either, "analyst", "3")
    await watch.look()
    await watch_of(either).look()  # another worker, or the same after a restart
    told = [(one["severity"], one["threshold"], one["book"]) for one in await raised(either)]
    assert told == [("warning", 0.8, None), ("error", 1.0, None)]


async def test_an_acknowledged_alert_is_not_raised_again(server: Server) -> None:
    await spend(server, "analyst", "0.9")
    await watch_of(server).look()
    (alert,) = await raised(server)
    await server.backend.accessors.of(ALL).alerts.try_to_acknowledge(alert["id"], "ann")
    await watch_of(server).look()
    (again,) = await raised(server)
    assert again["status"] == "acknowledged"


async def test_only_the_days_cost_in_the_budgets_currency_counts(server: Server) -> None:
    yesterday = now() - timedelta(days=2)
    await server.feed.record_usage(
        {"agent_id": "analyst", "cost": "9", "currency": "USD", "timestamp": yesterday}
    )
    await spend(server, "analyst", "9", "EUR")
    await spend(server, "other", "7.99")
    await watch_of(server).look()
    assert await raised(server) == []
    await spend(server, "other", "0.01")
    await watch_of(server).look()
    (alert,) = await raised(server)
    assert alert["tags"] == ["other"]


async def test_only_the_sums_of_agents_with_a_budget_are_read(either: Server) -> None:
    for number in range(30):
        await spend(either, f"agent-{number}", "0.9")
    await spend(either, "agent-7", "9", "EUR")
    recorder = Recorder(either.backend.engine)
    budgets = [Budget.parse(text) for text in ("agent-7=1 USD", "agent-9=5 USD")]
    engine: Any = recorder
    watch = BudgetWatch(engine, budgets, None, either.feed.raise_alert)
    await watch.look()
    assert [alert["tags"] for alert in await raised(either)] == [["agent-7"]]
    first, second = [await recorder.fetch(sql, *args) for sql, args in tuple(recorder.asked)]
    assert (len(first), len(second)) == (2, 1)  # a row a currency
    if not recorder.takes_arrays:  # PostgreSQL reads so few rows without an index
        sql, args = recorder.asked[0]
        ((*_, step),) = await recorder.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)
        assert "INDEX usage_sums_by_agent (agent_id=? AND width=? AND start>?" in step


@pytest.mark.parametrize("text", ["analyst", "analyst=5", "=5 USD", "a=0 USD", "a=-1 USD"])
def test_a_budget_that_is_none_is_an_error_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"analyst=5\.00 USD"):
        BudgetsConfig(per_day=(text,))
