"""Watchers with different habits: they stay, visit, roam, or stall."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final

import aiohttp

from .watchers import Closed, Watched, Watcher, small_buffers

STEADY: Final = 50
ROAMING: Final = 5
STALLING: Final = 3
STALL_SECONDS: Final = 10.0
ARRIVAL_SECONDS: Final = 20.0
FAULTS: Final = (aiohttp.ClientError, OSError, TimeoutError, Closed)


class Crowd:
    """All watchers of one server.

    Args:
        url: of the server.
        token: returns an access token that is valid now.

    Attributes:
        watched: everything received so far.
    """

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        self._url = url
        self._token = token
        self._random = random.Random(1)
        self._steady: list[Watcher] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.watched = Watched()

    async def come(self) -> None:
        """Start all watchers."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._slow = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, socket_factory=small_buffers)
        )
        habits: list[Coroutine[Any, Any, None]] = [self._visit()]
        for _ in range(STEADY):
            self._steady.append(self._watcher())
            habits.append(self._stay(self._steady[-1]))
        habits += [self._roam() for _ in range(ROAMING)]
        habits += [self._stall() for _ in range(STALLING)]
        self._tasks = [asyncio.create_task(habit) for habit in habits]

    async def leave(self) -> None:
        """Stop them; raises unexpected errors."""
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        await self._session.close()
        await self._slow.close()

    async def arrived(self, newest: Mapping[str, int]) -> None:
        """Wait until the watchers that stay have received everything; anything missing is a fault.

        Args:
            newest: by channel, the number that was published last.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(ARRIVAL_SECONDS):
                while self._missing(newest):
                    await asyncio.sleep(0.1)
        for channel in self._missing(newest):
            self.watched.faults[f"{channel} never arrived"] += 1

    def _missing(self, newest: Mapping[str, int]) -> list[str]:
        return [
            channel
            for watcher in self._steady
            for channel, number in newest.items()
            if watcher.seen.get(channel) != number
        ]

    def _watcher(self, **filters: Any) -> Watcher:
        session = self._slow if filters else self._session
        wanted = filters or {"metrics": {"names": ["single", "m1", "m2", "m3"]}}
        return Watcher(session, self._url, self._token, self.watched, wanted)

    def _cut_off(self, who: str, fault: BaseException) -> None:
        self.watched.faults[f"{who}: {type(fault).__name__} {fault}"] += 1

    async def _stay(self, watcher: Watcher) -> None:
        """Read to the end."""
        while True:
            try:
                await watcher.join()
                await watcher.read()
            except FAULTS as fault:
                self._cut_off("a steady watcher", fault)
                await asyncio.sleep(1.0)

    async def _visit(self) -> None:
        """Every 0.2 s a watcher connects, stays for 3 s and closes."""
        async with asyncio.TaskGroup() as visitors:
            while True:
                visitors.create_task(self._visitor())
                await asyncio.sleep(0.2)

    async def _visitor(self) -> None:
        watcher = self._watcher()
        try:
            await watcher.join()
            await watcher.read(3.0)
            await watcher.leave()
        except FAULTS as fault:
            self._cut_off("a visitor", fault)

    async def _roam(self) -> None:
        """Read, be disconnected, reconnect and resume."""
        watcher = self._watcher()
        while True:
            try:
                await watcher.join()
                await watcher.read(self._random.uniform(2.0, 6.0))
                watcher.cut()
            except FAULTS as fault:
                self._cut_off("a roaming watcher", fault)
            await asyncio.sleep(self._random.uniform(0.2, 2.0))

    async def _stall(self) -> None:
        """Subscribe to all metrics, stop reading, be closed for that, reconnect and resume."""
        watcher = self._watcher(metrics={})
        while True:
            try:
                await watcher.join()
                await watcher.read(2.0)
            except FAULTS as fault:
                self._cut_off("a stalling watcher", fault)
                await asyncio.sleep(1.0)
                continue
            await asyncio.sleep(STALL_SECONDS)
            try:
                await watcher.read(STALL_SECONDS)
            except (Closed, ConnectionError):
                self.watched.evicted += 1
            else:
                self.watched.faults["a stalling watcher was not closed"] += 1
                watcher.cut()
