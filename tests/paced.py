"""A process that feeds a file which another one serves, slowly, until it is asked to end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.commands import environment
from tests.feeders import LOOPS
from tests.listeners import Record
from tests.waiting import SECONDS

FEEDER = (
    LOOPS
    + """
# A feed whose calls pause, so that the store stays small enough to be read after each kill.
class Paced:
    def __init__(self, feed):
        self._feed = feed

    def __getattr__(self, name):
        async def call(*args):
            await getattr(self._feed, name)(*args)
            await asyncio.sleep(0.02)
        return call

async def main():
    async with Dashboard(Config.load(), serve=False) as dashboard:
        feed = Paced(dashboard.feed)
        async def wait_for_the_end():
            await asyncio.to_thread(sys.stdin.read)
            raise EOFError
        try:
            await asyncio.gather(
                trades(feed, "t"), batches(feed, "b"), alerts(feed, "a"), portfolios(feed, 0),
                wait_for_the_end())
        except EOFError:
            pass

asyncio.run(main())
"""
)


class Feeder:
    """A process that writes into the store of the servers until its input ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.answered: set[Record] = set()
        self._more = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            kind, id_ = line.decode().split()
            self.answered.add(("portfolio", "main") if kind == "portfolio" else (kind, id_))
            self._more.set()

    async def stores_more(self) -> None:
        """Wait until a call is answered from now on."""
        self._more.clear()
        async with asyncio.timeout(SECONDS):
            await self._more.wait()

    async def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(SECONDS):
            await self._reading
            assert await self._process.wait() == 0


@asynccontextmanager
async def feeding(folder: Path, **env: str) -> AsyncIterator[Feeder]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FEEDER, cwd=folder, env=environment(folder, **env),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Feeder(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
