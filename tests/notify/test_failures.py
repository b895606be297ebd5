"""Receivers that fail, hang or come back, and senders that stop."""

from __future__ import annotations

import asyncio

import pytest

from alphapulse_api.storage.engine import Engine
from tests.notify.sending import sending
from tests.notify.sinks import HttpSink
from tests.waiting import until

HOUR = 3600


async def test_a_message_that_fails_is_tried_again_with_what_is_new(
    engine: Engine, sink: HttpSink
) -> None:
    sink.statuses = [500, 503]
    async with sending(engine, receivers={"a": sink.receiver}) as here:
        await here.raise_alert("first")
        await until(lambda: here.notifier.failed["a"] == 1)
        await here.settled()
        (row,) = await here.log()
        assert (row["state"], row["attempts"], row["last_error"]) == ("pending", 1, "HTTP 500")
        here.advance(6)
        await until(lambda: here.notifier.failed["a"] == 2)
        here.advance(9)  # the pause has doubled
        await here.settled()
        assert len(sink.received) == 2
        here.advance(3)
        await here.until_state("delivered")
        assert [message.alerts for message in sink.received] == [{"first": "active"}] * 3
        (row,) = await here.log()
        assert (row["attempts"], row["last_error"], row["due_at"]) == (3, None, None)


async def test_a_receiver_that_came_back_gets_what_failed_before(
    engine: Engine, sink: HttpSink
) -> None:
    sink.statuses = [500]
    async with sending(engine, receivers={"a": sink.receiver}) as here:
        await here.raise_alert("first")
        await until(lambda: here.notifier.failed["a"] == 1)
        await here.raise_alert("second")
        await here.until_state("delivered", 2)
        assert [message.alerts for message in sink.received[1:]] == [
            {"second": "active"}, {"first": "active"},
        ]  # fmt: skip


async def test_after_hours_a_message_is_given_up(engine: Engine, sink: HttpSink) -> None:
    sink.statuses = [500] * 100
    async with sending(
        engine, receivers={"a": sink.receiver}, retry_for=HOUR, repeat_interval=2 * HOUR
    ) as here:
        await here.raise_alert()
        attempts = 0
        while not await here.log(state=["failed"]):
            await until(lambda: here.notifier.failed["a"] > attempts)  # noqa: B023
            await here.settled()
            attempts = here.notifier.failed["a"]
            here.advance(900)
        assert 4 <= attempts <= 20
        # An alert that is still open is not forgotten.
        sink.statuses.clear()
        here.advance(2 * HOUR)
        await here.until_state("delivered")
        assert await here.states() == [("a", "raised", "failed"), ("a", "repeated", "delivered"),
                                       ("a", "repeated", "pending")]  # fmt: skip


async def test_a_receiver_that_wants_no_more_is_not_asked_again(
    engine: Engine, sink: HttpSink
) -> None:
    sink.statuses = [410]
    async with sending(engine, receivers={"a": sink.receiver}) as here:
        await here.raise_alert()
        await here.until_state("failed")
        here.advance(HOUR)
        await here.settled()
        assert len(sink.received) == 1


async def test_a_receiver_that_hangs_delays_no_other(
    engine: Engine, sink: HttpSink, other: HttpSink
) -> None:
    sink.hanging = True
    names = {"hangs": sink.receiver, "fine": other.receiver}
    async with sending(engine, receivers=names) as here:
        for n in range(3):
            await here.raise_alert(f"a{n}")
            await here.until_state("delivered", n + 1, receiver="fine")
        assert len(sink.received) == 1
        sink.release()
        await here.until_state("delivered", 6)


async def test_a_message_whose_answer_is_lost_keeps_its_id(engine: Engine, sink: HttpSink) -> None:
    sink.hanging = True
    async with sending(engine, receivers={"a": sink.receiver}, timeout=0.2) as here:
        await here.raise_alert("first")
        await until(lambda: here.notifier.failed["a"] == 1)
        sink.release()
        await here.raise_alert("second")
        await here.until_state("delivered")
        here.advance(6)
        await here.until_state("delivered", 2)
        by_title = [(message.id, message.alerts) for message in sink.received]
        first = by_title[0][0]
        assert (first, {"first": "active"}) in by_title[1:]
        assert len({id_ for id_, _ in by_title}) == 2


@pytest.mark.parametrize("confirmed", [True, False])
async def test_a_sender_that_starts_again_repeats_only_what_was_not_confirmed(
    engine: Engine, sink: HttpSink, confirmed: bool
) -> None:
    sink.hanging = not confirmed
    async with sending(engine, receivers={"a": sink.receiver}) as here:
        await here.raise_alert()
        await sink.begun.wait()
        if confirmed:
            await here.until_state("delivered")
    sink.release()
    async with sending(engine, receivers={"a": sink.receiver}) as here:
        await here.until_state("delivered")
        await here.settled()
        assert len(sink.received) == (1 if confirmed else 2)
        assert len({message.id for message in sink.received}) == 1


async def test_alerts_are_noted_while_no_sender_runs(engine: Engine, sink: HttpSink) -> None:
    async with sending(engine, receivers={"a": sink.receiver}, running=False) as here:
        await here.raise_alert("over")
        await here.raise_alert("open")
        await here.resolve("over")
    async with sending(engine, receivers={"a": sink.receiver}) as here:
        await here.until_state("delivered", 3)
        told = {title: status for got in sink.received for title, status in got.alerts.items()}
        assert told == {"open": "active", "over": "resolved"}


async def test_an_alert_that_was_deleted_is_dropped(engine: Engine, sink: HttpSink) -> None:
    sink.statuses = [500]
    async with sending(engine, receivers={"a": sink.receiver}) as here:
        await here.raise_alert()
        await until(lambda: here.notifier.failed["a"] == 1)
        await here.settled()
        await delete_alerts(engine)
        here.advance(10)
        await here.settled()
        assert await here.log() == []
        assert len(sink.received) == 1


async def delete_alerts(engine: Engine) -> None:
    async def work(transaction: object) -> None:
        await transaction.execute("DELETE FROM alerts")  # type: ignore[attr-defined]

    await engine.write(work)


async def test_the_sender_outlives_a_database_that_is_away(
    engine: Engine, sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alphapulse_api.domain.errors import Unavailable

    async with sending(engine, receivers={"a": sink.receiver}) as here:
        fetch = engine.fetch

        async def away(*_: object) -> object:
            raise Unavailable("The database is unavailable.")

        monkeypatch.setattr(engine, "fetch", away)
        here.notifier.wake()
        await asyncio.sleep(0)
        monkeypatch.setattr(engine, "fetch", fetch)
        await here.raise_alert()
        await here.until_state("delivered")
