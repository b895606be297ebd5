"""The bytes of both logs: each half has its share, and nothing that was evicted is resumed."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.points import Points
from alphapulse_api.log import Event, EventLog
from alphapulse_api.log.held import EVENT_BYTES
from alphapulse_api.log.memory import MemoryEventLog
from alphapulse_api.log.redis import scripts
from alphapulse_api.log.redis.parcels import LOAD_BYTES
from tests.event_logs import LogFollower, ids, redis_log, row, two
from tests.waiting import until

KIB = 1024
MAX = 200 * KIB
HALF = MAX // 2

Open = Callable[..., Awaitable[EventLog]]


@pytest.fixture(params=["memory", "redis"])
async def open_log(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def open_one(**limits: Any) -> EventLog:
            if request.param == "memory":
                return MemoryEventLog(**limits)
            url = request.getfixturevalue("redis_url")
            return await stack.enter_async_context(redis_log(url, **limits))

        yield open_one


def record(id_: object, size: int) -> dict[str, Any]:
    """A record whose JSON has so many bytes."""
    empty = {"id": str(id_), "text": ""}
    return {**empty, "text": "x" * (size - len(dumps(empty)))}


async def append(log: EventLog, channel: str, *records: dict[str, Any]) -> str:
    """Append records; return the cursor after them once the log has published them here."""
    offset = log.offset(channel) + len(records)
    await log.append(channel, records)
    await until(lambda: log.offset(channel) >= offset)
    return log.cursor(channel)


async def test_the_oldest_events_of_a_full_half_are_evicted(open_log: Open) -> None:
    log = await open_log(max_bytes=MAX)
    size = 10 * KIB - EVENT_BYTES
    cursors = [log.cursor("trades")]
    for n in range(25):
        cursors.append(await append(log, "trades", record(n, size)))
    assert log.held["trades"] == HALF
    assert log.evicted["trades"] == 15
    assert [log.since("trades", cursor) is not None for cursor in cursors] == (
        [False] * 15 + [True] * 11
    )
    assert ids(log.since("trades", cursors[15])) == [str(n) for n in range(15, 25)]


@pytest.mark.parametrize("noisy", ["metrics", "portfolio"])
@pytest.mark.parametrize("quiet", ["trades", "alerts"])
async def test_conflated_channels_never_push_out_trades_or_alerts(
    open_log: Open, noisy: str, quiet: str
) -> None:
    log = await open_log(max_bytes=MAX)
    begin = log.cursor(quiet)
    for n in range(5):
        await append(log, quiet, record(n, 18 * KIB))
    for n in range(30):
        await append(log, noisy, record(n, 30 * KIB))
    assert ids(log.since(quiet, begin)) == [str(n) for n in range(5)]
    assert log.held[noisy] <= HALF
    assert log.evicted[quiet] == 0


async def test_trades_never_push_out_metrics_or_the_portfolio(open_log: Open) -> None:
    log = await open_log(max_bytes=MAX)
    begin = {name: log.cursor(name) for name in ("metrics", "portfolio")}
    for name in begin:
        await append(log, name, record(name, 20 * KIB))
    for n in range(30):
        await append(log, "trades", record(n, 30 * KIB))
    for name, cursor in begin.items():
        assert ids(log.since(name, cursor)) == [name]


async def test_the_larger_channel_of_a_half_evicts_first(open_log: Open) -> None:
    log = await open_log(max_bytes=MAX)
    begin = log.cursor("alerts")
    await append(log, "alerts", record("alert", 10 * KIB))
    for n in range(40):
        await append(log, "trades", record(n, 20 * KIB))
    assert ids(log.since("alerts", begin)) == ["alert"]


@pytest.mark.parametrize("channel", ["trades", "portfolio"])
async def test_an_event_beyond_the_bound_is_published_and_not_resumed(
    open_log: Open, channel: str
) -> None:
    log = await open_log(max_bytes=MAX)
    follower = LogFollower(log)
    begin = await append(log, channel, record("small", KIB))
    end = await append(log, channel, record("large", 2 * MAX))
    await follower.expect("small", "large", channel=channel)
    assert log.since(channel, begin) is None
    assert log.since(channel, end) == ()
    assert log.held[channel] == 0
    await append(log, channel, record("next", KIB))
    await follower.expect("small", "large", "next", channel=channel)
    assert ids(log.since(channel, end)) == ["next"]


async def test_points_in_columns_count_and_are_evicted_in_batches(open_log: Open) -> None:
    log = await open_log(max_bytes=MAX)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    point = {"metric_type": "risk", "name": "var", "timestamp": at, "labels": {"book": "main"}}
    points = Points.of([{**point, "value": float(n)} for n in range(50)])
    cursors = [log.cursor("metrics")]
    for n in range(1, 21):
        await log.append("metrics", points)
        await until(lambda n=n: log.offset("metrics") >= 50 * n)
        cursors.append(log.cursor("metrics"))
    assert 0 < log.held["metrics"] <= HALF
    assert log.since("metrics", cursors[0]) is None
    last = log.since("metrics", cursors[-2])
    assert last is not None
    assert [event.data["value"] for event in last] == [float(n) for n in range(50)]
    assert log.evicted["metrics"] > 0


async def test_replayed_events_are_those_that_were_published(open_log: Open) -> None:
    log = await open_log()
    follower = LogFollower(log)
    begin = log.cursor("trades")
    await append(log, "trades", *(record(n, KIB) for n in range(3)))
    replayed = log.since("trades", begin)
    assert replayed is not None
    assert [event.text for event in replayed] == [item.text for item in follower.items]
    assert [event.offset for event in replayed] == [item.offset for item in follower.items]


# -- the running size of both ---------------------------------------------------------------------


async def test_the_size_in_memory_is_the_sum_of_the_events(open_log: Open) -> None:
    chance = random.Random(1)
    log = await open_log(size=40, max_bytes=MAX)
    begin = {name: [log.cursor(name)] for name in CHANNELS}
    for n in range(300):
        name = chance.choice(list(CHANNELS))
        if not chance.randrange(25):
            await log.gap(name)
            await until(lambda name=name, at=begin[name][-1]: log.cursor(name) != at)
            begin[name] = [log.cursor(name)]
            continue
        records = [record(n, chance.randrange(100, 9000)) for _ in range(chance.randrange(1, 6))]
        begin[name].append(await append(log, name, *records))
        for channel, cursors in begin.items():
            kept = max((log.since(channel, cursor) or () for cursor in cursors), key=len)
            least = sum(map(_bytes, kept))
            assert least <= log.held[channel]
            if log.since(channel, cursors[0]) is not None:
                assert log.held[channel] == least
    assert sum(log.evicted.values()) > 100


def _bytes(event: Event) -> int:
    return EVENT_BYTES + len(dumps(event.data))


# -- Redis ----------------------------------------------------------------------------------------


def counted(client: redis.Redis, channel: str) -> int:
    """The running size that the script keeps."""
    stream = scripts.STREAMS[channel]
    size, floor = client.hmget(scripts.LOG, f"bytes:{stream}", f"floor:{stream}")
    return int(size or 0) - int(floor or 0)


def summed(client: redis.Redis, channel: str) -> int:
    """The bytes of the entries in the stream."""
    return sum(
        100 + sum(len(key) + len(value) for key, value in fields.items() if key not in POSITION)
        for _, fields in client.xrange(scripts.STREAMS[channel])
    )


POSITION = {b"after", b"before"}


@pytest.mark.parametrize("seed", range(8))
async def test_the_running_size_in_redis_is_the_sum_of_its_entries(
    redis_url: str, redis_client: redis.Redis, seed: int
) -> None:
    chance = random.Random(seed)
    names = list(CHANNELS)
    for start in range(3):
        async with two(redis_url, size=60, max_bytes=MAX) as (one, other, _, _):
            for n in range(40):
                name, log = chance.choice(names), chance.choice((one, other))
                match chance.randrange(12):
                    case 0:
                        redis_client.flushdb()
                    case 1:
                        redis_client.delete(scripts.STREAMS[name])
                    case 2:
                        await log.gap(name)
                    case 3:
                        redis_client.set(scripts.STREAMS[name], "not a stream")
                    case 4:
                        await log.relay([row(f"{start}/{n}", n), row(f"{start}/{n}", n)])
                        name = "trades"
                sizes = [chance.randrange(100, 20 * KIB) for _ in range(chance.randrange(1, 8))]
                await log.append(name, [record(n, size) for size in sizes], tags=(name,))
                assert counted(redis_client, name) == summed(redis_client, name)
                load = sum(sizes) + 200 * len(sizes)
                for half in (("metrics", "portfolio"), ("trades", "alerts")):
                    held = [counted(redis_client, each) for each in half]
                    assert sum(held) <= HALF + load


async def test_an_event_beyond_the_bound_reaches_the_sockets_of_every_process(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with two(redis_url, max_bytes=MAX) as (one, other, here, there):
        begin = one.cursor("portfolio")
        await append(one, "portfolio", record("large", 2 * MAX))
        for follower in (here, there):
            await follower.expect("large", channel="portfolio")
        await one.append("metrics", [record("point", KIB)])
        assert counted(redis_client, "portfolio") == 0
        for log in (one, other):
            assert log.since("portfolio", begin) is None
        async with redis_log(redis_url, max_bytes=MAX) as late:
            assert late.since("portfolio", begin) is None
            assert late.since("portfolio", one.cursor("portfolio")) == ()


async def test_the_events_of_one_load_are_not_evicted_before_they_are_read(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with two(redis_url, max_bytes=MAX) as (one, _, here, there):
        await one.append("trades", [record(n, LOAD_BYTES // 5) for n in range(4)])
        for follower in (here, there):
            await follower.expect("0", "1", "2", "3")
        await one.append("alerts", [record("alert", KIB)])
        assert counted(redis_client, "trades") == 0


async def test_what_was_evicted_from_redis_is_not_resumed_by_a_later_process(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with redis_log(redis_url, max_bytes=MAX) as log:
        cursors = [log.cursor("trades")]
        for n in range(30):
            cursors.append(await append(log, "trades", record(n, 10 * KIB)))
        await until(lambda: log.shared["trades"] == summed(redis_client, "trades"))
    async with redis_log(redis_url, max_bytes=MAX) as late:
        reached = [late.since("trades", cursor) is not None for cursor in cursors]
        assert reached == sorted(reached)
        assert reached.count(True) == 10  # and the end of the log among them
        for missed, cursor in zip(range(30, -1, -1), cursors, strict=True):
            events = late.since("trades", cursor)
            assert events is None or len(events) == missed
