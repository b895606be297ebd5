"""The row of a backfill in the table `backfills`: its position, and how much of it is done."""

from __future__ import annotations

from alphapulse_api.storage.engine import Engine, Transaction


async def position_of(transaction: Transaction, engine: Engine, name: str) -> str | None:
    """The position of a backfill, locked until the commit; "" at its start, None at its end."""
    rows = await transaction.fetch(
        f"SELECT position FROM backfills WHERE name = $1 {engine.locked}", name
    )
    return rows[0][0] if rows else None


async def advance(transaction: Transaction, name: str, position: str, done: int) -> None:
    """Store the position of a backfill, and that `done` more of its total are done."""
    await transaction.execute(
        "UPDATE backfills SET position = $2, done = done + $3 WHERE name = $1",
        name,
        position,
        done,
    )


async def finish(transaction: Transaction, name: str) -> None:
    """Remove a backfill that is complete."""
    await transaction.execute("DELETE FROM backfills WHERE name = $1", name)
