"""What waits for a shared log: in order, bounded, the same again until it was taken."""

from __future__ import annotations

import asyncio

from alphapulse_api.events.outbox import (
    EVERYTHING,
    LOAD_BYTES,
    LOAD_EVENTS,
    MAX_NAMES,
    OVERHEAD,
    Outbox,
    Parcel,
    Stretch,
)


def news(body: str) -> Parcel:
    return Parcel(b"", body.encode())


def put(outbox: Outbox, channel: str, *bodies: str, away: bool = True) -> None:
    outbox.put(channel, [news(body) for body in bodies], (), away=away)


def told(outbox: Outbox) -> list[tuple[str, bool, list[str]]]:
    """All that waits, as it would be sent."""
    stretches: list[Stretch] = []
    while (load := outbox.take()) is not None:
        stretches += load.stretches
        outbox.sent()
    return [
        (s.channel, s.broken, [parcel.body.decode() for parcel in s.parcels]) for s in stretches
    ]


def room(events: int) -> int:
    """A limit with room for so many events of one byte."""
    return events * (OVERHEAD + 1)


async def test_what_is_put_is_sent_in_its_order() -> None:
    outbox = Outbox(10**6)
    put(outbox, "trades", "1", "2")
    put(outbox, "trades", "3", away=False)
    put(outbox, "alerts", "4")
    put(outbox, "trades", "5")
    assert outbox.waiting == 5
    assert not outbox.drained.is_set()
    assert told(outbox) == [
        ("trades", False, ["1", "2", "3"]),
        ("alerts", False, ["4"]),
        ("trades", False, ["5"]),
    ]
    assert outbox.waiting == 0
    assert outbox.drained.is_set()


async def test_what_was_taken_is_the_same_under_its_number_until_it_was_sent() -> None:
    outbox = Outbox(10**6)
    put(outbox, "trades", "1")
    first = outbox.take()
    put(outbox, "trades", "2")
    assert outbox.take() is first
    assert first is not None
    outbox.sent()
    second = outbox.take()
    assert second is not None
    assert (second.number, second.stretches[0].parcels) == (first.number + 1, [news("2")])


async def test_a_load_is_bounded() -> None:
    outbox = Outbox(10**9)
    put(outbox, "trades", *map(str, range(LOAD_EVENTS + 500)))
    put(outbox, "trades", *map(str, range(400)))
    put(outbox, "trades", *map(str, range(400)))
    put(outbox, "trades", "x" * LOAD_BYTES)
    put(outbox, "trades", "y")
    sizes = []
    while (load := outbox.take()) is not None:
        sizes.append([len(stretch.parcels) for stretch in load.stretches])
        outbox.sent()
    assert sizes == [[LOAD_EVENTS], [900], [400], [1], [1]]


async def test_too_much_of_a_channel_is_dropped_and_a_break_stands_in_its_place() -> None:
    outbox = Outbox(room(4))
    put(outbox, "alerts", "a")
    put(outbox, "trades", "1", "2", "3")
    put(outbox, "trades", "4")
    put(outbox, "trades", "5")
    assert outbox.waiting == 3
    assert told(outbox) == [("alerts", False, ["a"]), ("trades", True, ["4", "5"])]


async def test_of_what_alone_is_too_much_the_break_remains() -> None:
    outbox = Outbox(room(2))
    put(outbox, "trades", "1", "2", "3")
    put(outbox, "trades", "4")
    assert told(outbox) == [("trades", True, ["4"])]


async def test_what_may_be_in_the_log_already_is_not_dropped() -> None:
    outbox = Outbox(room(2))
    put(outbox, "trades", "1")
    outbox.take()
    put(outbox, "trades", "2")
    put(outbox, "trades", "3")
    assert told(outbox) == [("trades", False, ["1"]), ("trades", True, ["3"])]


async def test_nothing_is_dropped_while_the_writers_wait() -> None:
    outbox = Outbox(room(2))
    for n in range(5):
        put(outbox, "trades", str(n), away=False)
    assert told(outbox) == [("trades", False, list("01234"))]


async def test_a_writer_waits_until_all_of_its_events_were_sent_or_cannot_be() -> None:
    outbox = Outbox(10**9)
    parcels = [news("1")] * (LOAD_EVENTS + 1)
    taken = outbox.put("trades", parcels, (), away=False)
    assert taken is not None
    outbox.take()
    outbox.sent()
    assert not taken.done()
    outbox.take()
    outbox.sent()
    assert taken.done()
    waiting = [outbox.put("trades", [news("2")], (), away=False) for _ in range(2)]
    outbox.take()
    outbox.let_go()
    await asyncio.gather(*filter(None, waiting))
    assert outbox.waiting == 2
    assert outbox.put("trades", [news("3")], (), away=True) is None


async def test_changes_leave_with_or_before_the_events() -> None:
    outbox = Outbox(10**6)
    outbox.put("trades", [news("1")], ["trades"], away=True)
    outbox.put(None, (), ["agents"], away=True)
    load = outbox.take()
    assert load is not None
    assert (load.changed, len(load.stretches)) == (["agents", "trades"], 1)
    outbox.put(None, (), ["agents"], away=True)
    outbox.sent()
    load = outbox.take()
    assert load is not None
    assert (load.changed, load.stretches) == (["agents"], [])
    outbox.sent()
    assert outbox.take() is None


async def test_too_many_names_are_everything() -> None:
    outbox = Outbox(10**6)
    outbox.put(None, (), [f"metrics:m{n}" for n in range(MAX_NAMES + 1)], away=True)
    load = outbox.take()
    assert load is not None
    assert load.changed == [EVERYTHING]
