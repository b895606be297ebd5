"""The types of decisions, and of the answers that show what led to a trade."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NotRequired, TypedDict

from alphapulse_api.client.rows import Fee, Signal, Trade, Usage

Outcome = Literal["ordered", "no_trade", "blocked", "deferred"]
Grouping = Literal["agent", "model", "book", "day", "decision"]
Expansion = Literal["signals", "trades", "cost", "profit"]


class UsageRecord(TypedDict):
    """Calls of a model that were reported by themselves."""

    id: str
    timestamp: datetime
    received_at: datetime
    agent_id: str
    decision_id: str | None
    cycle_id: str | None
    provider: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cost: Decimal | None
    currency: str | None
    duration: float | None
    calls: int | None
    tool_calls: int | None
    metadata: dict[str, Any]
    book: str


class UsageSum(TypedDict):
    """Calls of models by one group, in one currency; of unknown cost, both are None."""

    agent_id: NotRequired[str]
    provider: NotRequired[str | None]
    model: NotRequired[str | None]
    book: NotRequired[str]
    day: NotRequired[str]
    decision_id: NotRequired[str]
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    tool_calls: int
    duration: float
    cost: Decimal | None
    currency: str | None


class Vote(TypedDict):
    """What one agent contributed to a decision."""

    agent_id: str
    weight: NotRequired[float]
    conviction: NotRequired[float]


class Target(TypedDict):
    """The position in a symbol that was decided; weights are shares of the book's value."""

    symbol: str
    weight_before: NotRequired[float]
    weight_target: NotRequired[float]
    quantity: NotRequired[Decimal]


class Constraint(TypedDict):
    """What a rule of risk changed."""

    name: str
    symbol: NotRequired[str]
    before: NotRequired[Decimal]
    after: NotRequired[Decimal]
    reason: NotRequired[str]


class CurrencyCost(TypedDict):
    """A cost in one currency."""

    currency: str
    cost: Decimal


class Cost(TypedDict):
    """What the calls of models cost, as far as it is known."""

    totals: list[CurrencyCost]
    calls: int
    unpriced_calls: int


class TradeProfit(TypedDict):
    """The profit of a trade so far, by FIFO lots; `trade_id` only for those of a decision."""

    trade_id: NotRequired[str]
    position_before: Decimal
    position_after: Decimal
    closed_quantity: Decimal
    closed_profit: Decimal
    opened_quantity: Decimal
    open_quantity: Decimal
    realized_profit: Decimal
    unrealized_profit: Decimal | None
    price: Decimal | None
    price_at: datetime | None
    profit: Decimal | None
    fees: list[Fee]


class Decision(TypedDict):
    """What was decided.

    Only `decision` and exports have `reasoning`; only `decision` has what follows it.
    """

    id: str
    made_at: datetime
    received_at: datetime
    agent_id: str
    cycle_id: str | None
    outcome: Outcome | None
    symbols: list[str]
    signal_ids: list[str]
    votes: list[Vote]
    targets: list[Target]
    constraints: list[Constraint]
    corrects: str | None
    usage: list[Usage]
    metadata: dict[str, Any]
    book: str
    reasoning: NotRequired[str | None]
    trade_ids: NotRequired[list[str]]
    corrected_by: NotRequired[list[str]]
    signals: NotRequired[list[Signal]]
    trades: NotRequired[list[Trade]]
    cost: NotRequired[Cost]
    profits: NotRequired[list[TradeProfit]]
    missing: NotRequired[list[str]]


class Why(TypedDict):
    """A trade and everything that led to it; `missing` names links that lead nowhere."""

    trade: Trade
    decision: Decision | None
    signals: list[Signal]
    cost: Cost
    profit: TradeProfit | None
    missing: list[str]
