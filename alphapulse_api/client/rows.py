"""The types of the answers' rows.

Money and quantities are `Decimal`, times are aware `datetime`s in UTC, metric values are `float`,
and null is None.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NotRequired, TypedDict

Severity = Literal["info", "warning", "error", "critical"]
AlertStatus = Literal["active", "acknowledged", "resolved"]
Side = Literal["buy", "sell"]
TradeStatus = Literal[
    "pending", "open", "partially_filled", "filled", "cancelled", "rejected", "expired"
]
Direction = Literal["buy", "sell", "hold", "short", "cover"]
AgentState = Literal["initializing", "active", "optimizing", "inactive", "error", "stopped"]
BookMode = Literal["live", "paper", "backtest"]
Sort = Literal["asc", "desc"]
OnError = Literal["stop", "continue"]


class Me(TypedDict):
    """The caller."""

    username: str
    role: str
    permissions: list[str]
    auth: Literal["jwt", "api_key"]
    books: list[str] | None
    home: str
    expires_at: datetime | None


class Series(TypedDict):
    """A series, and the time range and number of its points."""

    metric_type: str
    name: str
    labels: dict[str, str]
    first: datetime
    last: datetime
    count: int


class MetricPoint(TypedDict):
    """A point, or a bucket, whose `timestamp` is its start.

    A single aggregation is in `value`; several are in fields of the same names, without `value`.
    """

    metric_type: str
    name: str
    timestamp: datetime
    labels: dict[str, str]
    value: NotRequired[float | None]
    avg: NotRequired[float | None]
    min: NotRequired[float | None]
    max: NotRequired[float | None]
    sum: NotRequired[float | None]
    count: NotRequired[int]
    first: NotRequired[float | None]
    last: NotRequired[float | None]
    stddev: NotRequired[float | None]
    p50: NotRequired[float | None]
    p95: NotRequired[float | None]
    p99: NotRequired[float | None]


class Position(TypedDict):
    """One holding; `weight` and `unrealized_pnl_pct` are ratios."""

    symbol: str
    side: Literal["long", "short"]
    quantity: Decimal
    entry_price: Decimal | None
    current_price: Decimal | None
    value: Decimal | None
    weight: float | None
    unrealized_pnl: Decimal | None
    unrealized_pnl_pct: float | None
    realized_pnl: Decimal | None
    opened_at: datetime | None


class HistoryPoint(TypedDict):
    """The value of the portfolio at one time."""

    timestamp: datetime
    total_value: Decimal
    cash: Decimal
    positions_value: Decimal


class Portfolio(TypedDict):
    """Positions, cash and their value."""

    total_value: Decimal
    cash: Decimal
    currency: str
    positions: list[Position]
    performance: dict[str, float | None]
    as_of: datetime
    stale: bool
    book: str
    history: NotRequired[list[HistoryPoint]]


class Book(TypedDict):
    """An account, a strategy or a run with money of its own."""

    id: str
    title: str | None
    mode: BookMode
    currency: str | None
    opened_at: datetime
    closed_at: datetime | None


class BookPortfolio(TypedDict):
    """The current portfolio of a book; its values are None before the first update."""

    book: str
    title: str | None
    mode: BookMode
    closed_at: datetime | None
    currency: str | None
    total_value: Decimal | None
    cash: Decimal | None
    positions_value: Decimal | None
    as_of: datetime | None
    stale: bool | None


class PortfolioTotal(TypedDict):
    """The sum of the open books of one mode and one currency."""

    mode: BookMode
    currency: str
    books: int
    total_value: Decimal
    cash: Decimal
    positions_value: Decimal


class Portfolios(TypedDict):
    """The current portfolio of each book, and totals."""

    portfolios: list[BookPortfolio]
    totals: list[PortfolioTotal]


class Alert(TypedDict):
    """A condition that needs attention."""

    id: str
    title: str
    message: str
    severity: Severity
    source: str | None
    rule_id: str | None
    metric_name: str | None
    metric_value: float | None
    threshold: float | None
    status: AlertStatus
    created_at: datetime
    acknowledged: bool
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    comments: str | None
    resolved_at: datetime | None
    tags: list[str]
    metadata: dict[str, Any]
    book: str | None


class Fee(TypedDict):
    """A fee in one currency; a negative one is a rebate."""

    currency: str
    amount: Decimal


class OrderState(TypedDict):
    """One state of an order, and when it was recorded."""

    at: datetime
    status: TradeStatus
    filled_quantity: Decimal | None
    price: Decimal | None


class Trade(TypedDict):
    """An order or its execution; only the answer for a single trade has `history`."""

    id: str
    order_id: str | None
    client_order_id: str | None
    symbol: str
    side: Side
    quantity: Decimal
    filled_quantity: Decimal | None
    price: Decimal | None
    value: Decimal | None
    fee: Decimal | None
    fee_currency: str | None
    fees: list[Fee]
    order_type: str
    status: TradeStatus
    agent_id: str | None
    strategy: str | None
    executed_at: datetime
    updated_at: datetime | None
    corrects: str | None
    decision_id: str | None
    decided_price: Decimal | None
    metadata: dict[str, Any]
    book: str
    history: NotRequired[list[OrderState]]


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


class SystemSample(TypedDict):
    """The state of a component at one time."""

    component: str
    status: Literal["healthy", "warning", "error", "offline"]
    timestamp: datetime
    metrics: dict[str, float | None]
    message: str | None


class ItemResult(TypedDict):
    """The result of one record of a batch."""

    status: Literal[200, 201, 404, 409, 422]
    id: NotRequired[str]
    error: NotRequired[str]


class BatchResult(TypedDict):
    """The result of a batch; `results` has one entry per record, in order."""

    accepted: int
    refused: int
    results: list[ItemResult]
