"""Points that are handed over: taken at once, stored soon and in order, bounded and counted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from alphapulse_api.domain.errors import Unavailable, ValidationProblem
from alphapulse_api.record import point_queue
from alphapulse_api.record.point_queue import BATCH, PointQueue
from tests.waiting import SECONDS


class Store:
    """Keeps what it is given, when it is there; refuses values below zero."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.batches: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self.outages = 0

    async def record(self, points: Any) -> int:
        await self.open.wait()
        if self.outages:
            self.outages -= 1
            raise Unavailable("The database is away.")
        wrong = [n for n, point in enumerate(points) if point["value"] < 0]
        if wrong:
            raise ValidationProblem([{"pointer": f"/{n}/value", "detail": "no"} for n in wrong])
        self.values += [point["value"] for point in points]
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


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0)


async def test_what_is_taken_is_stored_in_its_order() -> None:
    store = Store()
    queue = PointQueue(store.record)
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
    queue = PointQueue(store.record)

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
    queue = PointQueue(store.record, limit=10)
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
    queue = PointQueue(store.record)
    async with running(queue):
        queue.put(points(1, -1, 2, -2, 3))
        queue.put(points(4))
    assert store.values == [1, 2, 3, 4]
    assert queue.refused == {"invalid": 2}
    assert queue.waiting == 0


async def test_while_the_store_is_away_they_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_queue, "RETRY_SECONDS", 0)
    store = Store()
    store.outages = 5
    queue = PointQueue(store.record)
    async with running(queue):
        queue.put(points(1, 2))
    assert store.values == [1, 2]
    assert store.outages == 0


async def test_many_small_ones_are_stored_in_batches() -> None:
    store = Store()
    store.open.clear()
    queue = PointQueue(store.record)
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
    queue = PointQueue(store.record)
    async with running(queue):
        queue.put(points(1, 2))
    assert "2 metric points could not be stored" in caplog.text


async def test_a_point_is_of_the_moment_it_was_handed_over() -> None:
    given: list[Any] = []

    async def record(batch: Any) -> int:
        given.extend(batch)
        return len(batch)

    queue = PointQueue(record)
    point = points(1)[0]
    queue.put([point])
    assert "timestamp" not in point
    first = queue._given[0][0]["timestamp"]
    async with running(queue):
        pass
    assert given[0]["timestamp"] == first


async def test_a_fault_of_the_store_costs_its_batch_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store()
    queue = PointQueue(store.record)
    async with running(queue):
        queue.put(points(1))
        queue.put([{"metric_type": "risk", "name": "var"}])  # no value: the store has a fault
        await until(lambda: not queue.waiting)
        queue.put(points(2))
    assert queue.refused["failed"] in (1, 2)
    assert store.values in ([1, 2], [2])
    assert "are lost" in caplog.text
