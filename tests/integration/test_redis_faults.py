"""Without its Redis a server answers all the same, and with its Redis again it is as it was."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.config import AuthConfig, CacheConfig, DatabaseConfig, RateLimitConfig
from alphapulse_api.runtime import redis as redis_link
from alphapulse_api.runtime.redis import RedisLink
from tests import view
from tests.asking import TRADE, Answer, ask, problem, until_ready
from tests.clock import LoopClock
from tests.conftest import Serve, Server
from tests.proxy import Proxy, proxied
from tests.redis_server import RedisServer, running
from tests.waiting import SECONDS, until
from tests.workers import SECRET

Caller = dict[str, str]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_link, "PROBE_SECONDS", 0.05)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server of one's own, to do harm to."""
    with running() as server:
        yield server


ServeOn = Callable[..., Awaitable[Server]]


@pytest.fixture
def serve_on(serve: Serve) -> ServeOn:
    """Start a dashboard whose cache is at that URL."""

    async def start(url: str, **sections: Any) -> Server:
        return await serve(cache=CacheConfig(type="redis", redis_url=url), **sections)

    return start


@asynccontextmanager
async def before(redis: RedisServer) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy, and the URL that leads through it."""
    async with proxied(redis.url) as proxy:
        yield proxy, proxy.url.replace("http:", "redis:") + "/0"


def link_of(server: Server) -> RedisLink:
    (link,) = server.backend.links
    return link


@asynccontextmanager
async def returned(server: Server) -> AsyncIterator[None]:
    """What is done inside brings Redis back; afterwards the server knows."""
    link, back = link_of(server), asyncio.Event()
    link.on_return(back.set)
    yield
    async with asyncio.timeout(SECONDS):
        await back.wait()
    view.stop_watching(link, back.set)


async def get(server: Server, caller: Caller, path: str = "/api/trades") -> Answer:
    answer = await ask(server, "GET", path, caller)
    assert answer.status == 200, answer.body
    return answer


async def state(server: Server, caller: Caller, path: str = "/api/trades") -> str:
    return (await get(server, caller, path)).headers["X-Cache"]


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of Redis, a word each."""
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]
    words = [record.message for record in caplog.records if "redis at" in record.message]
    return ["away" if "is away" in message else "back" for message in words]


async def test_readers_notice_nothing_of_a_redis_that_is_killed_and_comes_back_empty(
    serve_on: ServeOn, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve_on(redis.url)
    caller = await server.key()
    seen: Counter[str] = Counter()
    changed = asyncio.Condition()
    reading = True

    async def read(number: int) -> None:
        while reading:
            seen[await state(server, caller, f"/api/trades?limit={number % 3 + 1}")] += 1
            async with changed:
                changed.notify_all()

    async def until(wanted: str) -> None:
        count = seen[wanted]
        async with asyncio.timeout(SECONDS), changed:
            await changed.wait_for(lambda: seen[wanted] > count + 20)

    readers = [asyncio.create_task(read(number)) for number in range(8)]
    await until("HIT")
    assert seen["BYPASS"] == 0
    redis.kill()
    await until("BYPASS")
    down = problem(await ask(server, "GET", "/readyz"), 503)
    assert down["down"] == ["redis"]
    async with returned(server):
        await asyncio.to_thread(redis.start)
    await until("HIT")
    bypassed = seen["BYPASS"]
    await until("HIT")
    assert seen["BYPASS"] == bypassed
    reading = False
    await asyncio.gather(*readers)
    await until_ready(server)
    assert logged(caplog) == ["away", "back"]


async def test_a_dump_older_than_the_writes_brings_no_old_answer_back(
    serve_on: ServeOn, tmp_path: Path
) -> None:
    with running(tmp_path / "redis", save="") as redis:
        server = await serve_on(redis.url)
        caller = await server.key()
        assert [await state(server, caller) for _ in range(2)] == ["MISS", "HIT"]
        with redis.client() as client:
            client.save()
        await server.feed.record_trade(TRADE)
        assert len((await get(server, caller)).json) == 1
        redis.kill()
        # Nobody asks while it is away: that it has restarted is not seen at any connection.
        await asyncio.to_thread(redis.start)
        with redis.client() as client:
            assert client.keys("{alphapulse}:answer:*")
        answers: list[Answer] = []

        async def is_cached_again() -> bool:
            answers.append(await get(server, caller))
            return answers[-1].headers["X-Cache"] != "BYPASS"

        await until(is_cached_again)
        answer = answers[-1]
        assert answer.headers["X-Cache"] == "MISS"
        assert len(answer.json) == 1


async def test_while_redis_is_silent_one_call_waits_and_no_other(
    serve_on: ServeOn,
    redis: RedisServer,
    clock: LoopClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_link, "CALL_SECONDS", 100.0)  # whoever waits so long hangs
    async with before(redis) as (proxy, url):
        server = await serve_on(url)
        caller = await server.key()
        await get(server, caller)
        proxy.freeze()
        # The first ones wait side by side; each has but one call to wait for.
        first = asyncio.gather(*(get(server, caller) for _ in range(50)))
        while not link_of(server).trouble:
            await asyncio.sleep(0.01)  # until all of them wait
            assert not first.done()
            await clock.advance(30)
        await first
        for _ in range(10):
            await get(server, caller)
            await server.feed.record_trade(TRADE)
        async with returned(server):
            proxy.thaw()
        assert [await state(server, caller) for _ in range(2)] == ["MISS", "HIT"]
    assert logged(caplog) == ["away", "back"]


async def test_a_write_that_redis_missed_is_invalidated_before_redis_is_used(
    serve_on: ServeOn, redis: RedisServer, postgres_url: str
) -> None:
    store = DatabaseConfig(url=postgres_url)  # two servers, which an SQLite file does not take
    secret = AuthConfig(jwt_secret=SECRET)
    async with before(redis) as (proxy, url):
        away = await serve_on(url, database=store, auth=secret)
        there = await serve_on(redis.url, database=store, auth=secret)
        caller = await away.key()
        for path in ("/api/trades", "/api/agents"):
            await get(away, caller, path)
            assert await state(there, caller, path) == "HIT"
        proxy.freeze()
        await away.feed.record_trade(TRADE)  # waits for the answer of Redis, in vain
        assert link_of(away).trouble is not None
        await away.feed.update_agent("x1", {"state": "active"})  # does not even ask it
        with redis.client() as client:
            versions: list[list[bytes]] = []
            # Nobody, such as the event log, may publish a write while old answers are still served.
            link_of(away).on_return(lambda: versions.append(client.hkeys("{alphapulse}:versions")))
            async with returned(away):
                proxy.thaw()
        assert not {b"trades", b"agents"} & set(versions[0])
        for server in (there, away):
            assert len((await get(server, caller)).json) == 1
            assert len((await get(server, caller, "/api/agents")).json) == 1


async def test_a_writer_that_gives_up_leaves_no_old_answer(
    serve_on: ServeOn, redis: RedisServer
) -> None:
    server = await serve_on(redis.url)
    caller = await server.key()
    await get(server, caller)
    free = view.free_connections(link_of(server))
    for _ in range(redis_link.CONNECTIONS):
        await free.acquire()  # busy with calls of others
    cache, stored = server.backend.cache, asyncio.Event()
    invalidate = cache.invalidate

    async def notify_when_stored(*resources: str) -> None:
        if "trades" in resources:
            stored.set()
        await invalidate(*resources)

    cache.invalidate = notify_when_stored  # type: ignore[method-assign]
    writer = asyncio.create_task(server.feed.record_trade(TRADE))
    await stored.wait()
    writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writer
    for _ in range(redis_link.CONNECTIONS):
        free.release()
    assert len((await get(server, caller)).json) == 1


async def test_limits_go_on_in_the_process_and_come_back(
    serve_on: ServeOn, redis: RedisServer
) -> None:
    server = await serve_on(redis.url, rate_limit=RateLimitConfig(requests_per_minute=3))
    caller = await server.key()

    async def statuses(count: int) -> list[int]:
        return [(await ask(server, "GET", "/api/me", caller)).status for _ in range(count)]

    assert await statuses(4) == [200, 200, 200, 429]
    redis.kill()
    # What was counted there is not known here: the process begins anew, and only once.
    assert await statuses(5) == [200, 200, 200, 429, 429]
    async with returned(server):
        await asyncio.to_thread(redis.start)
    assert await statuses(4) == [200, 200, 200, 429]  # it came back empty
    with redis.client() as client:
        assert client.keys("{alphapulse}:limit:requests:*")


async def test_a_redis_that_is_full_is_done_without_until_it_has_room(
    serve_on: ServeOn, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve_on(redis.url)
    caller = await server.key()
    await get(server, caller)
    with redis.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        await server.feed.record_trade(TRADE)
        states = [await state(server, caller) for _ in range(5)]
        assert set(states) <= {"MISS", "BYPASS"}
        assert states[-1] == "BYPASS"
        down = problem(await ask(server, "GET", "/readyz"), 503)
        assert down["checks"] == {"database": "ok", "redis": "down"}
        assert "maxmemory" in caplog.text
        async with returned(server):
            client.config_set("maxmemory", 0)
    assert [await state(server, caller) for _ in range(2)] == ["MISS", "HIT"]
    assert logged(caplog) == ["away", "back"]


async def test_connections_that_redis_closes_for_being_idle_are_no_outage(
    serve_on: ServeOn, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve_on(redis.url)
    caller = await server.key()
    await asyncio.gather(*(get(server, caller, f"/api/trades?limit={n}") for n in range(1, 20)))
    with redis.client() as client:
        assert client.client_kill_filter(_type="normal", skipme=True)
    for n in range(1, 20):
        assert await state(server, caller, f"/api/trades?limit={n}") == "HIT"
    assert logged(caplog) == []


async def test_whatever_redis_loses_or_keeps_answers_are_current(
    serve_on: ServeOn, redis: RedisServer
) -> None:
    server = await serve_on(redis.url)
    caller = await server.key()
    with redis.client() as client:

        def evict_versions() -> None:
            assert client.delete("{alphapulse}:versions")

        def damage_answers() -> None:
            for key in client.keys("{alphapulse}:answer:*"):
                client.setrange(key, client.strlen(key) - 1, b"!")

        for harm in (evict_versions, damage_answers, client.flushall, client.script_flush):
            await get(server, caller)
            assert await state(server, caller) == "HIT"
            harm()
            assert [await state(server, caller) for _ in range(2)] == ["MISS", "HIT"]
    assert link_of(server).losses == 0


async def test_the_figures_show_it(serve_on: ServeOn, redis: RedisServer) -> None:
    server = await serve_on(redis.url)
    caller = await server.key()

    async def figures() -> dict[str, float]:
        text = (await get(server, caller, "/metrics")).body.decode()
        return {
            name.removeprefix("alphapulse_"): float(value)
            for name, _, value in (line.rpartition(" ") for line in text.splitlines())
            if name.startswith(("alphapulse_redis_", "alphapulse_cache_"))
        }

    key = '{key="cache.redis_url"}'
    assert await figures() == {f"redis_up{key}": 1, f"redis_losses_total{key}": 0}
    for _ in range(3):
        await get(server, caller)
    redis.kill()
    await get(server, caller)
    assert await figures() == {
        'cache_answers_total{state="MISS"}': 1,
        'cache_answers_total{state="HIT"}': 2,
        'cache_answers_total{state="BYPASS"}': 1,
        f"redis_up{key}": 0,
        f"redis_losses_total{key}": 1,
    }
