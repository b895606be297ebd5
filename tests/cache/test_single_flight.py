"""One computation a key, however many ask at once and whoever leaves."""

from __future__ import annotations

import asyncio
import gc

import pytest

from alphapulse_api.cache import Entry, SingleFlight
from tests import view
from tests.cache.test_cache import asking, entry
from tests.waiting import until


class Computation:
    """Counts its runs; ends on demand."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.runs = 0
        self.finish = asyncio.Event()
        self._failure = failure

    async def __call__(self) -> Entry:
        self.runs += 1
        await self.finish.wait()
        if self._failure is not None:
            raise self._failure
        return entry()


async def test_many_who_ask_at_once_share_one_computation() -> None:
    flight, computation = SingleFlight(), Computation()
    tasks = await asking(flight, computation, 50)
    computation.finish.set()
    assert await asyncio.gather(*tasks) == [entry()] * 50
    assert computation.runs == 1


async def test_different_keys_are_computed_apart() -> None:
    flight, computation = SingleFlight(), Computation()
    computation.finish.set()
    await asyncio.gather(*(flight.once(key, computation) for key in "abc"))
    assert computation.runs == 3


async def test_a_failure_reaches_all_and_is_not_kept() -> None:
    flight, computation = SingleFlight(), Computation(LookupError("gone"))
    tasks = await asking(flight, computation, 5)
    computation.finish.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 5
    working = Computation()
    working.finish.set()
    assert await flight.once("key", working) == entry()


async def test_a_failure_that_nobody_waits_for_any_more_is_no_error_of_the_process() -> None:
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    flight, computation = SingleFlight(), Computation(LookupError("gone"))
    (only,) = await asking(flight, computation, 1)
    only.cancel()
    await asyncio.gather(only, return_exceptions=True)
    computation.finish.set()
    await until(lambda: not view.under_way(flight))
    del only  # which holds on to the computation
    gc.collect()  # a task reports its exception when it is collected
    assert unhandled == []


@pytest.mark.parametrize("leaver", [0, 3])
async def test_one_who_goes_away_does_not_take_the_others_answer(leaver: int) -> None:
    flight, computation = SingleFlight(), Computation()
    tasks = await asking(flight, computation, 5)
    tasks[leaver].cancel()
    await asyncio.sleep(0)
    computation.finish.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results.pop(leaver), asyncio.CancelledError)
    assert results == [entry()] * 4
    assert computation.runs == 1


async def test_a_computation_that_all_have_left_ends_quietly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flight, computation = SingleFlight(), Computation(LookupError("gone"))
    (task,) = await asking(flight, computation, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    computation.finish.set()
    await asyncio.gather(*view.under_way(flight).values(), return_exceptions=True)
    assert view.under_way(flight) == {}
    assert caplog.records == []
