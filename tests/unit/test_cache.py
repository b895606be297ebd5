"""The memory cache's bounds, and one computation a key."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cachetools import TLRUCache

from alphapulse_api.cache import Entry, Flights, cache_from
from alphapulse_api.cache.memory import ENTRY_OVERHEAD, MemoryCache
from alphapulse_api.config import CacheConfig


def entry(size: int = 10, text: str = "x") -> Entry:
    return Entry((text * size).encode(), '"etag"', {"Content-Type": "application/json"})


class Clock:
    """Seconds that pass when told to."""

    def __init__(self, cache: MemoryCache) -> None:
        self.now = 1000.0
        old = cache._entries
        cache._entries = TLRUCache(
            old.maxsize, ttu=old.ttu, timer=lambda: self.now, getsizeof=old.getsizeof
        )


async def test_an_answer_is_kept_for_its_own_ttl() -> None:
    cache = MemoryCache(10**6)
    clock = Clock(cache)
    await cache.put("short", entry(), 5)
    await cache.put("long", entry(), 50)
    clock.now += 4.9
    assert await cache.get("short") == entry()
    clock.now += 0.2
    assert await cache.get("short") is None
    assert await cache.get("long") == entry()


async def test_an_answer_without_ttl_is_not_kept() -> None:
    cache = MemoryCache(10**6)
    await cache.put("a", entry(), 0)
    assert await cache.get("a") is None


async def test_the_bytes_are_bounded_and_the_least_recently_used_goes_first() -> None:
    size = 1000
    cache = MemoryCache(3 * (size + ENTRY_OVERHEAD))
    for name in "abc":
        await cache.put(name, entry(size), 60)
    assert await cache.get("a") is not None
    await cache.put("d", entry(size), 60)
    assert [await cache.get(name) is not None for name in "abcd"] == [True, False, True, True]
    for number in range(1000):
        await cache.put(number, entry(size), 60)
    assert cache._entries.currsize <= cache._entries.maxsize


async def test_an_answer_larger_than_the_cache_is_let_go() -> None:
    cache = MemoryCache(5000)
    await cache.put("small", entry(), 60)
    await cache.put("large", entry(5000), 60)
    assert await cache.get("large") is None
    assert await cache.get("small") is not None


async def test_a_write_moves_its_own_resource_on() -> None:
    cache = MemoryCache(10**6)
    before = await cache.version("trades"), await cache.version("alerts")
    await cache.move_on("trades")
    after = await cache.version("trades"), await cache.version("alerts")
    assert after[0] > before[0]
    assert after[1] == before[1]


async def test_asking_for_versions_costs_no_memory() -> None:
    cache = MemoryCache(10**6)
    for number in range(100):
        assert await cache.version(f"metrics:{number}") == 0
    assert len(cache._versions) == 0


def test_the_configuration_names_the_cache() -> None:
    assert isinstance(cache_from(CacheConfig(max_bytes=5000)), MemoryCache)


class Computation:
    """Counts its runs; ends when told to."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.runs = 0
        self.finish = asyncio.Event()
        self._failure = failure

    async def __call__(self) -> Entry:
        self.runs += 1
        await self.finish.wait()
        if self._failure is not None:
            raise self._failure
        return entry()


async def asking(flights: Flights, computation: Any, number: int) -> list[asyncio.Task[Entry]]:
    tasks = [asyncio.create_task(flights.once("key", computation)) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks


async def test_many_who_ask_at_once_share_one_computation() -> None:
    flights, computation = Flights(), Computation()
    tasks = await asking(flights, computation, 50)
    computation.finish.set()
    assert await asyncio.gather(*tasks) == [entry()] * 50
    assert computation.runs == 1


async def test_different_keys_are_computed_apart() -> None:
    flights, computation = Flights(), Computation()
    computation.finish.set()
    await asyncio.gather(*(flights.once(key, computation) for key in "abc"))
    assert computation.runs == 3


async def test_a_failure_reaches_all_and_is_not_kept() -> None:
    flights, computation = Flights(), Computation(LookupError("gone"))
    tasks = await asking(flights, computation, 5)
    computation.finish.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 5
    working = Computation()
    working.finish.set()
    assert await flights.once("key", working) == entry()


@pytest.mark.parametrize("leaver", [0, 3])
async def test_one_who_goes_away_does_not_take_the_others_answer(leaver: int) -> None:
    flights, computation = Flights(), Computation()
    tasks = await asking(flights, computation, 5)
    tasks[leaver].cancel()
    await asyncio.sleep(0)
    computation.finish.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results.pop(leaver), asyncio.CancelledError)
    assert results == [entry()] * 4
    assert computation.runs == 1


async def test_a_computation_that_all_have_left_ends_quietly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flights, computation = Flights(), Computation(LookupError("gone"))
    (task,) = await asking(flights, computation, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    computation.finish.set()
    await asyncio.gather(*flights._under_way.values(), return_exceptions=True)
    assert flights._under_way == {}
    assert caplog.records == []
