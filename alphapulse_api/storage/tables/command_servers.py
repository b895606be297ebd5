"""Which agents have a process that takes their commands, by the database's clock."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from alphapulse_api.storage.engine import Engine, Transaction

SERVED_SECONDS: Final = 15  # that a note holds; whoever serves renews it every few seconds


async def note_served(engine: Engine, agent_ids: Collection[str]) -> None:
    """Note that somebody asks for the commands of these agents."""

    async def work(transaction: Transaction) -> None:
        ((present,),) = await transaction.fetch(f"SELECT {engine.clock}")
        for agent_id in sorted(agent_ids):  # in one order, so that two processes cannot deadlock
            await transaction.execute(
                "INSERT INTO command_servers (agent_id, served_until) VALUES ($1, $2) "
                "ON CONFLICT (agent_id) DO UPDATE SET served_until = excluded.served_until",
                agent_id,
                int(present) + SERVED_SECONDS * 1_000_000,
            )

    await engine.write(work)


async def is_served(transaction: Transaction, engine: Engine, agent_id: str) -> bool:
    """Whether somebody has asked for the commands of an agent in the last seconds."""
    return bool(
        await transaction.fetch(
            f"SELECT 1 FROM command_servers WHERE agent_id = $1 AND served_until > {engine.clock}",
            agent_id,
        )
    )
