"""The tools that ask why: reasons of trades, decisions, profit, costs, track records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from alphapulse_api.client.rows import PnlGrouping
from alphapulse_api.mcp.answers import FULL_TEXT, answer
from alphapulse_api.mcp.callers import Call, Callers
from alphapulse_api.mcp.parameters import Book, Hours, Limit, Symbol, Until, range_of

Grouping = Literal["agent", "model", "book", "day", "decision"]


class Reasons:
    """These tools of one dashboard.

    Args:
        callers: opens a client with the rights of a call.
    """

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    @property
    def all(self) -> tuple[Callable[..., Any], ...]:
        """Every tool."""
        return (
            self.trade,
            self.why,
            self.decisions,
            self.decision,
            self.signal,
            self.profit,
            self.model_costs,
            self.track_record,
        )

    async def trade(self, call: Call, trade_id: str, book: Book = None) -> str:
        """Show one trade with the history of its states."""
        async with self._callers.client(call) as client:
            return answer(await client.trade(trade_id, book=book), FULL_TEXT)

    async def why(self, call: Call, trade_id: str, book: Book = None) -> str:
        """Explain a trade: its decision, the signals behind it, what risk cut, profit and cost.

        Links that lead nowhere are named in `missing`. Texts are cut; ask `decision` and `signal`
        for the whole.
        """
        async with self._callers.client(call) as client:
            return answer(await client.why(trade_id, book=book))

    async def decisions(
        self,
        call: Call,
        agent_id: str | None = None,
        symbol: Symbol = None,
        hours: Hours = 24,
        until: Until = None,
        limit: Limit = 20,
        book: Book = None,
    ) -> str:
        """List decisions, newest first: who decided what, from which signals."""
        start, end = range_of(hours, until)
        async with self._callers.client(call) as client:
            rows = await client.decisions(
                agent_id=agent_id,
                symbol=symbol,
                start_time=start,
                end_time=end,
                limit=limit,
                book=book,
            )
        return answer({"decisions": rows})

    async def decision(self, call: Call, decision_id: str, book: Book = None) -> str:
        """Show one decision with its reasoning, and what thinking cost."""
        async with self._callers.client(call) as client:
            found = await client.decision(decision_id, expand=["cost"], book=book)
        return answer(found, FULL_TEXT)

    async def signal(self, call: Call, agent_id: str, signal_id: str, book: Book = None) -> str:
        """Show one signal with its thesis and what the agent saw."""
        async with self._callers.client(call) as client:
            return answer(await client.signal(agent_id, signal_id, book=book), FULL_TEXT)

    async def profit(
        self,
        call: Call,
        group_by: PnlGrouping = "symbol",
        hours: Hours = 24,
        until: Until = None,
        symbol: Symbol = None,
        agent_id: str | None = None,
        book: Book = None,
    ) -> str:
        """Show what closed positions brought: realized profit, fees, win rate, profit factor.

        Positions that are still open are not counted; `portfolio` shows them.
        """
        start, end = range_of(hours, until)
        async with self._callers.client(call) as client:
            rows = await client.pnl(
                group_by=group_by,
                symbol=symbol,
                agent_id=agent_id,
                start_time=start,
                end_time=end,
                book=book,
                limit=100,
            )
        return answer({"profit": rows})

    async def model_costs(
        self,
        call: Call,
        group_by: Grouping = "agent",
        hours: Hours = 24,
        until: Until = None,
        book: Book = None,
    ) -> str:
        """Show what calls of models cost; a row without a currency is of unknown cost."""
        start, end = range_of(hours, until)
        async with self._callers.client(call) as client:
            rows = await client.usage(
                group_by=group_by, start_time=start, end_time=end, book=book, limit=100
            )
        return answer({"costs": rows})

    async def track_record(self, call: Call, agent_id: str, book: Book = None) -> str:
        """Show how an agent's signals turned out, and whether that is better than chance."""
        async with self._callers.client(call) as client:
            return answer(await client.track_record(agent_id, book=book))
