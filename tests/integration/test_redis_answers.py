"""Cached answers are current, whatever becomes of the Redis that holds them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from alphapulse_api.config import AuthConfig, DatabaseConfig
from alphapulse_api.runtime import redis as redis_link
from tests import view
from tests.asking import TRADE, Answer
from tests.redis_faults import ServeOn, before, get, link_of, returned, state
from tests.redis_server import RedisServer, running
from tests.waiting import until
from tests.workers import SECRET

pytestmark = pytest.mark.usefixtures("impatient")


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
