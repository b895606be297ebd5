"""Watches what agents spend on models, and raises an alert at 80 and 100 % of a day's budget."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any, ClassVar

from alphapulse_api.config import BudgetsConfig
from alphapulse_api.domain.budgets import EVERY_AGENT, PERCENTS, Budget
from alphapulse_api.domain.times import now, zone_of
from alphapulse_api.record.alert_watch import Alert, AlertWatch
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.tables.usage_reading import costs_of_agent, costs_of_agents, spans_of


def budget_watch_from(
    config: BudgetsConfig, engine: Engine, raise_alert: Callable[[Any], Awaitable[Any]]
) -> BudgetWatch | None:
    """The watch of the configured budgets; None if there are none."""
    if not config.per_day:
        return None
    budgets = map(Budget.parse, config.per_day)
    return BudgetWatch(engine, budgets, zone_of(config.timezone), raise_alert)


class BudgetWatch(AlertWatch):
    """Compares what was spent today with the budgets.

    Args:
        engine: where the usage is.
        budgets: at most one an agent and currency.
        zone: in which days begin.
        raise_alert: the feed's method.
    """

    every_seconds: ClassVar = 5.0
    subject: ClassVar = "budgets"

    def __init__(
        self,
        engine: Engine,
        budgets: Iterable[Budget],
        zone: tzinfo | None,
        raise_alert: Callable[[Any], Awaitable[Any]],
    ) -> None:
        super().__init__(raise_alert)
        self._engine = engine
        self._budgets = {(one.agent_id, one.currency): one for one in budgets}
        self._zone = zone or UTC

    async def due(self) -> list[Alert]:
        """The alerts of the budgets of today that are spent by 80 or 100 %."""
        today = now().astimezone(self._zone).date()
        alerts = []
        for (agent_id, currency), cost in (await self._spent(today)).items():
            budget = self._budgets.get((agent_id, currency)) or self._budgets.get(
                (EVERY_AGENT, currency)
            )
            if budget is None:
                continue
            alerts += [
                _alert(agent_id, budget, today, percent)
                for percent in PERCENTS
                if cost * 100 >= budget.amount * percent
            ]
        return alerts

    async def _spent(self, today: date) -> dict[tuple[str, str], Decimal]:
        """By agent and currency, what agents with a budget spent on a day, in all books."""
        start = datetime.combine(today, time(), self._zone)
        end = datetime.combine(today + timedelta(days=1), time(), self._zone)
        spans = spans_of(start, end, days=True)
        agents = {agent_id for agent_id, _ in self._budgets}
        if EVERY_AGENT in agents:
            return await costs_of_agents(self._engine, spans)
        return {
            (agent_id, currency): cost
            for agent_id in sorted(agents)
            for currency, cost in (await costs_of_agent(self._engine, agent_id, spans)).items()
        }


def _alert(agent_id: str, budget: Budget, day: date, percent: int) -> Alert:
    return {
        "id": f"budget:{agent_id}:{day}:{percent}",
        "title": f"{agent_id} has spent {percent} % of its budget of {day}",
        "message": f"The budget is {budget.amount:f} {budget.currency} a day.",
        "severity": "error" if percent >= max(PERCENTS) else "warning",
        "source": "budgets",
        "metric_name": "usage_cost",
        "threshold": float(budget.amount * percent / 100),
        "tags": [agent_id],
        "book": "",
    }
