"""Long work pauses after each slice where other threads wait for the interpreter lock."""

from __future__ import annotations

import asyncio
import time

import pytest

from alphapulse_api.runtime import slices
from alphapulse_api.runtime.slices import (
    PAUSE_SECONDS,
    SLICE_SECONDS,
    THREAD_SLICE_SECONDS,
    Slices,
    Steps,
    paced,
)

STEP_SECONDS = 0.0003


class Clock:
    """Time that passes in the steps alone; attribute `paused` holds the lengths of the pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.paused: list[float] = []

    def steps(self, count: int) -> Steps[str]:
        for _ in range(count):
            self.now += STEP_SECONDS
            yield
        return "done"

    def sleep(self, seconds: float) -> None:
        self.paused.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(slices, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


def test_work_on_a_thread_pauses_after_each_slice(clock: Clock) -> None:
    assert paced(clock.steps(40)) == "done"
    in_a_slice = -(-THREAD_SLICE_SECONDS // STEP_SECONDS)
    assert clock.paused == [PAUSE_SECONDS] * int(40 // in_a_slice)


def test_short_work_on_a_thread_does_not_pause(clock: Clock) -> None:
    assert paced(clock.steps(3)) == "done"
    assert clock.paused == []


def test_the_loop_of_the_main_thread_does_not_sleep_between_slices(clock: Clock) -> None:
    assert asyncio.run(Slices().run(clock.steps(40), for_reader=True)) == "done"
    assert clock.paused == []


async def test_a_loop_in_a_thread_sleeps_between_its_shorter_slices(clock: Clock) -> None:
    async def work() -> str:
        return await Slices().run(clock.steps(40), for_reader=True)

    assert await asyncio.to_thread(asyncio.run, work()) == "done"
    in_a_slice = -(-THREAD_SLICE_SECONDS // STEP_SECONDS)
    assert clock.paused == [PAUSE_SECONDS] * int(40 // in_a_slice)
    assert THREAD_SLICE_SECONDS < SLICE_SECONDS
