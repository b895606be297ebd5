"""The event log of one process: cursors, its bounded past, its followers."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from alphapulse_api.events import CHANNELS, Event, MemoryEventLog
from alphapulse_api.events import memory as memory_module


def trades(*ids: int) -> list[dict[str, Any]]:
    return [{"id": str(n)} for n in ids]


def ids(events: Any) -> list[str] | None:
    return None if events is None else [event.data["id"] for event in events]


async def filled(count: int, **limits: Any) -> tuple[MemoryEventLog, list[str]]:
    """A log of trades 1..count, and the cursors before the first and after each."""
    log = MemoryEventLog(**limits)
    cursors = [log.cursor("trades")]
    for n in range(1, count + 1):
        await log.append("trades", trades(n))
        cursors.append(log.cursor("trades"))
    return log, cursors


async def test_every_event_moves_the_cursor_of_its_channel_only() -> None:
    log, cursors = await filled(3)
    assert len(set(cursors)) == 4
    assert log.offset("trades") == 3
    assert log.offset("alerts") == 0


async def test_since_gives_what_came_after() -> None:
    log, cursors = await filled(5)
    for n, cursor in enumerate(cursors):
        assert ids(log.since("trades", cursor)) == [str(i) for i in range(n + 1, 6)]


async def test_an_events_own_cursor_is_the_place_after_it() -> None:
    log, cursors = await filled(2)
    first, second = log.since("trades", cursors[0]) or ()
    assert [first.cursor, second.cursor] == cursors[1:]
    assert ids(log.since("trades", first.cursor)) == ["2"]


async def test_the_end_of_an_empty_log_is_a_place() -> None:
    log, (start,) = await filled(0)
    assert log.since("trades", start) == ()


async def test_a_batch_is_one_event_a_record_in_order() -> None:
    log, (start,) = await filled(0)
    await log.append("trades", trades(1, 2, 3))
    assert ids(log.since("trades", start)) == ["1", "2", "3"]
    assert [event.offset for event in log.since("trades", start) or ()] == [1, 2, 3]


async def test_a_cursor_of_another_start_is_not_a_place() -> None:
    log, _ = await filled(3)
    _, others = await filled(3)
    assert log.since("trades", others[1]) is None


async def test_a_cursor_of_another_channel_is_not_a_place() -> None:
    log, cursors = await filled(3)
    assert log.since("alerts", cursors[0]) is None


async def test_a_cursor_from_the_future_is_not_a_place() -> None:
    log, cursors = await filled(3)
    epoch = cursors[0].rpartition("-")[0]
    assert log.since("trades", f"{epoch}-4") is None


async def test_what_the_size_pushed_out_is_said_to_be_missing() -> None:
    log, cursors = await filled(10, size=4)
    assert [ids(log.since("trades", c)) is not None for c in cursors] == [False] * 6 + [True] * 5
    assert ids(log.since("trades", cursors[6])) == ["7", "8", "9", "10"]


async def test_what_has_grown_too_old_is_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(memory_module.time, "monotonic", lambda: clock[0])
    log, (start,) = await filled(0, ttl=60)
    await log.append("trades", trades(1))
    middle = log.cursor("trades")
    clock[0] += 40
    await log.append("trades", trades(2))
    assert ids(log.since("trades", start)) == ["1", "2"]
    clock[0] += 40
    assert log.since("trades", start) is None
    assert ids(log.since("trades", middle)) == ["2"]
    clock[0] += 40
    assert log.since("trades", middle) is None
    assert log.since("trades", log.cursor("trades")) == ()
    await log.append("trades", trades(3))
    assert ids(log.since("trades", f"{start.rpartition('-')[0]}-2")) == ["3"]


@pytest.mark.parametrize(
    "text",
    ["", "-", "1", "{epoch}", "{epoch}-", "{epoch}--1", "{epoch}-1.0", "{epoch}-١", "{epoch}-²",
     "{epoch}-" + "9" * 300, " {epoch}-1", "{epoch}-1 ",
     "{epoch}-+1", "{epoch}-1_0", "\x00", "😀-1"],
)  # fmt: skip
async def test_garbage_is_not_a_place(text: str) -> None:
    log, cursors = await filled(3)
    epoch = cursors[0].rpartition("-")[0]
    assert log.since("trades", text.replace("{epoch}", epoch)) is None


async def test_followers_get_every_batch_until_they_leave() -> None:
    log = MemoryEventLog()
    batches: list[list[str] | None] = []
    leave = log.follow(lambda events: batches.append(ids(events)))
    await log.append("trades", trades(1, 2))
    await log.append("trades", trades(3))
    leave()
    await log.append("trades", trades(4))
    assert batches == [["1", "2"], ["3"]]


async def test_a_failing_follower_fails_neither_the_writer_nor_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = MemoryEventLog()
    seen: list[Event] = []

    def fail(events: Any) -> None:
        raise RuntimeError("a bug")

    log.follow(fail)
    log.follow(seen.extend)
    with caplog.at_level(logging.ERROR):
        await log.append("trades", trades(1))
    assert ids(seen) == ["1"]
    assert "a follower of the event log failed" in caplog.text


async def test_a_batch_that_cannot_be_encoded_leaves_no_trace() -> None:
    log, (start,) = await filled(0)
    await log.append("trades", trades(1))
    with pytest.raises(TypeError):
        await log.append("trades", [{"id": "2"}, {"id": object()}])
    await log.append("trades", trades(3))
    assert ids(log.since("trades", start)) == ["1", "3"]
    assert [event.offset for event in log.since("trades", start) or ()] == [1, 2]


async def test_an_events_text_is_the_message_of_the_contract() -> None:
    event = Event(CHANNELS["trades"], 1, "c-1", {"id": "1"})
    assert event.text == b'{"type":"trade","channel":"trades","cursor":"c-1","data":{"id":"1"}}'


async def test_nothing_appended_is_nothing_told() -> None:
    log = MemoryEventLog()
    told: list[Any] = []
    log.follow(told.append)
    await log.append("metrics", [])
    assert told == []
    assert log.offset("metrics") == 0
