"""Commands: what agents declare, what people send, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from marshmallow import Schema, ValidationError, fields, validate

from alphapulse_api.domain.commands import (
    ANSWERS,
    DEFAULT_TIMEOUT,
    DEFAULT_TTL,
    HALT,
    LEVELS,
    MAX_TIMEOUT,
    MAX_TTL,
    MAX_WAIT,
    STATES,
)
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.command_parameters import check_schema, faults_of
from alphapulse_api.schemas.fields import Choice, Identifier, Metadata, Text, Timestamp, Word
from alphapulse_api.schemas.queries import CommaList, ExportQuery, ListQuery, SortedQuery
from alphapulse_api.schemas.quick import CheckedSchema

_TTL: Final = {
    "description": f"seconds until it expires if nobody takes it; default: {DEFAULT_TTL}"
}
_TIMEOUT: Final = {
    "description": "seconds that the agent may take to answer, and again to end what it accepted; "
    f"default: {DEFAULT_TIMEOUT}"
}


class CommandLevel(Choice):
    """What a sender needs: `control` for basic, `control_full` for full."""

    words = LEVELS


class CommandState(Choice):
    """How far a command has come."""

    words = STATES


class AgentAnswer(Choice):
    """What an agent answers."""

    words = tuple(ANSWERS)


class DeclaredCommandRequest(CheckedSchema):
    """A command that an agent can carry out."""

    name = Word(required=True)
    level = CommandLevel(required=True)
    title = Text(128, metadata={"description": "for people"})
    parameters = Metadata(
        validate=check_schema,
        metadata={
            "description": "a JSON Schema (2020-12) of its parameters, without references, "
            "patterns and formats; left out: it has none"
        },
    )
    timeout = fields.Integer(
        strict=True, validate=validate.Range(1, MAX_TIMEOUT), metadata=_TIMEOUT
    )

    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        """Refuse a `halt` that needs parameters: one such agent would stop the halt of all."""
        halt = record.get("name") == HALT
        if halt and next(faults_of({}, record.get("parameters") or {}), None):
            return {"parameters": ["`halt` is sent without parameters, so it must not need any."]}
        return {}


def once_each(declared: Sequence[Mapping[str, Any]]) -> None:
    """Check that no two declared commands have one name; raises `ValidationError`."""
    names = [one["name"] for one in declared]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValidationError(f"Declared more than once: {', '.join(twice)}.")


class DeclaredCommand(Answer):
    """A command that an agent can carry out."""

    optional: ClassVar = frozenset({"title", "parameters", "timeout"})

    name = Word()
    level = CommandLevel()
    title = Text(128)
    parameters = Metadata()
    timeout = fields.Integer(metadata=_TIMEOUT)


class CommandRequest(Schema):
    """A command to an agent."""

    id = Identifier(metadata={"description": "made by the server when left out"})
    name = Word(required=True, metadata={"description": "one that the agent declares"})
    parameters = Metadata(load_default=dict)
    reason = Text(1024, metadata={"description": "why, for the audit log"})
    ttl = fields.Integer(
        strict=True,
        load_default=DEFAULT_TTL,
        validate=validate.Range(1, MAX_TTL),
        metadata=_TTL,
    )


class HaltRequest(Schema):
    """A command `halt` to every agent that declares one."""

    id = Identifier(metadata={"description": "made by the server when left out"})
    reason = Text(1024, metadata={"description": "why, for the audit log"})
    ttl = fields.Integer(
        strict=True,
        load_default=DEFAULT_TTL,
        validate=validate.Range(1, MAX_TTL),
        metadata=_TTL,
    )


class Command(Answer):
    """A command, and what became of it."""

    id = Identifier()
    agent_id = Identifier()
    name = Word()
    level = CommandLevel()
    parameters = Metadata()
    reason = Text(1024, allow_none=True)
    ttl = fields.Integer(metadata=_TTL)
    timeout = fields.Integer(metadata=_TIMEOUT)
    halt_id = Identifier(
        allow_none=True, metadata={"description": "of the request that halted all agents"}
    )
    state = CommandState()
    created_at = Timestamp()
    created_by = Text(256, metadata={"description": "who sent it"})
    served = fields.Boolean(
        metadata={
            "description": "whether somebody took the agent's commands when it was sent; without "
            "anybody, it expires"
        }
    )
    expires_at = Timestamp(metadata={"description": "it is not handed out after this"})
    delivered_at = Timestamp(allow_none=True)
    delivered_to = Text(256, allow_none=True, metadata={"description": "who took it"})
    accepted_at = Timestamp(allow_none=True)
    ended_at = Timestamp(allow_none=True)
    detail = Text(
        2048,
        allow_none=True,
        metadata={"description": "why it failed, was refused or expired"},
    )
    result = Metadata(allow_none=True, metadata={"description": "what the agent says of it"})


class CommandFilters(SortedQuery):
    """Which commands."""

    agent_id = Text(128)
    name = Text(64)
    state = CommaList(CommandState, metadata={"description": "any of them"})
    halt_id = Text(128, metadata={"description": "of one request that halted all agents"})


class CommandsQuery(CommandFilters, ListQuery):
    """Which commands, and which page of them."""


class CommandQuery(Schema):
    """Whether to wait for a change."""

    wait = fields.Float(
        validate=validate.Range(0, MAX_WAIT),
        metadata={
            "description": "seconds to wait for the next change of its state; a command that has "
            "ended is answered at once"
        },
    )


class CommandsExport(CommandFilters, ExportQuery):
    """Which commands, as a file."""


class AnswerRequest(Schema):
    """An agent's answer to a command."""

    state = AgentAnswer(required=True)
    detail = Text(2048)
    result = Metadata()
