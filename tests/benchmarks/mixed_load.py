"""Everything that a trading process and its watchers ask of a server, at fixed rates, at once."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp
import orjson

from .watchers import WHOLE, Closed, Watched, Watcher, small_buffers

SERIES: Final = 100
EACH: Final = 5  # points of a series in a batch
STEADY: Final = 50
ROAMING: Final = 5
STALLING: Final = 3
READERS: Final = 4
HISTORY: Final = 500  # events that the log of the server is to keep
REFRESH_SECONDS: Final = 10.0
STALL_SECONDS: Final = 10.0
ARRIVAL_SECONDS: Final = 20.0
FAULTS: Final = (aiohttp.ClientError, OSError, TimeoutError, Closed)
# What is not written any more: its answers come from the cache.
PAST: Final = "/api/metrics/performance?name=sharpe&limit=100"
ASKED: Final = (
    "/api/metrics/risk?name=m3&limit=100",
    "/api/trades?limit=100",
    "/api/metrics/risk?name=m7&aggregation=avg,p95&interval=auto",
    "/api/alerts?limit=50",
    "/api/metrics/risk/latest",
    "/api/portfolio?include_history=true",
    "/api/agents",
    "/api/system?limit=100",
    "/api/metrics",
    "/api/trades?format=csv&limit=500",
)


class Done:
    """What was asked, and how it went."""

    def __init__(self) -> None:
        self.requests = 0
        self.writes = 0
        self.refreshes = 0
        self.faults: Counter[str] = Counter()
        self.reads: list[tuple[float, bool, float]] = []
        """Instant (monotonic), whether the cache answered, and seconds, of each GET."""


class MixedLoad:
    """One load on one server, from `start` until `finish`.

    Args:
        url: of the server.
        key: an API key that may publish.
        password: of `admin`.

    Attributes:
        began: when, by the monotonic clock.
        done: the requests so far.
        watched: what came by the sockets so far.
    """

    def __init__(self, url: str, key: str, password: str) -> None:
        self._url = url
        self._key = {"X-API-Key": key}
        self._password = password
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._crowd: list[asyncio.Task[None]] = []
        self._steady: list[Watcher] = []
        self._raised: asyncio.Queue[str] = asyncio.Queue()
        self._published = dict.fromkeys(WHOLE, 0)
        self._access = ""
        self._refresh = ""
        self._random = random.Random(1)
        self.began = 0.0
        self.done = Done()
        self.watched = Watched()

    async def start(self) -> None:
        """Log in, store what will be read, and let everybody begin."""
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._slow = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, socket_factory=small_buffers)
        )
        await self._grant(grant_type="password", username="admin", password=self._password)
        begin = datetime.now(UTC) - timedelta(hours=1)
        await self._ask("POST", "/api/metrics", [
            {"metric_type": "performance", "name": "sharpe", "value": n,
             "timestamp": (begin + timedelta(seconds=n)).isoformat()}
            for n in range(100)
        ])  # fmt: skip
        numbers = itertools.count()
        for _ in range(HISTORY):  # the slowest to fill its part of the log
            await self._portfolio(next(numbers))
        works: list[tuple[float, Callable[[], Awaitable[object]]]] = [
            (0.5, lambda: self._points(next(numbers))),
            (0.1, lambda: self._point(next(numbers))),
            (0.04, self._trade),
            (0.2, self._alert),
            (0.2, self._acknowledge),
            (0.2, lambda: self._portfolio(next(numbers))),
            (1.0, self._agent),
            (1.0, self._system),
            (REFRESH_SECONDS, self._renew),
        ]
        asked = itertools.cycle(ASKED)
        for _ in range(READERS):
            works.append((0.04, self._read_past))
            works.append((0.1, lambda: self._read(next(asked))))
        self._tasks = [asyncio.create_task(self._every(*work)) for work in works]
        crowd: list[Coroutine[Any, Any, None]] = [self._visit()]
        for _ in range(STEADY):
            self._steady.append(self._watcher())
            crowd.append(self._stay(self._steady[-1]))
        crowd += [self._roam() for _ in range(ROAMING)]
        crowd += [self._stall() for _ in range(STALLING)]
        self._crowd = [asyncio.create_task(one) for one in crowd]
        self.began = time.monotonic()

    async def finish(self) -> None:
        """End the writing, wait until every steady watcher has had all of it, and go."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        with suppress(TimeoutError):
            async with asyncio.timeout(ARRIVAL_SECONDS):
                while any(self._missing()):
                    await asyncio.sleep(0.1)
        for missing in self._missing():
            self.watched.faults[f"{missing} never arrived"] += 1
        for task in self._crowd:
            task.cancel()
        for result in await asyncio.gather(*self._crowd, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        await self._http.close()
        await self._slow.close()

    def faults(self) -> Counter[str]:
        """What went wrong, and how often."""
        return self.done.faults + self.watched.faults

    def _missing(self) -> list[str]:
        return [
            channel
            for watcher in self._steady
            for channel, number in self._published.items()
            if number and watcher.seen.get(channel) != number - 1
        ]

    # -- requests ---------------------------------------------------------------------------------

    async def _every(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while not self._stopping.is_set():
            await work()
            due = max(due + seconds, clock())
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._stopping.wait()

    async def _ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> aiohttp.ClientResponse | None:
        """The response, read to its end; None, and a fault, if it is no success."""
        route = f"{method} {path.partition('?')[0]}"
        self.done.requests += 1
        try:
            async with self._http.request(
                method,
                self._url + path,
                data=None if body is None else orjson.dumps(body),
                headers={"Content-Type": "application/json", **self._key, **(headers or {})},
            ) as response:
                await response.read()
        except FAULTS as fault:
            self.done.faults[f"{route}: {type(fault).__name__}"] += 1
            return None
        if response.status >= 400:
            self.done.faults[f"{route}: {response.status}"] += 1
            return None
        return response

    async def _read(self, path: str, **headers: str) -> str:
        """Ask and note how long it took; returns the ETag of the answer."""
        begin = time.monotonic()
        response = await self._ask("GET", path, headers=headers)
        if response is None:
            return ""
        hit = response.headers["X-Cache"] == "HIT"
        self.done.reads.append((begin, hit, time.monotonic() - begin))
        return response.headers["ETag"]

    async def _read_past(self) -> None:
        """The same again, every other time asked for only if it changed."""
        etag = await self._read(PAST)
        await self._read(PAST, **{"If-None-Match": etag})

    async def _write(self, method: str, path: str, body: Any) -> aiohttp.ClientResponse | None:
        self.done.writes += 1
        return await self._ask(method, path, body)

    async def _points(self, number: int) -> None:
        now = datetime.now(UTC)
        times = [(now - timedelta(milliseconds=100 * n)).isoformat() for n in range(EACH)][::-1]
        await self._write("POST", "/api/metrics", [
            {"metric_type": "risk", "name": f"m{series}", "timestamp": at,
             "value": number * EACH + n}
            for series in range(SERIES) for n, at in enumerate(times)
        ])  # fmt: skip

    async def _point(self, number: int) -> None:
        point = {"metric_type": "trade", "name": "single", "value": number}
        await self._write("POST", "/api/metrics", point)

    async def _trade(self) -> None:
        number = self._published["trades"]
        trade = {
            "id": f"t{number:09}", "order_id": str(number), "symbol": "AAPL", "side": "buy",
            "quantity": "10", "price": "187.20", "strategy": "momentum",
        }  # fmt: skip
        # One in fifty is sent again, as after a lost answer: it must change nothing.
        for _ in range(2 if number % 50 == 0 else 1):
            if await self._write("POST", "/api/trades", trade) is not None:
                self._published["trades"] = number + 1

    async def _alert(self) -> None:
        number = self._published["alerts"]
        alert = {"id": f"a{number:09}", "title": "Drawdown", "metric_value": number}
        if await self._write("POST", "/api/alerts", alert) is not None:
            self._published["alerts"] = number + 1
            self._raised.put_nowait(alert["id"])

    async def _acknowledge(self) -> None:
        if self._raised.empty():
            return
        path = f"/api/alerts/{self._raised.get_nowait()}"
        caller = {"Authorization": f"Bearer {self._access}"}
        for step in ("acknowledge", "resolve"):
            self.done.writes += 1
            await self._ask("POST", f"{path}/{step}", {}, caller)

    async def _portfolio(self, number: int) -> None:
        await self._write("PUT", "/api/portfolio", {
            "total_value": number, "cash": "100.5",
            "positions": [{"symbol": f"S{n}", "quantity": 1, "current_price": 2} for n in range(5)],
        })  # fmt: skip

    async def _agent(self) -> None:
        agent = {"agent_type": "momentum", "state": "active", "metrics": {"pnl": 1.5}}
        await self._write("PUT", "/api/agents/momentum-1", agent)
        signal = {"symbol": "AAPL", "direction": "buy", "confidence": 0.9}
        await self._write("POST", "/api/agents/momentum-1/signals", signal)

    async def _system(self) -> None:
        sample = {"component": "feed", "status": "healthy", "metrics": {"lag": 0.1}}
        await self._write("POST", "/api/system", sample)

    async def _renew(self) -> None:
        await self._grant(grant_type="refresh_token", refresh_token=self._refresh)

    async def _grant(self, **form: str) -> None:
        async with self._http.post(f"{self._url}/token", data=form) as response:
            granted = await response.json()
            if response.status != 200:
                raise RuntimeError(f"POST /token: {granted}")
        self._access, self._refresh = granted["access_token"], granted["refresh_token"]
        self.done.refreshes += 1

    # -- sockets ----------------------------------------------------------------------------------

    def _watcher(self, session: aiohttp.ClientSession | None = None, **filters: Any) -> Watcher:
        filters = filters or {"metrics": {"names": ["single", "m1", "m2", "m3"]}}
        return Watcher(
            session or self._http, self._url, lambda: self._access, self.watched, filters
        )

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
        """Every 0.2 s somebody comes, stays for 3 s and closes."""
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
        """Read, be cut off, come back and go on where it was."""
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
        """Want all metrics, stop reading, be closed for it, come back and go on where it was."""
        watcher = self._watcher(self._slow, metrics={})
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
