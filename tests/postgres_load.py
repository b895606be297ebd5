"""Reads and writes without end, against a PostgreSQL that comes and goes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.storage.postgres.engine import PostgresEngine
from tests.units import COUNT, adds
from tests.waiting import SECONDS, until


class Load:
    """Readers and writers that go on whatever happens, until stopped."""

    def __init__(self, engine: PostgresEngine, prefix: str) -> None:
        self.engine = engine
        self.acknowledged: set[str] = set()
        self.refused: list[Unavailable] = []
        self.answered = asyncio.Condition()
        self._stopped = False
        self._tasks = [asyncio.create_task(self._write(f"{prefix}{n}")) for n in range(8)]
        self._tasks += [asyncio.create_task(self._read()) for _ in range(8)]

    async def _try(self, call: Any) -> bool:
        try:
            await call
        except Unavailable as refusal:
            self.refused.append(refusal)
            await asyncio.sleep(0.01)
            return False
        async with self.answered:
            self.answered.notify_all()
        return True

    async def _write(self, who: str) -> None:
        number = 0
        while not self._stopped:
            number += 1
            name = f"{who}-{number}"
            if await self._try(self.engine.write(adds(name))):
                self.acknowledged.add(name)

    async def _read(self) -> None:
        while not self._stopped:
            await self._try(self.engine.fetch(COUNT))

    async def progress(self, answers: int = 20) -> float:
        """Wait for so many answers; returns the seconds it took."""
        began = time.monotonic()
        async with asyncio.timeout(SECONDS), self.answered:
            for _ in range(answers):
                await self.answered.wait()
        return time.monotonic() - began

    async def trouble(self, refusals: int = 10) -> None:
        """Wait for so many more refusals."""
        count = len(self.refused) + refusals
        await until(lambda: len(self.refused) >= count)

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.gather(*self._tasks)  # what is no Unavailable is raised here
