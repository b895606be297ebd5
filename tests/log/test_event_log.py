"""What every event log promises: cursors, a bounded past, followers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.log import EventLog, Gap
from alphapulse_api.log.memory import MemoryEventLog
from tests.event_logs import LogFollower, ids, trades
from tests.log.conftest import Open
from tests.waiting import SECONDS


async def append(log: EventLog, *numbers: int, channel: str = "trades") -> None:
    """Returns once the log has handed them out here."""
    offset = log.offset(channel) + len(numbers)
    came = asyncio.Event()
    leave = log.follow(lambda _: came.set(), lambda _: None)
    await log.append(channel, trades(*numbers))
    async with asyncio.timeout(SECONDS):
        while log.offset(channel) < offset:
            came.clear()
            await came.wait()
    leave()


async def filled(log: EventLog, count: int) -> list[str]:
    """Append trades 1..count; returns the cursors before the first and after each."""
    cursors = [log.cursor("trades")]
    for n in range(1, count + 1):
        await append(log, n)
        cursors.append(log.cursor("trades"))
    return cursors


async def test_every_event_moves_the_cursor_of_its_channel_only(open_log: Open) -> None:
    log = await open_log()
    before = {name: (log.offset(name), log.cursor(name)) for name in CHANNELS}
    cursors = await filled(log, 3)
    assert len(set(cursors)) == 4
    assert log.offset("trades") == before.pop("trades")[0] + 3
    assert {name: (log.offset(name), log.cursor(name)) for name in before} == before


async def test_since_gives_what_came_after(open_log: Open) -> None:
    log = await open_log()
    for n, cursor in enumerate(await filled(log, 5)):
        assert ids(log.since("trades", cursor)) == [str(i) for i in range(n + 1, 6)]


async def test_an_events_own_cursor_is_the_place_after_it(open_log: Open) -> None:
    log = await open_log()
    cursors = await filled(log, 2)
    first, second = log.since("trades", cursors[0]) or ()
    assert [first.cursor, second.cursor] == cursors[1:]
    assert ids(log.since("trades", first.cursor)) == ["2"]


async def test_the_end_of_an_empty_log_is_a_place(open_log: Open) -> None:
    log = await open_log()
    assert log.since("trades", log.cursor("trades")) == ()


async def test_a_batch_is_one_event_a_record_in_order(open_log: Open) -> None:
    log = await open_log()
    start, offset = log.cursor("trades"), log.offset("trades")
    await append(log, 1, 2, 3)
    assert ids(log.since("trades", start)) == ["1", "2", "3"]
    offsets = [event.offset - offset for event in log.since("trades", start) or ()]
    assert offsets == [1, 2, 3]


async def test_batches_of_many_writers_keep_their_order(open_log: Open) -> None:
    log = await open_log(size=30_000)
    follower = LogFollower(log)

    async def write(writer: int) -> None:
        for n in range(0, 600, 60):
            await log.append("trades", trades(*(f"{writer}-{i}" for i in range(n, n + 60))))

    await asyncio.gather(*map(write, range(8)), log.append("trades", trades(*range(2500))))
    await follower.until(lambda: len(follower.items) >= 8 * 600 + 2500)
    for writer in range(8):
        mine = [id_ for id_ in follower.received() if id_.startswith(f"{writer}-")]
        assert mine == [f"{writer}-{n}" for n in range(600)]
    assert [id_ for id_ in follower.received() if "-" not in id_] == [str(n) for n in range(2500)]
    offsets = [item.offset for item in follower.items]
    assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))


async def test_a_cursor_of_another_start_is_not_a_place() -> None:
    log, other = MemoryEventLog(), MemoryEventLog()
    await filled(log, 3)
    assert log.since("trades", (await filled(other, 3))[1]) is None


async def test_a_cursor_of_another_channel_is_not_a_place(open_log: Open) -> None:
    log = await open_log()
    cursors = await filled(log, 3)
    assert log.since("alerts", cursors[1]) is None


async def test_a_cursor_from_the_future_is_not_a_place(open_log: Open) -> None:
    log = await open_log()
    cursors = await filled(log, 3)
    place = cursors[-1].rpartition("-")[0]
    assert log.since("trades", f"{place}-4") is None


async def test_what_the_size_pushed_out_is_said_to_be_missing(open_log: Open) -> None:
    log = await open_log(size=4)
    cursors = await filled(log, 10)
    assert [ids(log.since("trades", c)) is not None for c in cursors] == [False] * 6 + [True] * 5
    assert ids(log.since("trades", cursors[6])) == ["7", "8", "9", "10"]


async def test_a_batch_larger_than_the_size_is_handed_out_whole(open_log: Open) -> None:
    log = await open_log(size=4)
    follower = LogFollower(log)
    await append(log, *range(50))
    assert follower.received() == [str(n) for n in range(50)]
    assert ids(log.since("trades", follower.cursors()[45])) == ["46", "47", "48", "49"]
    assert log.since("trades", follower.cursors()[44]) is None


async def test_what_has_grown_too_old_is_said_to_be_missing(open_log: Open) -> None:
    ahead = [0.0]
    log = await open_log(ttl=60, clock=lambda: time.monotonic() + ahead[0])
    start = log.cursor("trades")
    await append(log, 1)
    middle = log.cursor("trades")
    ahead[0] += 40
    await append(log, 2)
    assert ids(log.since("trades", start)) == ["1", "2"]
    ahead[0] += 40
    assert log.since("trades", start) is None
    assert ids(log.since("trades", middle)) == ["2"]
    ahead[0] += 40
    assert log.since("trades", middle) is None
    end = log.cursor("trades")
    assert log.since("trades", end) == ()
    await append(log, 3)
    assert ids(log.since("trades", end)) == ["3"]


@pytest.mark.parametrize(
    "text",
    ["", "-", "1", "{place}", "{place}-", "{place}--1", "{place}-1.0", "{place}-١", "{place}-²",
     "{place}-01", "{place}-1 ", " {place}-1", "{place}-" + "9" * 5000, "{place}-+1",
     "{place}-1_0", "\x00", "😀-1"],
)  # fmt: skip
async def test_what_is_no_cursor_is_no_place(open_log: Open, text: str) -> None:
    log = await open_log()
    cursors = await filled(log, 1)
    assert log.since("trades", text.format(place=cursors[-1].rpartition("-")[0])) is None
    await log.reach("trades", text.format(place=cursors[-1].rpartition("-")[0]))


async def test_followers_receive_every_batch_until_they_leave(open_log: Open) -> None:
    log = await open_log()
    received: list[list[str] | None] = []
    leave = log.follow(lambda events: received.append(ids(events)), lambda _: None)
    await append(log, 1, 2)
    await append(log, 3)
    leave()
    await append(log, 4)
    assert received == [["1", "2"], ["3"]]


async def test_a_failing_follower_is_logged_and_harms_nobody(
    open_log: Open, caplog: pytest.LogCaptureFixture
) -> None:
    log = await open_log()

    def fail(events: Any) -> None:
        raise RuntimeError("a bug")

    log.follow(fail, fail)
    follower = LogFollower(log)
    with caplog.at_level(logging.ERROR):
        await append(log, 1)
    assert follower.received() == ["1"]
    assert "a follower of the event log failed" in caplog.text


async def test_a_batch_that_cannot_be_encoded_leaves_no_trace(open_log: Open) -> None:
    log = await open_log()
    start = log.cursor("trades")
    await append(log, 1)
    with pytest.raises(TypeError):
        await log.append("trades", [{"id": "2"}, {"id": object()}])
    await append(log, 3)
    assert ids(log.since("trades", start)) == ["1", "3"]


async def test_an_events_text_is_the_message_of_the_contract(open_log: Open) -> None:
    log = await open_log()
    follower = LogFollower(log)
    record = {
        "id": 'é"\\\n',
        "price": Decimal("1.50"),
        "executed_at": datetime(2026, 1, 1, 12, 0, 0, 500, tzinfo=UTC),
        "metadata": {"x": float("nan"), "y": 1e300, "z": [True, None, 2**53]},
    }
    await log.append("trades", [record])
    await follower.until(lambda: follower.items)
    (event,) = follower.items
    assert event.text == b'{"type":"trade","channel":"trades","cursor":"%b","data":%b}' % (
        event.cursor.encode(),
        dumps(record),
    )


def test_a_break_is_the_resync_of_the_contract() -> None:
    gap = Gap(CHANNELS["trades"], 7, "c-1")
    assert json.loads(gap.text) == {"type": "resync", "channel": "trades", "cursor": "c-1"}


async def test_an_empty_append_publishes_nothing(open_log: Open) -> None:
    log = await open_log()
    follower = LogFollower(log)
    before = log.offset("metrics")
    await log.append("metrics", [])
    assert (follower.items, log.offset("metrics")) == ([], before)
