"""The mixed load of a trading process and its users on a server, at fixed rates."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp
import orjson

from .habits import FAULTS, Crowd

SERIES: Final = 100
EACH: Final = 5  # points of a series in a batch
READERS: Final = 4
HISTORY: Final = 500  # events that the log of the server is to keep
ALERT_ID: Final = r"a\d{9}"
UNRESOLVED: Final = 10  # alerts at most: snapshots are of the unresolved ones
FILLING: Final = 20_000  # trades of more than 1 KB each
FILLING_BATCH: Final = 1000
REFRESH_SECONDS: Final = 10.0
# No answer grows with the stored records, because that would look like a leak.
# This series is no longer written, so its answers come from the cache.
PAST: Final = "/api/metrics/performance?name=sharpe&limit=100"
ASKED: Final = (
    "/api/metrics/risk?name=m3&limit=100",
    "/api/trades?limit=100",
    "/api/metrics/risk?name=m7&aggregation=avg&interval=auto",
    "/api/alerts?limit=50",
    "/api/metrics/risk/latest",
    "/api/portfolio",
    "/api/agents",
    "/api/system?limit=100",
    "/api/metrics",
    "/api/trades?format=csv&limit=500",
)


class Done:
    """The requests and their results."""

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
        began: the start, by the monotonic clock.
        done: the requests so far.
        watched: everything received on the sockets so far.
    """

    def __init__(self, url: str, key: str, password: str) -> None:
        self._url = url
        self._key = {"X-API-Key": key}
        self._password = password
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._numbers = itertools.count()
        self._trades = 0
        self._alerts = 0
        self._raised: asyncio.Queue[str] = asyncio.Queue()
        self._access = ""
        self._refresh = ""
        self._crowd = Crowd(url, lambda: self._access)
        self.began = 0.0
        self.done = Done()
        self.watched = self._crowd.watched

    async def start(self) -> None:
        """Store the records to read, log in, and start all tasks."""
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        await self._fill()
        works: list[tuple[float, Callable[[], Awaitable[object]]]] = [
            (0.5, self._points),
            (0.1, self._point),
            (0.04, self._trade),
            (0.2, self._alert),
            (0.2, self._acknowledge),
            (0.2, self._portfolio),
            (1.0, self._agent),
            (1.0, self._system),
            (REFRESH_SECONDS, self._renew),
        ]
        filled = f"/api/portfolio?include_history=true&end_time={time.time():.0f}"
        asked = itertools.cycle((*ASKED, filled))
        for _ in range(READERS):
            works.append((0.04, self._read_past))
            works.append((0.1, lambda: self._read(next(asked))))
        self._tasks = [asyncio.create_task(self._every(*work)) for work in works]
        await self._crowd.come()
        self.began = time.monotonic()

    async def finish(self) -> None:
        """Stop writing, wait until all watchers have received everything, and disconnect."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        await self._crowd.arrived({"trades": self._trades - 1, "alerts": self._alerts - 1})
        await self._crowd.leave()
        await self._http.close()

    def faults(self) -> Counter[str]:
        """The faults, with their counts."""
        return self.done.faults + self.watched.faults

    async def _fill(self) -> None:
        """Store the records to read, and fill what the load alone would take minutes to fill.

        That is the page cache of SQLite's writer, and the log's slower channels.
        """
        ago = datetime.now(UTC) - timedelta(hours=1)
        await self._ask("POST", "/api/metrics", [
            {"metric_type": "performance", "name": "sharpe", "value": n,
             "timestamp": (ago + timedelta(seconds=n)).isoformat()}
            for n in range(100)
        ])  # fmt: skip
        for batch in range(-FILLING, 0, FILLING_BATCH):
            await self._ask("POST", "/api/trades", [
                {**_trade(number), "metadata": {"note": "x" * 1000},
                 "executed_at": (ago + timedelta(milliseconds=number)).isoformat()}
                for number in range(batch, batch + FILLING_BATCH)
            ])  # fmt: skip
        for _ in range(HISTORY):
            await self._portfolio()
        await self._grant(grant_type="password", username="admin", password=self._password)
        for number in range(HISTORY // 3 + 1):  # raised, acknowledged, resolved
            await self._alert()
            await self._acknowledge()
            if number % 20 == 0:
                await self._renew()
        await self._renew()

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
        """The response, read to its end; None if it is not a success, which counts as a fault."""
        route = f"{method} {re.sub(ALERT_ID, '{id}', path.partition('?')[0])}"
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
        """Send a GET and record its time; returns the ETag of the answer."""
        begin = time.monotonic()
        response = await self._ask("GET", path, headers=headers)
        if response is None:
            return ""
        hit = response.headers["X-Cache"] == "HIT"
        self.done.reads.append((begin, hit, time.monotonic() - begin))
        return response.headers["ETag"]

    async def _read_past(self) -> None:
        """Repeat the same GET, every other time conditionally."""
        etag = await self._read(PAST)
        await self._read(PAST, **{"If-None-Match": etag})

    async def _write(self, method: str, path: str, body: Any) -> aiohttp.ClientResponse | None:
        self.done.writes += 1
        return await self._ask(method, path, body)

    async def _points(self) -> None:
        number = next(self._numbers)
        now = datetime.now(UTC)
        times = [(now - timedelta(milliseconds=100 * n)).isoformat() for n in range(EACH)][::-1]
        await self._write("POST", "/api/metrics", [
            {"metric_type": "risk", "name": f"m{series}", "timestamp": at,
             "value": number * EACH + n}
            for series in range(SERIES) for n, at in enumerate(times)
        ])  # fmt: skip

    async def _point(self) -> None:
        point = {"metric_type": "trade", "name": "single", "value": next(self._numbers)}
        await self._write("POST", "/api/metrics", point)

    async def _trade(self) -> None:
        number = self._trades
        # One in fifty is sent again, as after a lost answer: it must change nothing.
        for _ in range(2 if number % 50 == 0 else 1):
            if await self._write("POST", "/api/trades", _trade(number)) is not None:
                self._trades = number + 1

    async def _alert(self) -> None:
        if self._raised.qsize() >= UNRESOLVED:
            return
        number = self._alerts
        alert: dict[str, Any] = {"id": f"a{number:09}", "title": "Drawdown", "metric_value": number}
        if await self._write("POST", "/api/alerts", alert) is not None:
            self._alerts = number + 1
            self._raised.put_nowait(alert["id"])

    async def _acknowledge(self) -> None:
        if self._raised.empty():
            return
        path = f"/api/alerts/{self._raised.get_nowait()}"
        caller = {"Authorization": f"Bearer {self._access}"}
        for step in ("acknowledge", "resolve"):
            self.done.writes += 1
            await self._ask("POST", f"{path}/{step}", {}, caller)

    async def _portfolio(self) -> None:
        await self._write("PUT", "/api/portfolio", {
            "total_value": next(self._numbers), "cash": "100.5",
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


def _trade(number: int) -> dict[str, Any]:
    return {
        "id": f"t{number:09}",
        "order_id": str(number),
        "symbol": "AAPL",
        "side": "buy",
        "quantity": "10",
        "price": "187.20",
        "strategy": "momentum",
    }
