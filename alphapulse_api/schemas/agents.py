"""Agents and their signals."""

from __future__ import annotations

from typing import ClassVar

from marshmallow import Schema, fields

from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import (
    DEFAULT_BOOK,
    BookId,
    Choice,
    EventTime,
    Figure,
    Figures,
    Identifier,
    Metadata,
    Money,
    Text,
    Timestamp,
)
from alphapulse_api.schemas.queries import ExportQuery, ListQuery, RangeQuery, SortedQuery

STATES = ("initializing", "active", "optimizing", "inactive", "error", "stopped")
DIRECTIONS = ("buy", "sell", "hold", "short", "cover")


class AgentState(Choice):
    """What an agent is doing."""

    words = STATES


class Direction(Choice):
    """What a signal advises."""

    words = DIRECTIONS


class SignalRequest(Schema):
    """What an agent advises."""

    id = Identifier(metadata={"description": "made by the server when left out"})
    agent_id = Identifier(metadata={"description": "the agent of the path"})
    symbol = Text(64, required=True)
    direction = Direction(required=True)
    confidence = Figure(low=0, high=1)
    target_price = Money(signed=True, allow_none=True)
    stop_loss = Money(signed=True, allow_none=True)
    timestamp = EventTime(metadata={"description": "default: now"})
    metadata = Metadata(load_default=dict)
    book = BookId(allow_none=True, metadata={"description": DEFAULT_BOOK})


class AgentRequest(Schema):
    """An update of an agent; omitted fields keep their values."""

    # An agent that was read may be sent back; the path names it, and the server sets the rest.
    read_only: ClassVar = frozenset({"agent_id", "updated_at", "signals"})

    agent_type = Text(64)
    state = AgentState()
    metrics = Figures()


class Signal(Answer):
    """What an agent advises."""

    id = Identifier()
    agent_id = Identifier()
    symbol = Text(64)
    direction = Direction()
    confidence = Figure(low=0, high=1)
    target_price = Money(signed=True, allow_none=True)
    stop_loss = Money(signed=True, allow_none=True)
    timestamp = Timestamp()
    metadata = Metadata()
    book = BookId()


class Agent(Answer):
    """An agent as it is known."""

    agent_id = Identifier()
    agent_type = Text(64)
    state = AgentState()
    metrics = Figures()
    updated_at = Timestamp()


class AgentWithSignals(Agent):
    """An agent and its newest signals."""

    signals = fields.List(fields.Nested(Signal))


class AgentQuery(RangeQuery):
    """The range of its signals (default: the last 24 h)."""


class AgentsQuery(AgentQuery, ListQuery):
    """Which agents, and the range of their signals (default: the last 24 h)."""

    agent_type = Text(64)


class SignalFilters(SortedQuery):
    """Which signals."""

    symbol = Text(64)
    direction = Direction()


class SignalsQuery(SignalFilters, ListQuery):
    """Which signals, and which page of them."""


class SignalsExport(SignalFilters, ExportQuery):
    """Which signals, as a file."""
