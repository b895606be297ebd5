"""What waits for a shared log: in order, bounded, the same again until it was taken."""

from __future__ import annotations

import asyncio

from alphapulse_api.log.redis.parcels import LOAD_BYTES, LOAD_EVENTS, OVERHEAD, Parcel
from alphapulse_api.log.redis.send_queue import EVERYTHING, MAX_NAMES, SendQueue, Stretch


def news(body: str) -> Parcel:
    return Parcel(b"", body.encode())


def put(queue: SendQueue, channel: str, *bodies: str, away: bool = True) -> None:
    queue.put(channel, [news(body) for body in bodies], (), away=away)


def batches(queue: SendQueue) -> list[tuple[str, bool, list[str]]]:
    """All that waits, as it would be sent."""
    stretches: list[Stretch] = []
    while (load := queue.take()) is not None:
        stretches += load.stretches
        queue.sent()
    return [(s.channel, s.gap, [parcel.body.decode() for parcel in s.parcels]) for s in stretches]


def room(events: int) -> int:
    """A limit with room for so many events of one byte."""
    return events * (OVERHEAD + 1)


async def test_what_is_put_is_sent_in_its_order() -> None:
    queue = SendQueue(10**6)
    put(queue, "trades", "1", "2")
    put(queue, "trades", "3", away=False)
    put(queue, "alerts", "4")
    put(queue, "trades", "5")
    assert queue.waiting == 5
    assert not queue.drained.is_set()
    assert batches(queue) == [
        ("trades", False, ["1", "2", "3"]),
        ("alerts", False, ["4"]),
        ("trades", False, ["5"]),
    ]
    assert queue.waiting == 0
    assert queue.drained.is_set()


async def test_what_was_taken_is_the_same_under_its_number_until_it_was_sent() -> None:
    queue = SendQueue(10**6)
    put(queue, "trades", "1")
    first = queue.take()
    put(queue, "trades", "2")
    assert queue.take() is first
    assert first is not None
    queue.sent()
    second = queue.take()
    assert second is not None
    assert (second.number, second.stretches[0].parcels) == (first.number + 1, [news("2")])


async def test_a_load_is_bounded() -> None:
    queue = SendQueue(10**9)
    put(queue, "trades", *map(str, range(LOAD_EVENTS + 500)))
    put(queue, "trades", *map(str, range(400)))
    put(queue, "trades", *map(str, range(400)))
    put(queue, "trades", "x" * LOAD_BYTES)
    put(queue, "trades", "y")
    put(queue, "trades", *["z" * (LOAD_BYTES // 3)] * 5)
    sizes = []
    while (load := queue.take()) is not None:
        sizes.append([len(stretch.parcels) for stretch in load.stretches])
        queue.sent()
    assert sizes == [[LOAD_EVENTS], [900], [400], [1], [3], [2], [1]]


async def test_too_much_of_a_channel_is_dropped_and_a_break_stands_in_its_place() -> None:
    queue = SendQueue(room(4))
    put(queue, "alerts", "a")
    put(queue, "trades", "1", "2", "3")
    put(queue, "trades", "4")
    put(queue, "trades", "5")
    assert queue.waiting == 3
    assert batches(queue) == [("alerts", False, ["a"]), ("trades", True, ["4", "5"])]


async def test_of_what_alone_is_too_much_the_break_remains() -> None:
    queue = SendQueue(room(2))
    put(queue, "trades", "1", "2", "3")
    put(queue, "trades", "4")
    assert batches(queue) == [("trades", True, ["4"])]


async def test_what_may_be_in_the_log_already_is_not_dropped() -> None:
    queue = SendQueue(room(2))
    put(queue, "trades", "1")
    queue.take()
    put(queue, "trades", "2")
    put(queue, "trades", "3")
    assert batches(queue) == [("trades", False, ["1"]), ("trades", True, ["3"])]


async def test_nothing_is_dropped_while_the_writers_wait() -> None:
    queue = SendQueue(room(2))
    for n in range(5):
        put(queue, "trades", str(n), away=False)
    assert batches(queue) == [("trades", False, list("01234"))]


async def test_a_writer_waits_until_all_of_its_events_were_sent_or_cannot_be() -> None:
    queue = SendQueue(10**9)
    parcels = [news("1")] * (LOAD_EVENTS + 1)
    taken = queue.put("trades", parcels, (), away=False)
    assert taken is not None
    queue.take()
    queue.sent()
    assert not taken.done()
    queue.take()
    queue.sent()
    assert taken.done()
    waiting = [queue.put("trades", [news("2")], (), away=False) for _ in range(2)]
    queue.take()
    queue.release()
    await asyncio.gather(*filter(None, waiting))
    assert queue.waiting == 2
    assert queue.put("trades", [news("3")], (), away=True) is None


async def test_changes_leave_with_or_before_the_events() -> None:
    queue = SendQueue(10**6)
    queue.put("trades", [news("1")], ["trades"], away=True)
    queue.put(None, (), ["agents"], away=True)
    load = queue.take()
    assert load is not None
    assert (load.changed, len(load.stretches)) == (["agents", "trades"], 1)
    queue.put(None, (), ["agents"], away=True)
    queue.sent()
    load = queue.take()
    assert load is not None
    assert (load.changed, load.stretches) == (["agents"], [])
    queue.sent()
    assert queue.take() is None


async def test_too_many_names_are_everything() -> None:
    queue = SendQueue(10**6)
    queue.put(None, (), [f"metrics:m{n}" for n in range(MAX_NAMES + 1)], away=True)
    load = queue.take()
    assert load is not None
    assert load.changed == [EVERYTHING]
