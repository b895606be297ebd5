"""Work that goes on, whatever it raises."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from alphapulse_api.runtime import supervisor as tasks_module
from alphapulse_api.runtime.supervisor import Supervisor, consume_exception
from tests.waiting import SECONDS, until


class Work:
    """Fails so many times, then goes on."""

    def __init__(self, failures: int) -> None:
        self.runs = 0
        self.cancelled = False
        self.going = asyncio.Event()
        self._failures = failures

    async def __call__(self) -> None:
        self.runs += 1
        if self.runs <= self._failures:
            raise LookupError("nobody thought of this")
        self.going.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks_module, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(tasks_module, "WELL_SECONDS", 0.05)


async def test_a_failing_task_runs_again_and_is_logged_once_each_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks, work, other = Supervisor(), Work(5), Work(0)
    tasks.start(work, "the work")
    tasks.start(other, "the other")
    async with asyncio.timeout(SECONDS):
        await work.going.wait()
        assert tasks.failing == ["the work"]  # until it has gone on for a while
        await until(lambda: not tasks.failing)
    assert (work.runs, other.runs) == (6, 1)
    failed, well = caplog.records
    assert failed.levelno == logging.ERROR
    assert failed.exc_info is not None
    assert failed.exc_info[0] is LookupError
    assert "the work" in failed.getMessage()
    assert well.getMessage() == "the background task 'the work' is running again"
    await tasks.cancel()


async def test_cancelling_ends_it_for_good() -> None:
    tasks, going, failing = Supervisor(), Work(0), Work(10**9)
    tasks.start(going, "going")
    tasks.start(failing, "failing")
    async with asyncio.timeout(SECONDS):
        await going.going.wait()
        before = asyncio.all_tasks()
        await tasks.cancel()
    assert going.cancelled
    assert tasks.failing == []
    assert asyncio.all_tasks() < before


async def test_a_consumed_exception_is_not_complained_about() -> None:
    loop = asyncio.get_running_loop()
    complaints: list[str] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    for consume in (True, False):
        for cancelled in (True, False):
            future: asyncio.Future[None] = loop.create_future()
            if consume:
                future.add_done_callback(consume_exception)
            if cancelled:
                future.cancel()
            else:
                future.set_exception(LookupError("nobody awaits it"))
            await asyncio.sleep(0)
            del future
    gc.collect()
    assert complaints == ["Future exception was never retrieved"], (
        "only the exception that nobody consumed"
    )
