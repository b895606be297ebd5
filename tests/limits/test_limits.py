"""The rate limit's arithmetic, in the process and in Redis, against a clock that the test turns."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import redis

from alphapulse_api.domain.errors import RateLimited
from alphapulse_api.limits import Gcra, Limiter, Verdict, limiter
from alphapulse_api.runtime.redis import RedisLink

NOW = "redis.call('TIME')"


class Clock:
    """Seconds, for this process and, where a URL is given, for the script in that Redis."""

    def __init__(self, url: str | None = None, client: redis.Redis | None = None) -> None:
        self.url = url
        self._client = client
        self.now = 1000.0

    def __call__(self) -> float:
        return self._now

    @property
    def now(self) -> float:
        return self._now

    @now.setter
    def now(self, now: float) -> None:
        self._now = now
        if self._client is not None:
            seconds, microseconds = divmod(round(now * 1_000_000), 1_000_000)
            self._client.mset({"seconds": seconds, "microseconds": microseconds})


@pytest.fixture(params=["memory", "redis"])
async def clock(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Clock]:
    """The time, and with it where the counts are."""
    if request.param == "memory":
        yield Clock()
        return
    turned = "{redis.call('GET', 'seconds'), redis.call('GET', 'microseconds')}"
    assert NOW in limiter.TAKE
    monkeypatch.setattr(limiter, "TAKE", limiter.TAKE.replace(NOW, turned))
    url = request.getfixturevalue("redis_url")
    with redis.Redis.from_url(url) as client:
        yield Clock(url, client)


@asynccontextmanager
async def limited(clock: Clock, quota: int, window: float) -> AsyncIterator[Limiter]:
    gcra = Gcra(quota, window, clock=clock)
    if clock.url is None:
        yield Limiter("tests", gcra)
        return
    link = RedisLink(clock.url, "tests")
    yield Limiter("tests", gcra, link)
    assert link.trouble is None
    await link.close()


@pytest.fixture
async def limit(clock: Clock) -> AsyncIterator[Limiter]:
    async with limited(clock, 120, 60.0) as limit:
        yield limit


async def test_the_whole_quota_may_come_at_once_and_not_one_more(limit: Limiter) -> None:
    remaining = [(await limit.take("ann")).remaining for _ in range(120)]
    assert remaining == list(range(119, -1, -1))
    refused = await limit.take("ann")
    assert not refused.allowed
    assert refused.remaining == 0
    assert refused.retry_after == pytest.approx(0.5)
    assert refused.reset == pytest.approx(60)


async def test_the_allowance_comes_back_evenly(limit: Limiter, clock: Clock) -> None:
    for _ in range(120):
        await limit.take("ann")
    for _ in range(240):  # as many again as two windows let through
        clock.now += 0.5
        assert (await limit.take("ann")).allowed
        assert not (await limit.take("ann")).allowed


async def test_no_window_lets_more_than_two_quotas_through_however_it_is_cut(
    limit: Limiter, clock: Clock
) -> None:
    through = 0
    for _ in range(600):
        clock.now += 0.1
        through += (await limit.take("ann")).allowed
    assert through <= 240


async def test_refusals_cost_nothing(limit: Limiter, clock: Clock) -> None:
    for _ in range(1000):
        await limit.take("ann")
    clock.now += 60
    assert (await limit.take("ann")).remaining == 119


async def test_callers_do_not_share(limit: Limiter) -> None:
    for _ in range(121):
        await limit.take("ann")
    assert (await limit.take("bob")).remaining == 119


async def test_giving_back_undoes_one(limit: Limiter) -> None:
    for _ in range(3):
        await limit.take("ann")
    await limit.give_back("ann")
    await limit.give_back("nobody")
    assert (await limit.take("ann")).remaining == 117
    assert (await limit.take("nobody")).remaining == 119


async def test_any_text_names_a_caller(limit: Limiter) -> None:
    for caller in ("", "a b\r\n{}*", "ü" * 10_000, "\x00"):
        assert (await limit.take(caller)).remaining == 119


@pytest.mark.parametrize("seed", range(5))
async def test_both_kinds_count_alike(clock: Clock, seed: int) -> None:
    """A random life of three callers, against a limit of its own in memory."""
    dice = random.Random(seed)
    quota, window = dice.choice([(1, 1), (3, 10), (7, 60), (120, 60), (1000, 1)])
    async with limited(clock, quota, float(window)) as limit:
        measure = Gcra(quota, float(window), clock=clock)
        for _ in range(200):
            clock.now += round(dice.choice([0, 0, 0.01, 1, 2]) * dice.random() * window / quota, 6)
            caller = dice.choice("abc")
            if dice.random() < 0.2:
                await limit.give_back(caller)
                measure.give_back(caller)
            verdict, expected = await limit.take(caller), measure.take(caller)
            assert verdict[:2] == expected[:2]
            assert verdict[2:] == pytest.approx(expected[2:], abs=2e-6)


def test_one_number_a_caller_and_a_bound_on_callers() -> None:
    limit = Gcra(1, 60.0, callers=2, clock=Clock())
    for caller in ("ann", "bob", "cyd"):
        assert limit.take(caller).allowed
    assert limit.take("ann").allowed  # forgotten: the bound is on memory
    assert not limit.take("cyd").allowed


async def test_what_redis_holds_is_bounded_in_time_and_in_reach(redis_url: str) -> None:
    """Neither a clock set back nor another's value keeps anybody out for longer than a window."""
    link = RedisLink(redis_url, "tests")
    limit = Limiter("tests", Gcra(2, 60.0), link)
    with redis.Redis.from_url(redis_url) as client:
        assert (await limit.take("ann")).remaining == 1
        (key,) = client.keys()
        assert 59_000 < client.pttl(key) <= 60_000
        client.set(key, "9" * 20)
        assert await limit.take("ann") == Verdict(False, 0, 60.0, 30.0)
        for damaged in ("", "soon", "-inf"):
            client.set(key, damaged)
            assert (await limit.take("ann")).remaining == 1
    await link.close()


async def test_two_limits_of_one_name_are_one_and_of_two_names_are_two(redis_url: str) -> None:
    links = [RedisLink(redis_url, "tests") for _ in range(2)]
    here, there = (Limiter("logins", Gcra(10, 60.0), link) for link in links)
    other = Limiter("requests", Gcra(10, 60.0), links[0])
    for _ in range(5):
        assert (await here.take("ann")).allowed
        assert (await there.take("ann")).allowed
    assert not (await here.take("ann")).allowed
    assert not (await there.take("ann")).allowed
    assert (await other.take("ann")).remaining == 9
    for link in links:
        await link.close()


@pytest.mark.parametrize(
    ("seconds", "retry_after"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2")]
)
def test_retry_after_is_rounded_up_and_never_0(seconds: float, retry_after: str) -> None:
    problem = RateLimited("At most 2", seconds)
    assert problem.headers == {"Retry-After": retry_after}
    assert problem.detail == f"At most 2; try again in {retry_after} s."
