"""The shared event log where its own code fails in a way that nobody thought of."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from alphapulse_api.log.redis import log as log_module
from alphapulse_api.log.redis.send_queue import Load
from alphapulse_api.runtime import supervisor
from tests import view
from tests.event_logs import LogFollower, redis_log, trades
from tests.waiting import SECONDS


async def test_a_reader_that_meets_a_fault_nobody_thought_of_goes_on_after_a_break(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "PAUSE_SECONDS", 0.01)
    async with redis_log(redis_url) as log:
        follower, take, faults = (
            LogFollower(log),
            getattr(view.reader(log), view.READER_TAKE),
            iter([LookupError("nobody thought of it")]),
        )

        def failing(stream: str, found: Any) -> None:
            take(stream, found)
            for fault in faults:
                raise fault

        monkeypatch.setattr(view.reader(log), view.READER_TAKE, failing)
        await log.append("trades", trades(1))
        await follower.until(lambda: "gap" in follower.received())
        assert log.failing == [log_module.READING]
        assert log_module.READING in caplog.text
        await log.append("trades", trades(2))
        await follower.until(lambda: "2" in follower.received())
        assert follower.received()[-2:] == ["gap", "2"]


async def test_a_writer_that_meets_a_fault_nobody_thought_of_sends_it_later(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "PAUSE_SECONDS", 0.01)
    async with redis_log(redis_url) as log:
        follower, send, faults = (
            LogFollower(log),
            getattr(log, view.LOG_SEND),
            iter([LookupError("nobody thought of this")]),
        )

        async def failing(load: Load) -> None:
            for fault in faults:
                raise fault
            await send(load)

        monkeypatch.setattr(log, view.LOG_SEND, failing)
        await asyncio.wait_for(log.append("trades", trades(1)), SECONDS)
        assert log.failing == [log_module.SENDING]
        await log.append("trades", trades(2))
        await follower.expect("1", "2")
        assert log.waiting == 0
