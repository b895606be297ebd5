"""Units of work, on either engine, and what they leave in the store."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.sqlite.engine import SQLiteEngine

COUNT = "SELECT count(*) FROM revoked_tokens"


def adds(name: str) -> Any:
    """A unit of work that stores one row."""

    async def work(transaction: Transaction) -> str:
        await transaction.execute(
            "INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2)", name, 0
        )
        return name

    return work


async def stored(engine: Engine) -> list[str]:
    """The names of the rows."""
    rows = await engine.fetch("SELECT jti FROM revoked_tokens ORDER BY jti")
    return [row[0] for row in rows]


class Held:
    """A unit of work that stays in its transaction until released."""

    def __init__(self, engine: Engine) -> None:
        self._on_thread = isinstance(engine, SQLiteEngine)  # where a unit of work never suspends
        self._loop = asyncio.get_running_loop()
        self._entered = asyncio.Event()
        self._released = asyncio.Event()
        self._released_there = threading.Event()

    async def __call__(self, transaction: Transaction) -> None:
        await adds("held")(transaction)
        self._loop.call_soon_threadsafe(self._entered.set)
        if self._on_thread:
            assert self._released_there.wait(30)
        else:
            await self._released.wait()

    async def entered(self) -> None:
        """Wait until its transaction has begun."""
        await asyncio.wait_for(self._entered.wait(), 30)

    def release(self) -> None:
        """Let it end."""
        self._released.set()
        self._released_there.set()


async def behind(engine: Engine, *works: Any) -> list[Any]:
    """The results of works that all gather behind one that is under way."""
    held = Held(engine)
    first = asyncio.create_task(engine.write(held))
    await held.entered()
    group = asyncio.gather(*(engine.write(work) for work in works), return_exceptions=True)
    await asyncio.sleep(0)
    assert engine.waiting == 1 + len(works)
    held.release()
    await first
    return list(await group)
