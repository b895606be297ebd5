"""Entries of the shared event log: foreign ones are skipped, invalidations precede their events."""

from __future__ import annotations

import asyncio
import logging

import pytest
import redis

from alphapulse_api.log.position import StreamPosition
from alphapulse_api.log.redis import scripts
from tests import view
from tests.event_logs import LogFollower, behind, ids, redis_log, row, trades, two
from tests.log.test_redis_log import STREAM
from tests.proxy import proxied
from tests.waiting import until


@pytest.mark.parametrize("fields", [{"a": "b"}, {"after": "x", "data": "{}"}, {"data": "{}"}])
async def test_foreign_entries_are_passed_over(
    redis_url: str,
    redis_client: redis.Redis,
    caplog: pytest.LogCaptureFixture,
    fields: dict[str, str],
) -> None:
    async with two(redis_url) as (one, other, here, there):
        await one.append("trades", trades(1))
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                redis_client.xadd(STREAM, fields)
                await until(lambda: one.unreadable and other.unreadable)
        await one.append("trades", trades(2))
        await asyncio.gather(here.expect("1", "2"), there.expect("1", "2"))
        async with redis_log(redis_url) as late:
            assert ids(late.since("trades", here.cursors()[0])) == ["2"]
            assert late.unreadable == 3
    skipped = [r.message.startswith("skipped a foreign or damaged entry") for r in caplog.records]
    assert skipped == [True] * 3, "each once"


async def test_a_foreign_entry_of_the_far_future_stops_nothing(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with two(redis_url) as (one, other, here, there):
        await one.append("trades", trades(1))
        await asyncio.gather(here.expect("1"), there.expect("1"))
        redis_client.xadd(STREAM, {"a": "b"}, id="99999999999999-0")
        await until(lambda: one.unreadable and other.unreadable)
        await one.append("trades", trades(2))
        await asyncio.gather(here.expect("1", "2"), there.expect("1", "2"))


async def test_a_foreign_entry_just_ahead_costs_nothing_of_the_past(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with two(redis_url) as (one, _, here, there):
        await one.append("trades", trades(1))
        await here.expect("1")
        place = StreamPosition.parse(here.cursors()[0])
        assert place is not None
        redis_client.xadd(STREAM, {"a": "b"}, id=f"{place.ms + 5000}-9")
        await one.append("trades", trades(2, 3))
        await asyncio.gather(here.expect("1", "2", "3"), there.expect("1", "2", "3"))
        async with redis_log(redis_url) as late:
            assert ids(late.since("trades", here.cursors()[0])) == ["2", "3"]
            assert late.unreadable == 1


async def test_a_damaged_event_is_a_break(redis_url: str, redis_client: redis.Redis) -> None:
    async with two(redis_url) as (one, _, here, there):
        await one.append("trades", trades(1))
        await here.expect("1")
        after = here.cursors()[0]
        place = StreamPosition.parse(after)
        assert place is not None
        damaged = f"{place.ms + 1}-{place.offset + 1}"
        redis_client.xadd(STREAM, {"after": after, "data": '{"id'}, id=damaged)
        redis_client.hset(scripts.LOG, STREAM, damaged)
        await one.append("trades", trades(2))
        await asyncio.gather(here.expect("1", "gap", "2"), there.expect("1", "gap", "2"))
        assert one.unreadable == 1


async def test_a_key_of_another_kind_is_replaced(redis_url: str, redis_client: redis.Redis) -> None:
    redis_client.set(STREAM, "not a stream")
    async with redis_log(redis_url) as log:
        await log.append("trades", trades(1))
        follower = LogFollower(log)
        await log.append("trades", trades(2))
        await follower.until(lambda: "2" in follower.received())


async def test_a_change_is_known_elsewhere_before_its_event(redis_url: str) -> None:
    async with redis_log(redis_url) as one, redis_log(redis_url) as other:
        await until(lambda: view.follows(one) and view.follows(other))
        story: list[object] = []
        one.on_change(lambda resource: story.append(f"own {resource}"))
        other.on_change(story.append)
        follower = LogFollower(other)
        other.follow(lambda events: story.extend(ids(events) or ()), lambda _: None)
        await one.append("trades", trades(1), ["trades"])
        await one.announce(["agents"])
        await one.announce([])
        await one.append("metrics", [], ["metrics", "metrics:risk"])
        await follower.expect("1")
        await until(lambda: "metrics:risk" in story)
        said = [item for item in story if item not in (None, "own None")]
        assert said == ["trades", "1", "agents", "metrics", "metrics:risk"]


async def test_thousands_of_invalidations_hold_up_no_event_and_none_is_missed(
    redis_url: str,
) -> None:
    """An event carries its own; the others are read beside it, however many there are."""
    async with redis_log(redis_url) as one, redis_log(redis_url) as other:
        await until(lambda: view.follows(one) and view.follows(other))
        story: list[object] = []
        other.on_change(story.append)
        other.follow(lambda events: story.extend(ids(events) or ()), lambda _: None)
        follower = LogFollower(other)
        names = [f"metrics:m{n}" for n in range(3000)]
        entries = [view.put(one, [name]) for name in names[:10]]
        view.start_sending(one)
        await asyncio.gather(*(entry for entry in entries if entry is not None))
        for at in range(10, 3000, 10):
            await one.announce(names[at : at + 10])
        await one.relay([row("a", 1)])
        await follower.expect("1")
        assert story.index("trades") < story.index("1")
        await until(lambda: set(names) <= set(story))


async def test_invalidations_that_were_trimmed_are_noticed(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with (
        redis_log(redis_url) as one,
        proxied(redis_url.replace("redis:", "http:")) as proxy,
        redis_log(behind(proxy)) as other,
    ):
        await until(lambda: view.follows(other))
        await one.announce(["agents"])
        seen: list[object] = []
        other.on_change(seen.append)
        proxy.freeze()
        for n in range(300):
            await one.announce([f"metrics:m{n}"])
        redis_client.xtrim(scripts.CHANGES, maxlen=1, approximate=False)
        proxy.thaw()
        await until(lambda: None in seen)
        await one.announce(["system"])
        await until(lambda: "system" in seen)
