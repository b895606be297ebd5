"""Without its Redis a server answers all the same, and with its Redis again it is as it was."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from alphapulse_api.config import RateLimitConfig
from alphapulse_api.runtime import redis as redis_link
from tests.asking import TRADE, ask, problem, until_ready
from tests.clock import LoopClock
from tests.redis_faults import ServeOn, before, get, link_of, logged, returned, state
from tests.redis_server import RedisServer
from tests.waiting import SECONDS

pytestmark = pytest.mark.usefixtures("impatient")


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
