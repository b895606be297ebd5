"""The event log that processes share, while Redis is away, harmed, slow or closed to it."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import redis

from alphapulse_api.log.redis import log as log_module
from tests import view
from tests.event_logs import Log, LogFollower, behind, ids, redis_log, trades, two
from tests.proxy import proxied
from tests.redis_server import RedisServer, running
from tests.waiting import SECONDS, until


@pytest.fixture
def harmed(tmp_path: Path) -> Iterator[RedisServer]:
    """A server to do harm to; it keeps nothing."""
    with running(tmp_path / "redis") as server:
        yield server


async def back(*logs: Log) -> None:
    await until(lambda: not any(log.link.trouble or log.waiting for log in logs))


async def test_a_redis_that_comes_back_empty_is_a_break_for_all(harmed: RedisServer) -> None:
    async with two(harmed.url) as (one, other, here, there):
        await one.append("trades", trades(1))
        await asyncio.gather(here.expect("1"), there.expect("1"))
        harmed.kill()
        async with asyncio.timeout(SECONDS):  # it comes back only later
            await one.append("trades", trades(2))
            await one.append("trades", trades(3))
        assert one.waiting == 2
        assert ids(other.since("trades", here.cursors()[0])) == [], "the past is in memory"
        await asyncio.to_thread(harmed.start)
        for follower in (here, there):
            await follower.until(lambda follower=follower: follower.received()[-1] == "3")
            assert follower.received() == ["1", "gap", "2", "3"]
            assert follower.received("alerts") == ["gap"]
        assert here.cursors() == there.cursors()
        assert other.since("trades", here.cursors()[0]) is None
        assert ids(other.since("trades", here.cursors()[1])) == ["2", "3"]
        async with asyncio.timeout(SECONDS):  # readers may see it before its writer is answered
            await view.drained(one)
        assert one.waiting == 0


async def test_a_redis_that_is_emptied_under_us_is_a_break_for_all(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with two(redis_url) as (one, _, here, there):
        await one.append("trades", trades(1))
        await asyncio.gather(here.expect("1"), there.expect("1"))
        redis_client.flushdb()
        await asyncio.gather(here.expect("1", "gap"), there.expect("1", "gap"))
        await one.append("trades", trades(2))
        await asyncio.gather(here.expect("1", "gap", "2"), there.expect("1", "gap", "2"))


async def test_a_redis_that_keeps_everything_loses_nothing(tmp_path: Path) -> None:
    options = {"appendonly": "yes", "appendfsync": "always"}
    with running(tmp_path / "redis", **options) as server:
        async with two(server.url) as (one, other, here, there):
            await one.append("trades", trades(1))
            await asyncio.gather(here.expect("1"), there.expect("1"))
            server.kill()
            await one.append("trades", trades(2))
            await other.append("trades", trades(3))
            await asyncio.to_thread(server.start)
            await back(one, other)
            await one.append("trades", trades(4))
            for follower in (here, there):
                await follower.until(lambda follower=follower: "4" in follower.received())
            assert here.received() == there.received()
            assert sorted(here.received()) == ["1", "2", "3", "4"]
            assert ids(other.since("trades", here.cursors()[0])) == here.received()[1:]
            assert (one.gaps, other.gaps) == (0, 0)


async def test_a_redis_that_lost_its_newest_is_a_break_for_all_once(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    with running(folder) as server:
        async with two(server.url) as (one, other, here, there):
            await one.append("trades", trades(1))
            await asyncio.gather(here.expect("1"), there.expect("1"))
            with server.client() as client:
                client.save()
            await one.append("trades", trades("lost 1", "lost 2"))
            for follower in (here, there):
                await follower.until(lambda follower=follower: len(follower.items) == 3)
            server.kill()
            await other.append("trades", trades(2))
            await asyncio.to_thread(server.start)
            for follower in (here, there):
                await follower.until(lambda follower=follower: follower.received()[-1] == "2")
                assert follower.received() == ["1", "lost 1", "lost 2", "gap", "2"]
                assert follower.received("alerts") == [], "nothing of it was lost"
            await other.append("trades", trades(3, 4))
            await here.until(lambda: here.received()[-1] == "4")
            for cursor in here.cursors()[:3]:
                assert one.since("trades", cursor) is None
            assert here.cursors()[3:] == there.cursors()[3:]
            async with redis_log(server.url) as late:
                for cursor in here.cursors()[1:3]:
                    assert late.since("trades", cursor) is None
                assert ids(late.since("trades", here.cursors()[3])) == ["2", "3", "4"]


async def test_what_only_its_writer_knew_is_a_break_for_the_others_too(tmp_path: Path) -> None:
    """It was in Redis, nobody had read it yet, and then it was not."""
    with running(tmp_path / "redis") as server:
        async with AsyncExitStack() as stack:
            writer = await stack.enter_async_context(redis_log(server.url, read=False))
            reader = await stack.enter_async_context(redis_log(server.url))
            follower = LogFollower(reader)
            await writer.append("trades", trades(1))
            await follower.expect("1")
            with server.client() as client:
                client.save()
            saved = shutil.copy(tmp_path / "redis/dump.rdb", tmp_path / "saved")
            # The reader does not get to see it, as if it had been slow.
            await view.stop_reading(reader)
            await writer.append("trades", trades("lost"))
            server.kill()
            shutil.copy(saved, tmp_path / "redis/dump.rdb")
            await asyncio.to_thread(server.start)
            view.read_again(reader)
            await follower.expect("1", "gap")
            await writer.append("trades", trades(2))
            await follower.expect("1", "gap", "2")


async def test_a_frozen_network_delays_and_loses_nothing(redis_url: str) -> None:
    async with (
        proxied(redis_url.replace("redis:", "http:")) as proxy,
        redis_log(behind(proxy)) as one,
        redis_log(redis_url) as other,
    ):
        here, there = LogFollower(one), LogFollower(other)
        await one.append("trades", trades(1))
        proxy.freeze()
        async with asyncio.timeout(SECONDS):  # the network thaws only later
            await one.append("trades", trades(2))
        await one.append("trades", trades(3))
        await other.append("trades", trades("of the other"))
        await there.expect("1", "of the other")
        proxy.thaw()
        for follower in (here, there):
            await follower.until(lambda follower=follower: len(follower.items) >= 4)
        assert here.received() == there.received() == ["1", "of the other", "2", "3"]


async def test_what_no_longer_fits_while_redis_is_away_is_a_break_for_all(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "kept", appendonly="yes", appendfsync="always") as server:
        async with two(server.url, queue_bytes=1000) as (one, other, here, there):
            await other.append("trades", trades(1))
            await asyncio.gather(here.expect("1"), there.expect("1"))
            server.kill()
            await until(lambda: one.link.trouble)
            for n in range(2, 40):
                await one.append("trades", trades(n))
            assert one.waiting < 20
            await asyncio.to_thread(server.start)
            for follower in (here, there):
                await follower.until(lambda follower=follower: follower.received()[-1] == "39")
                kept = len(follower.received()) - 2
                assert follower.received() == ["1", "gap", *map(str, range(40 - kept, 40))]
                assert "gap" not in follower.received("alerts")
            assert here.cursors() == there.cursors()
            assert one.since("trades", here.cursors()[0]) is None
            assert ids(other.since("trades", here.cursors()[1])) == here.received()[2:]


async def test_a_log_opened_while_redis_is_away_is_entered_when_it_comes(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "kept", appendonly="yes", appendfsync="always") as server:
        async with redis_log(server.url) as log:
            before = LogFollower(log)
            await log.append("trades", trades(1))
            await before.expect("1")
        server.kill()
        async with redis_log(server.url) as log:
            follower = LogFollower(log)
            nowhere = log.cursor("trades")
            assert log.since("trades", before.cursors()[0]) is None
            await log.append("trades", trades(2))
            await asyncio.to_thread(server.start)
            await follower.expect("gap", "2")
            assert log.since("trades", nowhere) is None
            assert ids(log.since("trades", before.cursors()[0])) == ["2"], "the past was read"


async def test_what_still_waits_at_the_end_is_sent_or_complained_about(
    harmed: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "CLOSE_SECONDS", 0.05)
    async with redis_log(harmed.url) as log:
        follower = LogFollower(log)
        appending = asyncio.create_task(log.append("trades", trades(1)))
        await asyncio.sleep(0)
        appending.cancel()
        await follower.expect("1")
        await until(lambda: not log.waiting)
        with caplog.at_level(logging.ERROR, "alphapulse_api.log"):
            harmed.kill()
            await until(lambda: log.link.trouble)
            await log.append("trades", trades(2))
    assert "1 events that may not have reached redis" in caplog.text


async def test_a_writer_does_not_wait_for_a_log_that_closes(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "CLOSE_SECONDS", 0.05)
    async with proxied(redis_url.replace("redis:", "http:")) as proxy:
        async with redis_log(behind(proxy)) as log:
            proxy.freeze()
            appending = asyncio.create_task(log.append("trades", trades(1)))
            await asyncio.sleep(0)
        await asyncio.wait_for(appending, 1)


async def test_a_reader_whose_connection_is_cut_goes_on_where_it_was(
    redis_url: str, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async with redis_log(redis_url) as log:
        follower = LogFollower(log)
        await log.append("trades", trades(1))
        await follower.expect("1")
        redis_client.client_kill_filter(_type="normal", skipme=True)
        await asyncio.sleep(0)
        await log.append("trades", trades(2))
        await follower.expect("1", "2")
        assert log.gaps == 0
