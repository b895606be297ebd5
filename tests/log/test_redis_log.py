"""The event log that processes share: one order for all, and no silence, whatever happens to Redis.

Each log here is what one process has of it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis

from alphapulse_api.log.base import LogAway
from alphapulse_api.log.position import StreamPosition
from alphapulse_api.log.redis import log as log_module
from alphapulse_api.log.redis import scripts
from tests import view
from tests.event_logs import Log, LogFollower, behind, ids, redis_log, row, trades, two
from tests.proxy import proxied
from tests.waiting import until

STREAM = scripts.STREAMS["trades"]


# -- one log --------------------------------------------------------------------------------------


async def test_every_process_is_handed_the_same_order_under_the_same_cursors(
    redis_url: str,
) -> None:
    async with two(redis_url) as (one, other, here, there):

        async def write(log: Log, name: str) -> None:
            for n in range(100):
                await log.append("trades", trades(f"{name}{n}", f"{name}{n}'"))

        await asyncio.gather(write(one, "a"), write(other, "b"))
        for follower in (here, there):
            await follower.until(lambda follower=follower: len(follower.items) >= 400)
        assert here.received() == there.received()
        assert here.cursors() == there.cursors()
        assert len(set(here.cursors())) == 400
        texts = [[item.text for item in follower.items] for follower in (here, there)]
        assert texts[0] == texts[1]
        places = [StreamPosition.parse(cursor) for cursor in here.cursors()]
        assert [place.offset for place in places if place] == list(range(1, 401))


async def test_a_cursor_of_one_resumes_on_another_and_on_one_that_starts_later(
    redis_url: str,
) -> None:
    async with two(redis_url) as (one, other, here, there):
        start = one.cursor("trades")
        await one.append("trades", trades(*range(5)))
        await asyncio.gather(
            *(
                follower.until(lambda follower=follower: len(follower.items) == 5)
                for follower in (here, there)
            )
        )
        async with redis_log(redis_url) as late:
            for cursor, missed in zip([start, *here.cursors()], range(6), strict=True):
                for log in (one, other, late):
                    assert ids(log.since("trades", cursor)) == [str(n) for n in range(missed, 5)]
            assert late.since("alerts", late.cursor("alerts")) == ()


async def test_a_long_past_is_read_in_pages(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alphapulse_api.log.redis.past.PAGE", 10)
    async with redis_log(redis_url) as log:
        follower = LogFollower(log)
        await log.append("trades", trades(*range(95)))
        await follower.until(lambda: len(follower.items) == 95)
    async with redis_log(redis_url, size=42) as late:
        assert ids(late.since("trades", follower.cursors()[52])) == [str(n) for n in range(53, 95)]
        assert late.since("trades", follower.cursors()[51]) is None


async def test_what_has_grown_too_old_is_not_read_again(redis_url: str) -> None:
    async with redis_log(redis_url) as log:
        follower = LogFollower(log)
        await log.append("trades", trades(1))
        await follower.expect("1")
    await asyncio.sleep(0.02)
    async with redis_log(redis_url, ttl=0.01) as late:
        assert late.cursor("trades") == follower.cursors()[0]
        assert late.since("trades", late.cursor("trades")) == ()
    async with redis_log(redis_url) as late:
        place = StreamPosition.parse(follower.cursors()[0])
        assert place is not None
        assert len(view.all_kept(late, "trades") or ()) == 1


async def test_redis_keeps_what_a_reader_may_need_and_no_more(
    redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "BEHIND_EVENTS", 100)
    monkeypatch.setattr(log_module, "BEHIND_SECONDS", 0.0)
    async with redis_log(redis_url, size=100) as log:
        follower = LogFollower(log)
        for count in range(50, 1050, 50):
            await log.append("trades", trades(*range(50)))
            await follower.until(lambda count=count: len(follower.items) == count)
        assert 200 <= redis_client.xlen(STREAM) < 400  # Redis trims by nodes of a hundred
    async with redis_log(redis_url, ttl=0.001) as log:
        follower = LogFollower(log)
        await asyncio.sleep(0.01)
        await log.append("trades", trades(*range(150)))
        await follower.until(lambda: len(follower.items) == 150)
        assert redis_client.xlen(STREAM) < 350


async def test_numbers_go_on_after_everything_was_trimmed(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with two(redis_url) as (one, _, here, there):
        await one.append("trades", trades(1, 2))
        await asyncio.gather(here.expect("1", "2"), there.expect("1", "2"))
        redis_client.xtrim(STREAM, maxlen=0, approximate=False)
        async with redis_log(redis_url) as late:
            assert late.since("trades", here.cursors()[1]) == ()
            assert late.since("trades", here.cursors()[0]) is None
            await one.append("trades", trades(3))
            await asyncio.gather(here.expect("1", "2", "3"), there.expect("1", "2", "3"))
            assert here.cursors()[2].endswith("-3")


async def test_a_batch_whose_answer_was_lost_is_appended_once(redis_url: str) -> None:
    async with redis_log(redis_url) as log, proxied(redis_url.replace("redis:", "http:")) as proxy:
        follower = LogFollower(log)
        async with redis_log(behind(proxy)) as writer:
            lost = asyncio.Event()

            def losing(script: Any) -> Any:
                async def append(**kwargs: Any) -> Any:
                    answer = await script(**kwargs)
                    if not lost.is_set():
                        lost.set()
                        raise redis.exceptions.ConnectionError("the answer was lost")
                    return answer

                return append

            view.wrap_append(writer, losing)
            await writer.append("trades", trades(1, 2))
            assert lost.is_set()
            await writer.append("trades", trades(3))
            await until(lambda: not writer.waiting)
        await follower.expect("1", "2", "3")


async def test_a_cursor_from_a_process_that_is_ahead_is_waited_for(redis_url: str) -> None:
    async with (
        proxied(redis_url.replace("redis:", "http:")) as proxy,
        redis_log(redis_url) as one,
        redis_log(behind(proxy)) as other,
    ):
        here = LogFollower(one)
        start = one.cursor("trades")
        proxy.freeze()
        await one.append("trades", trades(1, 2))
        await here.expect("1", "2")
        assert other.since("trades", here.cursors()[0]) is None
        reaching = asyncio.create_task(other.reach("trades", here.cursors()[0]))
        await other.reach("trades", start)
        assert not reaching.done()
        proxy.thaw()
        await reaching
        assert ids(other.since("trades", here.cursors()[0])) == ["2"]


async def test_a_place_that_never_comes_is_waited_for_no_longer_than_that(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "REACH_SECONDS", 0.02)
    async with redis_log(redis_url) as log:
        place = StreamPosition.parse(log.cursor("trades"))
        assert place is not None
        await log.reach("trades", place._replace(offset=9).cursor)
        await log.reach("trades", place._replace(offset=9, epoch="00").cursor)
        assert log.since("trades", place._replace(offset=9).cursor) is None


async def test_rows_that_several_relay_at_once_are_appended_once(redis_url: str) -> None:
    async with two(redis_url) as (one, other, here, there):
        names = [str(n) for n in range(300)]
        await asyncio.gather(
            *(log.relay([row(name, name) for name in names]) for log in (one, other)),
            *(log.relay([row(name, name)]) for name in names for log in (one, other)),
        )
        await one.append("trades", trades("end"))
        for follower in (here, there):
            await follower.until(lambda follower=follower: "end" in follower.received())
            assert sorted(follower.received()) == sorted([*names, "end"])


async def test_redis_knows_of_no_more_than_it_may_need(
    redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "BEHIND_EVENTS", 0)
    async with redis_log(redis_url, size=100) as log:
        for n in range(0, 1000, 50):
            await log.relay([row(str(n + i), n + i) for i in range(50)])
            assert sum(redis_client.scard(key) for key in scripts.RELAYED) <= 250
        assert redis_client.sismember(scripts.RELAYED[0], "999/0")


async def test_a_row_that_waited_for_redis_is_appended_once(redis_url: str) -> None:
    """Its answer was lost, and its process reads it out of the table again."""
    async with (
        redis_log(redis_url) as one,
        proxied(redis_url.replace("redis:", "http:")) as proxy,
        redis_log(behind(proxy)) as cut_off,
    ):
        follower = LogFollower(one)
        proxy.freeze()
        relaying = asyncio.create_task(cut_off.relay([row("a", 1)]))
        await asyncio.sleep(0)
        await one.relay([row("a", 1)])
        proxy.cut()
        with pytest.raises(LogAway):
            await relaying
        proxy.thaw()
        await until(lambda: not cut_off.link.trouble and not cut_off.waiting)
        await cut_off.relay([row("a", 1), row("b", 2)])
        await follower.expect("1", "2")


async def test_a_log_that_was_emptied_knows_nothing(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with redis_log(redis_url) as log:
        follower = LogFollower(log)
        for _ in range(2):
            await log.relay([row("a", 1)])
        await follower.expect("1")
        redis_client.flushdb()
        await follower.expect("1", "gap")
        await log.relay([row("a", 1)])
        await follower.expect("1", "gap", "1")


# -- foreign entries ------------------------------------------------------------------------------


# -- changes --------------------------------------------------------------------------------------
