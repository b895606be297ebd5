"""The portfolio manager: converts stances to orders, and keeps the books."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from alphapulse_api.demo.agents import Agent
from alphapulse_api.demo.ledger import Fill, Ledger
from alphapulse_api.demo.prices import PriceDay

__all__ = ["Execution", "Manager", "Order"]

SLEEVES = {
    "allocation": Decimal("0.10"),
    "momentum": Decimal("0.08"),
    "mean-reversion": Decimal("0.06"),
}
"""The share of the account that an agent may hold of each symbol: 96% if all agree on all."""

CAPACITY = Decimal(1_000_000)
"""The capital that the strategies are sized for, in USD. A larger account does not increase the
positions, so it grows linearly instead of compounding forever."""

SMALLEST_REBALANCE = Decimal("0.005")
"""A weekly correction below this part of the account's value is not worth its fee."""


@dataclass(frozen=True, slots=True)
class Order:
    """A market order for whole shares: `quantity` is positive to buy, negative to sell."""

    agent_id: str
    strategy: str
    symbol: str
    quantity: Decimal
    decided_on: date


@dataclass(frozen=True, slots=True)
class Execution:
    """An order that was filled, and the profit it realized in its agent's book, before fees."""

    order: Order
    fill: Fill
    realized_pnl: Decimal


class Manager:
    """Holds the account, and for each agent a book of what its orders earned.

    The books start without cash, so that a book's equity is its agent's profit after fees.
    """

    __slots__ = ("_sizes", "account", "agents", "books")

    def __init__(self, agents: Sequence[Agent], cash: Decimal) -> None:
        self.agents = agents
        self.account = Ledger(cash)
        self.books = {agent.agent_id: Ledger() for agent in agents}
        self._sizes: dict[tuple[str, str], Decimal] = {}

    def __repr__(self) -> str:
        return f"<Manager {self.account!r}>"

    def orders(self, today: PriceDay, scales: Mapping[str, Decimal], review: bool) -> list[Order]:
        """Return the orders that bring the books to their targets, sales first.

        The target is stance x sleeve x scale of the account's value, up to CAPACITY, in whole
        shares. An order is created when stance or scale changed, and on a `review` also when prices
        have moved a position away from its target.
        """
        closes = today.closes
        equity = min(self.account.equity(closes), CAPACITY)
        orders = []
        for agent in self.agents:
            book = self.books[agent.agent_id]
            for symbol, stance in agent.stances.items():
                key = (agent.agent_id, symbol)
                size = stance * SLEEVES[agent.agent_id] * scales[symbol]
                missing = size * equity / closes[symbol] - book.quantity(symbol)
                shares = missing.to_integral_value("ROUND_DOWN")
                changed = size != self._sizes.get(key, 0)
                self._sizes[key] = size
                worth_it = abs(shares) * closes[symbol] >= SMALLEST_REBALANCE * equity
                if shares and (changed or (review and worth_it)):
                    orders.append(Order(agent.agent_id, agent.strategy, symbol, shares, today.date))
        return sorted(orders, key=lambda order: order.quantity > 0)

    def execute(
        self, orders: Sequence[Order], closes: Mapping[str, Decimal], day: int
    ) -> list[Execution]:
        """Fill `orders` at the closing prices of trading day `day`."""
        executions = []
        for order in orders:
            fill = Fill(order.symbol, order.quantity, closes[order.symbol])
            self.account.apply(fill, day)
            realized = self.books[order.agent_id].apply(fill, day)
            executions.append(Execution(order, fill, realized))
        return executions
