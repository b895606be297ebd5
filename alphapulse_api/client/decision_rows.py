"""The types of decisions, and of the answers that show what led to a trade."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NotRequired, TypedDict

from alphapulse_api.client.rows import Signal, Trade, Usage

Outcome = Literal["ordered", "no_trade", "blocked", "deferred"]
Expansion = Literal["signals", "trades", "cost"]


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
    missing: NotRequired[list[str]]


class Why(TypedDict):
    """A trade and everything that led to it; `missing` names links that lead nowhere."""

    trade: Trade
    decision: Decision | None
    signals: list[Signal]
    cost: Cost
    missing: list[str]
