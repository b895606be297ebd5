"""A dashboard whose PostgreSQL ends under load and comes back."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from typing import Any

import pytest

from alphapulse_api.config import AuthConfig, DatabaseConfig
from alphapulse_api.runtime import monitor
from tests.asking import Answer, ask, problem, until_ready
from tests.conftest import Serve, Server
from tests.postgres import Postgres
from tests.socket_client import connect, trade
from tests.workers import SECRET

RECOVERY = 5.0  # seconds from the server's return to the first answers


class Load:
    """Writers over HTTP that go on whatever happens, until stopped."""

    def __init__(self, server: Server, caller: dict[str, str]) -> None:
        self.acknowledged: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self._server = server
        self._caller = caller
        self._changed = asyncio.Condition()
        self._stopped = False
        self._tasks = [asyncio.create_task(self._write(who)) for who in range(4)]

    async def _write(self, who: int) -> None:
        number = 0
        while not self._stopped:
            number += 1
            body = trade(id=f"{who}-{number}")
            answer = await ask(self._server, "POST", "/api/trades", self._caller, json=body)
            if answer.status == 201:
                self.acknowledged.add(body["id"])
            else:
                assert problem(answer, 503)
                assert int(answer.headers["Retry-After"]) >= 1
            async with self._changed:
                self.statuses[answer.status] += 1
                self._changed.notify_all()

    async def more(self, status: int, count: int = 10) -> None:
        """Wait for so many further answers of that status."""
        wanted = self.statuses[status] + count
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: self.statuses[status] >= wanted)

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.gather(*self._tasks)


async def test_readers_and_writers_get_errors_and_go_on_when_it_is_back(
    serve: Serve,
    mortal: Postgres,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(monitor, "SAMPLE_SECONDS", 0.1)
    server = await serve(
        database=DatabaseConfig(url=await mortal.copied()), auth=AuthConfig(jwt_secret=SECRET)
    )
    admin = await server.login()
    await server.feed.raise_alert({"id": "a-1", "title": "t"})

    async def get(path: str, **headers: str) -> Answer:
        return await ask(server, "GET", path, admin, headers=headers)

    async def ready() -> dict[str, Any]:
        return problem(await ask(server, "GET", "/readyz"), 503)

    before = await get("/api/alerts")
    assert before.headers["X-Cache"] == "MISS"
    async with connect(server, admin) as client:
        await client.ask(type="subscribe", channels=["trades"])
        load = Load(server, admin)
        await load.more(201)
        mortal.stop()
        await load.more(503)

        cached = await get("/api/alerts")
        assert (cached.status, cached.headers["X-Cache"]) == (200, "HIT")
        assert cached.body == before.body
        uncached = await get("/api/alerts", **{"Cache-Control": "no-cache"})
        assert problem(uncached, 503)
        assert "Retry-After" in uncached.headers
        assert (await ready())["down"] == ["database"]
        assert (await get("/healthz")).status == 200
        await load.more(503, 100)

        mortal.start()
        back = time.monotonic()
        await load.more(201, 1)
        assert time.monotonic() - back < RECOVERY
        await until_ready(server)
        assert time.monotonic() - back < RECOVERY
        await load.more(201)
        await load.stop()
        assert set(load.statuses) == {201, 503}

        # The socket stayed open, and received all that was acknowledged.
        messages = await client.settled()
        received = [m["data"]["id"] for m in messages if m["type"] == "trade"]
        assert len(received) == len(set(received))
        assert load.acknowledged <= set(received)
    # Each way once, in one place, however many calls and tasks ran into it.
    logged = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert [line for line in logged if "database" in line] == logged
    assert ["the database is away" in line for line in logged] == [True, False]
    assert "the database is back" in logged[1]
    stored = await ask(server, "GET", "/api/trades", admin, params={"format": "ndjson"})
    ids = [json.loads(line)["id"] for line in stored.body.splitlines()]
    assert len(ids) == len(set(ids))
    assert load.acknowledged <= set(ids)
