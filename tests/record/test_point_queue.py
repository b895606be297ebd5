"""Points that are handed over: taken at once, stored soon and in order, bounded and counted."""

from __future__ import annotations

import asyncio
import threading
from collections import namedtuple
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.record import point_queue
from alphapulse_api.record.batches import Refused
from alphapulse_api.record.point_queue import BATCH, MAX_FAILURES, PointQueue
from alphapulse_api.record.stats import FeedCounters
from alphapulse_api.schemas.loading import Refusal
from tests import view
from tests.waiting import until


class Store:
    """Keeps what it is given, when it is there; refuses values below zero."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.batches: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self.outages = 0

    async def record(self, points: list[Any], refused: Refused) -> int:
        await self.open.wait()
        if self.outages:
            self.outages -= 1
            raise Unavailable("The database is away.")
        values = [point["value"] for point in points]
        refused.update((n, Refusal(422, "below 0")) for n, v in enumerate(values) if v < 0)
        self.values += [value for value in values if value >= 0]
        self.batches.append(len(points))
        return len(points)


def points(*values: float) -> list[dict[str, Any]]:
    return [{"metric_type": "risk", "name": "var", "value": value} for value in values]


@asynccontextmanager
async def running(queue: PointQueue) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.store_forever())
    try:
        yield
        await queue.close()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_what_is_taken_is_stored_in_its_order() -> None:
    store = Store()
    queue = PointQueue(store.record, FeedCounters())
    assert queue.put(points(0)) == 1  # before anybody listens
    async with running(queue):
        for value in range(1, 100):
            assert queue.put(points(value)) == 1
        await until(lambda: not queue.waiting)
        assert queue.put(points(100, 101)) == 2
    assert store.values == list(range(102))
    assert queue.waiting == 0
    assert not queue.refused


async def test_threads_hand_over_while_it_stores() -> None:
    store = Store()
    queue = PointQueue(store.record, FeedCounters())

    def feed(first: int) -> None:
        for value in range(first, first + 1000):
            queue.put(points(value))

    async with running(queue):
        threads = [threading.Thread(target=feed, args=(n * 1000,)) for n in range(4)]
        for thread in threads:
            thread.start()
        await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))
    assert sorted(store.values) == list(range(4000))
    for n in range(4):  # each thread's own are in its order
        own = [value for value in store.values if value // 1000 == n]
        assert own == sorted(own)


async def test_beyond_the_bound_points_are_refused_and_counted() -> None:
    store = Store()
    store.open.clear()
    queue = PointQueue(store.record, FeedCounters(), limit=10)
    async with running(queue):
        assert [queue.put(points(1, 2, 3)) for _ in range(4)] == [3, 3, 3, 0]
        assert queue.put(points(4)) == 1
        assert queue.put(points(5)) == 0
        assert queue.refused == {"full": 4}
        store.open.set()
        await until(lambda: not queue.waiting)
        assert queue.put(points(*range(10))) == 10
    assert len(store.values) == 20


async def test_what_is_not_valid_is_counted_and_takes_nothing_with_it() -> None:
    store = Store()
    queue = PointQueue(store.record, FeedCounters())
    async with running(queue):
        queue.put(points(1, -1, 2, -2, 3))
        queue.put(points(4))
    assert store.values == [1, 2, 3, 4]
    stats = queue.counters.stats()
    assert (stats.taken, stats.stored, stats.refused, stats.depth) == (6, 4, 2, 0)
    assert [refusal.reason for refusal in stats.last_refusals] == ["below 0"] * 2


async def test_while_the_store_is_away_they_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_queue, "RETRY_SECONDS", 0)
    store = Store()
    store.outages = 5
    queue = PointQueue(store.record, FeedCounters())
    async with running(queue):
        queue.put(points(1, 2))
    assert store.values == [1, 2]
    assert store.outages == 0


async def test_many_small_ones_are_stored_in_batches() -> None:
    store = Store()
    store.open.clear()
    queue = PointQueue(store.record, FeedCounters())
    async with running(queue):
        for value in range(3 * BATCH):
            queue.put(points(value))
        store.open.set()
    assert store.values == list(range(3 * BATCH))
    assert len(store.batches) <= 4
    assert max(store.batches) <= BATCH


async def test_the_end_waits_for_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(point_queue, "CLOSE_SECONDS", 0.05)
    store = Store()
    store.open.clear()
    queue = PointQueue(store.record, FeedCounters())
    async with running(queue):
        queue.put(points(1, 2))
    assert "2 metric points could not be stored" in caplog.text


async def test_a_point_is_of_the_moment_it_was_handed_over() -> None:
    given: list[Any] = []

    async def record(batch: list[Any], refused: Refused) -> int:
        given.extend(batch)
        return len(batch)

    queue = PointQueue(record, FeedCounters())
    point = points(1)[0]
    queue.put([point])
    assert "timestamp" not in point
    first = view.waiting_points(queue)[0]["timestamp"]
    async with running(queue):
        pass
    assert given[0]["timestamp"] == first


async def test_a_point_that_the_store_cannot_take_costs_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store()
    queue = PointQueue(store.record, FeedCounters())
    queue.put(points(1, 2))
    queue.put([{"metric_type": "risk", "name": "var"}])  # no value: the store raises
    queue.put(points(3, 4))
    async with running(queue):
        await until(lambda: not queue.waiting)
    assert store.values == [1, 2, 3, 4]
    assert queue.refused == {"failed": 1}
    assert queue.counters.stats().last_refusals[0].reason == "KeyError('value')"
    assert "storing them in parts" in caplog.text


async def test_a_store_that_always_fails_is_called_a_bounded_number_of_times() -> None:
    calls = 0

    async def record(batch: list[Any], refused: Refused) -> int:
        nonlocal calls
        calls += 1
        raise RuntimeError("broken")

    queue = PointQueue(record, FeedCounters())
    queue.put(points(*range(1000)))
    async with running(queue):
        await until(lambda: not queue.waiting)
    assert queue.refused == {"failed": 1000}
    assert calls < 3 * MAX_FAILURES


async def test_any_object_with_the_fields_of_a_point_is_taken() -> None:
    given: list[Any] = []

    async def record(batch: list[Any], refused: Refused) -> int:
        given.extend(batch)
        return len(batch)

    class Broken:
        __attrs_attrs__ = (SimpleNamespace(name="value"),)

        @property
        def value(self) -> float:
            raise RuntimeError("no value")

    point = namedtuple("point", "name value timestamp")
    broken = Broken()
    queue = PointQueue(record, FeedCounters())
    assert queue.put(point("a", 1, None)) == 1
    assert queue.put(p for p in [point("b", 2, "t"), broken]) == 2
    async with running(queue):
        pass
    assert given[0]["timestamp"] is not None
    assert given[1:] == [{"name": "b", "value": 2, "timestamp": "t"}, broken]
