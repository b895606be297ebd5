"""Watches what agents spend on models, and raises an alert at 80 and 100 % of a day's budget."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.domain.budgets import EVERY_AGENT, PERCENTS, Budget
from alphapulse_api.domain.errors import Problem
from alphapulse_api.domain.times import now
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.tables.usage_reading import Span, grouped, spans_of

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 5.0
_COST: Final = -1  # the last of the sums


class BudgetWatch:
    """Compares what was spent today with the budgets.

    Args:
        engine: where the usage is.
        budgets: at most one an agent and currency.
        zone: in which days begin.
        raise_alert: the feed's method.
    """

    def __init__(
        self,
        engine: Engine,
        budgets: Iterable[Budget],
        zone: tzinfo | None,
        raise_alert: Callable[[Any], Awaitable[Any]],
    ) -> None:
        self._engine = engine
        self._budgets = {(one.agent_id, one.currency): one for one in budgets}
        self._zone = zone or UTC
        self._raise_alert = raise_alert
        self._raised: set[str] = set()  # ids of today's alerts
        self._day: date | None = None

    async def look(self) -> None:
        """Raise the alerts that are due.

        Raises:
            Problem: if the database or an alert fails.
        """
        today = now().astimezone(self._zone).date()
        if today != self._day:
            self._day = today
            self._raised.clear()
        for agent_id, currency, cost in await self._spent(today):
            budget = self._budgets.get((agent_id, currency)) or self._budgets.get(
                (EVERY_AGENT, currency)
            )
            if budget is None:
                continue
            for percent in PERCENTS:
                if cost * 100 >= budget.amount * percent:
                    await self._alert(agent_id, budget, today, percent)

    async def _spent(self, today: date) -> list[tuple[str, str, Decimal]]:
        """By agent and currency, what was spent on a day in all books."""
        start = datetime.combine(today, time(), self._zone)
        end = datetime.combine(today + timedelta(days=1), time(), self._zone)
        spans: list[Span] = spans_of(start, end, days=True)
        books = [book for (book,) in await self._engine.fetch("SELECT id FROM books")]
        groups = await grouped(self._engine, books, "agent", spans, None, self._zone)
        return [
            (agent_id, currency, sums[_COST])
            for (agent_id,), currencies in groups.items()
            for currency, sums in currencies.items()
            if currency
        ]

    async def _alert(self, agent_id: str, budget: Budget, day: date, percent: int) -> None:
        id_ = f"budget:{agent_id}:{day}:{percent}"
        if id_ in self._raised:
            return
        # The same in every process and after a restart, so a repeat changes nothing.
        await self._raise_alert(
            {
                "id": id_,
                "title": f"{agent_id} has spent {percent} % of its budget of {day}",
                "message": f"The budget is {budget.amount:f} {budget.currency} a day.",
                "severity": "error" if percent >= max(PERCENTS) else "warning",
                "source": "budgets",
                "metric_name": "usage_cost",
                "threshold": float(budget.amount * percent / 100),
                "tags": [agent_id],
                "book": "",
            }
        )
        self._raised.add(id_)

    async def watch_forever(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            try:
                await self.look()
            except Problem as problem:
                logger.debug("the budgets were not compared: %s", problem.detail)
            await asyncio.sleep(EVERY_SECONDS)
