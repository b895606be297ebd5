"""The commands that agents declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alphapulse_api.domain.commands import DEFAULT_TIMEOUT
from alphapulse_api.domain.encoding import loads_stored
from alphapulse_api.domain.errors import NotFound, ValidationProblem
from alphapulse_api.storage.engine import Transaction

Declared = Mapping[str, Any]


async def declared_by(transaction: Transaction, agent_id: str, locked: str) -> list[Declared]:
    """What an agent declares, under the lock of its row.

    Raises:
        NotFound: if there is no such agent.
    """
    rows = await transaction.fetch(
        f"SELECT commands FROM agents WHERE agent_id = $1 {locked}", agent_id
    )
    if not rows:
        raise NotFound(f"There is no agent {agent_id!r}.")
    return _read(rows[0][0])


async def declarers_of(
    transaction: Transaction, name: str, locked: str
) -> list[tuple[str, list[Declared]]]:
    """The agents that declare a command, by id, and all that each declares, under their locks."""
    rows = await transaction.fetch(
        f"SELECT agent_id, commands FROM agents WHERE CAST(commands AS TEXT) <> '[]' "
        f"ORDER BY agent_id {locked}"
    )
    agents = [(agent_id, _read(stored)) for agent_id, stored in rows]
    return [(id_, declared) for id_, declared in agents if name in _names(declared)]


def resolved(agent_id: str, declared: Sequence[Declared], name: str) -> dict[str, Any]:
    """The declaration of one command, with its `parameters` and `timeout`.

    Raises:
        ValidationProblem: if the agent does not declare it.
    """
    for one in declared:
        if one["name"] == name:
            # Without a schema, there are no parameters.
            return {"timeout": DEFAULT_TIMEOUT, "parameters": {"maxProperties": 0}, **one}
    can = f"it declares {', '.join(_names(declared))}" if declared else "it declares none"
    detail = f"{agent_id!r} does not declare a command {name!r}: {can}."
    raise ValidationProblem([{"pointer": "/name", "detail": detail}])


def _names(declared: Sequence[Declared]) -> list[str]:
    return [one["name"] for one in declared]


def _read(stored: str) -> list[Declared]:
    declared: list[Declared] = loads_stored(stored)
    return declared
