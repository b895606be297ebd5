"""What agents say of themselves, without their signals."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.query import Where
from alphapulse_api.storage.tables.signal_accessor import AGENTS


async def agent_states(engine: Engine, ids: Collection[str] | None) -> list[dict[str, Any]]:
    """The records of some agents, or of all (None)."""
    where = Where()
    where.one_of("agent_id", ids)
    rows = await engine.fetch(f"SELECT {AGENTS.select} FROM agents {where}", *where.args)
    return AGENTS.records(rows)
