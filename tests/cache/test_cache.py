"""What is kept, how long, and until which write; and one computation a key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from multidict import CIMultiDict
from redis.asyncio import Redis

from alphapulse_api.cache import Cache, Entry, SingleFlight, base, cache_from
from alphapulse_api.cache.memory import ENTRY_OVERHEAD, MemoryCache
from alphapulse_api.cache.redis import MAX_VALUE_BYTES, VERSIONS_SECONDS, RedisCache
from alphapulse_api.cache.values import TOKEN_BYTES, decode, encode, etag_of
from alphapulse_api.config import CacheConfig
from alphapulse_api.runtime.redis import RedisLink
from tests import view
from tests.waiting import until


def entry(size: int = 10, text: str = "x") -> Entry:
    body = (text * size).encode()
    return Entry(body, etag_of(body), CIMultiDict({"Content-Type": "application/json"}))


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    """Looks at what is kept in Redis from outside."""
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    """An empty cache of either kind."""
    if request.param == "memory":
        yield MemoryCache(10**8)
        return
    link = RedisLink(request.getfixturevalue("redis_url"), "cache.redis_url")
    cache = RedisCache(link)
    await link.open()
    yield cache
    await link.close()


async def keep(cache: Cache, name: str, kept: Entry, ttl: float = 60) -> None:
    version, _ = await cache.look("trades", (name,))
    assert version is not None
    await cache.put("trades", (name,), version, kept, ttl)


async def found(cache: Cache, name: str) -> Entry | None:
    return (await cache.look("trades", (name,)))[1]


@pytest.mark.parametrize("version", [None, "5.6a3f"])
async def test_what_is_put_is_found_as_it_was(cache: Cache, version: str | None) -> None:
    kept = Entry(
        "ü\n\0".encode(),
        etag_of("ü\n\0".encode(), version),
        CIMultiDict({"Link": '</api/trades?cursor=x>; rel="next"', "content-type": "text/csv"}),
    )
    await keep(cache, "a", kept)
    assert await found(cache, "a") == kept
    assert await found(cache, "b") is None


async def test_an_answer_without_ttl_is_not_kept(cache: Cache) -> None:
    await keep(cache, "a", entry(), 0)
    assert await found(cache, "a") is None


async def test_an_answer_dies_of_age(cache: Cache) -> None:
    await keep(cache, "short", entry(), 0.05)
    await keep(cache, "long", entry(), 50)
    assert await found(cache, "short") == entry()

    async def is_gone() -> bool:
        return await found(cache, "short") is None

    await until(is_gone)
    assert await found(cache, "long") == entry()


async def test_a_write_makes_the_answers_of_its_resources_unreachable(cache: Cache) -> None:
    versions = {}
    for resource in ("metrics", "metrics:risk", "alerts"):
        versions[resource], _ = await cache.look(resource, ("a",))
        await cache.put(resource, ("a", resource), versions[resource], entry(), 60)
    await cache.invalidate("metrics", "metrics:risk")
    for resource, before in versions.items():
        version, kept = await cache.look(resource, ("a", resource))
        assert (version == before, kept is not None) == (resource == "alerts",) * 2


async def test_an_answer_that_a_write_overtook_is_not_found(cache: Cache) -> None:
    before, _ = await cache.look("trades", ("a",))
    await cache.invalidate("trades")
    await cache.put("trades", ("a",), before, entry(), 60)
    assert await found(cache, "a") is None
    # Nor does it take the place of a newer one.
    await keep(cache, "a", entry(text="new"))
    await cache.put("trades", ("a",), before, entry(text="old"), 60)
    assert await found(cache, "a") == entry(text="new")


async def test_a_version_never_comes_back(cache: Cache) -> None:
    seen = set()
    for _ in range(20):
        version, _ = await cache.look("trades", ("a",))
        assert version == (await cache.look("trades", ("b",)))[0]
        seen.add(version)
        await cache.invalidate("trades")
    assert len(seen) == 20


async def test_an_answer_that_is_too_large_is_let_go(redis_url: str) -> None:
    link = RedisLink(redis_url, "cache.redis_url")
    for cache, size in ((MemoryCache(5000), 5000), (RedisCache(link), MAX_VALUE_BYTES)):
        await keep(cache, "small", entry())
        await keep(cache, "large", entry(size))
        assert await found(cache, "large") is None
        assert await found(cache, "small") is not None
    await link.close()


class Clock:
    """Seconds that pass on demand."""

    def __init__(self, cache: MemoryCache) -> None:
        self.now = 1000.0
        view.set_clock(cache, lambda: self.now)


async def test_in_memory_an_answer_is_kept_for_its_own_ttl() -> None:
    cache = MemoryCache(10**6)
    clock = Clock(cache)
    await keep(cache, "short", entry(), 5)
    await keep(cache, "long", entry(), 50)
    clock.now += 4.9
    assert await found(cache, "short") == entry()
    clock.now += 0.2
    assert await found(cache, "short") is None
    assert await found(cache, "long") == entry()


async def test_in_memory_the_bytes_are_bounded_and_the_least_recently_used_goes_first() -> None:
    size = 1000
    cache = MemoryCache(3 * (size + ENTRY_OVERHEAD + len("a")))
    for name in "abc":
        await keep(cache, name, entry(size))
    assert await found(cache, "a") is not None
    await keep(cache, "d", entry(size))
    assert [await found(cache, name) is not None for name in "abcd"] == [True, False, True, True]
    for number in range(1000):
        await keep(cache, str(number), entry(size))
    assert view.entries(cache).currsize <= view.entries(cache).maxsize
    # What was asked is kept beside the answer: it counts, too.
    for number in range(10):
        await keep(cache, f"{number}".zfill(2 * size), entry(0))
    assert len(view.entries(cache)) == 2


async def test_names_of_resources_take_bounded_memory(
    redis_url: str, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "SLOTS", 8)
    link = RedisLink(redis_url, "cache.redis_url")
    await link.open()
    in_memory, in_redis = MemoryCache(10**6), RedisCache(link)
    for cache in (in_memory, in_redis):
        for number in range(100):
            await cache.look(f"metrics:{number}", ("a",))
    assert len(view.versions(in_memory)) == 0, "asking alone leaves nothing"
    assert await redis_client.hlen("{alphapulse}:versions") <= 8 + 1
    assert 0 < await redis_client.ttl("{alphapulse}:versions") <= VERSIONS_SECONDS
    for cache in (in_memory, in_redis):
        for number in range(100):
            before, _ = await cache.look(f"metrics:{number}", ("a",))
            await cache.invalidate("metrics", f"metrics:{number}")
            assert (await cache.look(f"metrics:{number}", ("a",)))[0] != before
    assert len(view.versions(in_memory)) <= 8 + 1
    await link.close()


async def test_the_configuration_names_the_cache() -> None:
    assert isinstance(cache_from(CacheConfig(max_bytes=5000), None), MemoryCache)
    link = RedisLink("redis://localhost", "cache.redis_url")
    assert isinstance(cache_from(CacheConfig(), link), RedisCache)


TOKEN = b"t" * TOKEN_BYTES
VALUE = encode(TOKEN, entry())


@pytest.mark.parametrize(
    "value",
    [
        b"",
        TOKEN,
        VALUE[:-1],
        VALUE + b"x",
        VALUE.replace(b"xxx", b"xyx", 1),
        VALUE.replace(b"\n", b""),
        VALUE.replace(b'"Content-Type"', b'"Content-Type\\r\\nX-Evil"'),
        VALUE.replace(b"application/json", b"a\\r\\nSet-Cookie: x"),
        VALUE.replace(b'"Content-Type"', b"1"),
        VALUE.replace(b'[["Content-Type"', b'["Content-Type"'),
        TOKEN + b"[" * 100_000 + b"\n" + entry().body,
        TOKEN + b"null\n" + entry().body,
        TOKEN + b"\xff\n" + entry().body,
        b"\x80\x04\x95" + VALUE,
    ],
)
def test_a_damaged_value_is_no_answer(value: bytes) -> None:
    assert decode(VALUE) == entry()
    assert decode(value) is None


async def asking(flight: SingleFlight, computation: Any, number: int) -> list[asyncio.Task[Entry]]:
    tasks = [asyncio.create_task(flight.once("key", computation)) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks
