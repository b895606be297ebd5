"""The paper run beside the main account: what if only the trend counted, and nothing cut it?"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from alphapulse_api.demo.agents import Momentum, Signal
from alphapulse_api.demo.manager import Manager, Order
from alphapulse_api.demo.performance import Performance
from alphapulse_api.demo.prices import PriceDay
from alphapulse_api.demo.records import Record, decision_record, portfolio_record, trade_record
from alphapulse_api.demo.risk import RiskAgent

__all__ = ["PAPER", "PAPER_TITLE", "PaperDay", "PaperRun"]

PAPER: Final = "paper"
PAPER_TITLE: Final = "Trend only, without the risk agent"
SLEEVES: Final = {Momentum.agent_id: Decimal("0.24")}  # as much as all agents have in the account


@dataclass(frozen=True, slots=True)
class PaperDay:
    """The records of one day in the paper book, without timestamps."""

    decisions: Sequence[Record]
    trades: Sequence[Record]
    portfolio: Record


class PaperRun:
    """Trades the stances of the main account's trend agent with money of its own.

    Args:
        momentum: the agent, whose stances the main account sets.
        cash: what it starts with.
    """

    __slots__ = ("_manager", "_momentum", "_orders", "_performance")

    def __init__(self, momentum: Momentum, cash: Decimal) -> None:
        self._momentum = momentum
        self._manager = Manager([momentum], cash, SLEEVES)
        self._orders: list[Order] = []
        self._performance = Performance()

    def __repr__(self) -> str:
        return f"<PaperRun {self._manager!r}>"

    def trade(
        self, prices: PriceDay, signals: Sequence[Signal], review: bool, day: int, prefix: str
    ) -> PaperDay:
        """Fill yesterday's orders at the closes, and decide on the new ones.

        Args:
            prices: the closes.
            signals: the day's signals of the main account; those of other agents are left out.
            review: whether a week begins.
            day: the number of the trading day.
            prefix: of ids.
        """
        manager, date = self._manager, prices.date
        executions = manager.execute(self._orders, prices.closes, day)
        self._performance.add(float(manager.account.equity(prices.closes)))
        cycle_id = f"{prefix}{date}"
        scales = dict.fromkeys(prices.closes, RiskAgent.FULL)
        self._orders = manager.orders(prices, scales, review, cycle_id)
        own = [signal for signal in signals if signal.agent_id == self._momentum.agent_id]
        decisions = manager.decisions(prices, own, scales, self._orders, cycle_id)
        return PaperDay(
            decisions=[decision_record(decision, date, prefix, PAPER) for decision in decisions],
            trades=[trade_record(execution, date, prefix, PAPER) for execution in executions],
            portfolio=portfolio_record(
                manager.account, prices.closes, self._performance.summary(), PAPER
            ),
        )
