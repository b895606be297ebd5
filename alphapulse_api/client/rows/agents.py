"""The types of agents and their signals."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NotRequired, TypedDict

Direction = Literal["buy", "sell", "hold", "short", "cover"]
AgentState = Literal["initializing", "active", "optimizing", "inactive", "error", "stopped"]


class Usage(TypedDict, total=False):
    """Calls of one model; what nobody stated is left out."""

    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: Decimal
    currency: str
    duration: float
    calls: int
    tool_calls: int


class Input(TypedDict, total=False):
    """Something that an agent saw: a point of a metric, or a link."""

    metric_type: str
    name: str
    labels: dict[str, str]
    value: float
    timestamp: datetime
    url: str
    title: str


class Signal(TypedDict):
    """An agent's recommendation; only `signal` and exports have `thesis` and `inputs`."""

    id: str
    agent_id: str
    symbol: str
    direction: Direction
    confidence: float | None
    conviction: float | None
    rating: str | None
    abstained: bool
    reason: str | None
    horizon: str | None
    entry_price: Decimal | None
    target_price: Decimal | None
    stop_loss: Decimal | None
    size: Decimal | None
    timestamp: datetime
    received_at: datetime | None
    valid_until: datetime | None
    model: str | None
    prompt_hash: str | None
    cycle_id: str | None
    supersedes: str | None
    usage: list[Usage]
    metadata: dict[str, Any]
    book: str
    thesis: NotRequired[str | None]
    inputs: NotRequired[list[Input]]


class Agent(TypedDict):
    """An agent; lists of agents include the newest signals."""

    agent_id: str
    agent_type: str
    state: AgentState
    metrics: dict[str, float | None]
    updated_at: datetime
    signals: NotRequired[list[Signal]]
