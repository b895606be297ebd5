"""Agents."""

from __future__ import annotations

from typing import ClassVar

from marshmallow import Schema, fields, validate

from alphapulse_api.domain.commands import MAX_DECLARED
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.commands import DeclaredCommand, DeclaredCommandRequest, once_each
from alphapulse_api.schemas.fields import Choice, Figures, Identifier, Items, Text, Timestamp
from alphapulse_api.schemas.queries import InBooksQuery, ListQuery, RangeQuery
from alphapulse_api.schemas.signals import Signal

STATES = ("initializing", "active", "optimizing", "inactive", "error", "stopped")


class AgentState(Choice):
    """What an agent is doing."""

    words = STATES


class AgentRequest(Schema):
    """An update of an agent; omitted fields keep their values."""

    # An agent that was read may be sent back; the path names it, and the server sets the rest.
    read_only: ClassVar = frozenset({"agent_id", "updated_at", "signals"})

    agent_type = Text(64)
    state = AgentState()
    metrics = Figures()
    commands = Items(
        fields.Nested(DeclaredCommandRequest),
        validate=[validate.Length(max=MAX_DECLARED), once_each],
        metadata={"description": "what it can carry out; nothing else can be sent to it"},
    )


class Agent(Answer):
    """An agent as it is known."""

    agent_id = Identifier()
    agent_type = Text(64)
    state = AgentState()
    metrics = Figures()
    updated_at = Timestamp()
    commands = fields.List(
        fields.Nested(DeclaredCommand), metadata={"description": "what it can carry out"}
    )


class AgentWithSignals(Agent):
    """An agent and its newest signals."""

    signals = fields.List(fields.Nested(Signal))


class AgentQuery(RangeQuery, InBooksQuery):
    """The range of its signals (default: the last 24 h)."""


class AgentsQuery(AgentQuery, ListQuery):
    """Which agents, and the range of their signals (default: the last 24 h)."""

    agent_type = Text(64)
