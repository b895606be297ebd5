"""The portfolio manager: converts stances to orders, says why, and keeps the books."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from alphapulse_api.demo.agents import Agent, Signal
from alphapulse_api.demo.ledger import ZERO, Fill, Ledger
from alphapulse_api.demo.prices import PriceDay

__all__ = ["SLEEVES", "Decision", "Execution", "Manager", "Order"]

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
    """A market order for whole shares: `quantity` is positive to buy, negative to sell.

    `decision_id` is that of the decision that led to it, `decided_price` the close it was made on.
    """

    agent_id: str
    strategy: str
    symbol: str
    quantity: Decimal
    decided_on: date
    decided_price: Decimal
    decision_id: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one symbol on one day, from which signals.

    Weights are parts of the account's value; negative ones are short.

    Attributes:
        id: unique over all passes.
        symbol: of the position.
        cycle_id: of the day.
        signals: the day's signals of the symbol.
        votes: share of the account and conviction by agent.
        weight_before: of the position at the close.
        weight_wanted: what the agents ask for together.
        weight_target: what is left of that after the risk agent.
        orders: what is ordered.
    """

    id: str
    symbol: str
    cycle_id: str
    signals: Sequence[Signal]
    votes: Mapping[str, tuple[Decimal, float]]
    weight_before: Decimal
    weight_wanted: Decimal
    weight_target: Decimal
    orders: Sequence[Order]


@dataclass(frozen=True, slots=True)
class Execution:
    """An order that was filled, and the profit it realized in its agent's book, before fees."""

    order: Order
    fill: Fill
    realized_pnl: Decimal


class Manager:
    """Holds the account, and for each agent a book of what its orders earned.

    The books start without cash, so that a book's equity is its agent's profit after fees.

    Args:
        agents: those that are given money.
        cash: what the account starts with.
        sleeves: the share of the account that an agent may hold of each symbol.
    """

    __slots__ = ("_sizes", "_sleeves", "account", "agents", "books")

    agent_id = "manager"
    agent_type = "manager"

    def __init__(
        self, agents: Sequence[Agent], cash: Decimal, sleeves: Mapping[str, Decimal] = SLEEVES
    ) -> None:
        self.agents = agents
        self._sleeves = sleeves
        self.account = Ledger(cash)
        self.books = {agent.agent_id: Ledger() for agent in agents}
        self._sizes: dict[tuple[str, str], Decimal] = {}

    def __repr__(self) -> str:
        return f"<Manager {self.account!r}>"

    def orders(
        self, today: PriceDay, scales: Mapping[str, Decimal], review: bool, cycle_id: str
    ) -> list[Order]:
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
                size = stance * self._sleeves[agent.agent_id] * scales[symbol]
                missing = size * equity / closes[symbol] - book.quantity(symbol)
                shares = missing.to_integral_value("ROUND_DOWN")
                changed = size != self._sizes.get(key, 0)
                self._sizes[key] = size
                worth_it = abs(shares) * closes[symbol] >= SMALLEST_REBALANCE * equity
                if shares and (changed or (review and worth_it)):
                    orders.append(
                        Order(
                            agent.agent_id,
                            agent.strategy,
                            symbol,
                            shares,
                            today.date,
                            closes[symbol],
                            _decision_id(cycle_id, symbol),
                        )
                    )
        return sorted(orders, key=lambda order: order.quantity > 0)

    def decisions(
        self,
        today: PriceDay,
        signals: Sequence[Signal],
        scales: Mapping[str, Decimal],
        orders: Sequence[Order],
        cycle_id: str,
    ) -> list[Decision]:
        """Say what led to the day's orders, and why there are none: one for each symbol signalled.

        Args:
            today: the day's closes.
            signals: the day's signals.
            scales: the risk agent's scale of each symbol.
            orders: what `orders` returned.
            cycle_id: of the day.
        """
        closes = today.closes
        equity = self.account.equity(closes)
        used = min(equity, CAPACITY) / equity
        decisions = []
        for symbol in sorted({signal.symbol for signal in signals}):
            wanted = sum(a.stances[symbol] * self._sleeves[a.agent_id] for a in self.agents) * used
            own = [signal for signal in signals if signal.symbol == symbol]
            votes = {
                agent.agent_id: (self._sleeves[agent.agent_id], agent.convictions[symbol])
                for agent in self.agents
            }
            # A signal of an agent that is given no money counts for nothing.
            others = [signal for signal in own if signal.agent_id not in votes]
            votes |= {s.agent_id: (ZERO, s.conviction) for s in others if s.conviction is not None}
            decisions.append(
                Decision(
                    id=_decision_id(cycle_id, symbol),
                    symbol=symbol,
                    cycle_id=cycle_id,
                    signals=own,
                    votes=votes,
                    weight_before=self.account.quantity(symbol) * closes[symbol] / equity,
                    weight_wanted=Decimal(wanted),
                    weight_target=wanted * scales[symbol],
                    orders=[order for order in orders if order.symbol == symbol],
                )
            )
        return decisions

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


def _decision_id(cycle_id: str, symbol: str) -> str:
    return f"{cycle_id}-{symbol}"
