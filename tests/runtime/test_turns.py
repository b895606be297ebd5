"""How many requests begin in one turn of the event loop."""

from __future__ import annotations

import asyncio
from itertools import count

from alphapulse_api.runtime.turns import MOST, Turns

READERS = 4 * MOST


def _slow() -> Turns:
    """Turns that are all too long, so that in the end one request begins in each."""
    return Turns(clock=count().__next__)


async def _begin(turns: Turns, number: int, began: list[int]) -> None:
    await turns.take()
    began.append(number)


def _start(turns: Turns, began: list[int]) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(_begin(turns, number, began)) for number in range(READERS)]


async def _most_in_a_turn(turns: Turns) -> list[int]:
    """How many of many readers begin in each turn, until all have begun."""
    began: list[int] = []
    tasks = _start(turns, began)
    a_turn = []
    while len(began) < READERS:
        before = len(began)
        await asyncio.sleep(0)
        a_turn.append(len(began) - before)
    await asyncio.gather(*tasks)
    assert began == list(range(READERS))
    return a_turn


async def test_few_requests_begin_at_once() -> None:
    turns = Turns()
    began: list[int] = []
    tasks = _start(turns, began)[:MOST]
    await asyncio.sleep(0)
    assert began == list(range(MOST))
    await asyncio.gather(*tasks)


async def test_many_requests_begin_in_several_turns_in_their_order() -> None:
    a_turn = await _most_in_a_turn(Turns(clock=lambda: 0.0))
    assert max(a_turn) == MOST


async def test_fewer_requests_begin_after_a_long_turn() -> None:
    turns = _slow()
    a_turn = await _most_in_a_turn(turns)
    assert a_turn[-10:] == [1] * 10
    assert "room=1 waiting=0" in repr(turns)


async def test_more_requests_begin_again_after_short_turns() -> None:
    times = iter(range(10))
    turns = Turns(clock=lambda: next(times, 9))
    a_turn = [most for most in await _most_in_a_turn(turns) if most]
    assert min(a_turn) == 1
    assert a_turn[-2] > 10


async def test_cancelled_requests_take_no_turn() -> None:
    turns = _slow()
    began: list[int] = []
    tasks = _start(turns, began)
    await asyncio.sleep(0)
    gone = tasks[MOST : READERS - 1]
    for task in gone:
        task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert began == [*range(MOST), READERS - 1]
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_late_request_waits_behind_those_that_wait() -> None:
    turns = _slow()
    began: list[int] = []
    tasks = _start(turns, began)
    for _ in range(5):
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, _begin(turns, READERS, began))
    assert began == list(range(READERS + 1))


async def test_nothing_is_scheduled_once_all_have_begun() -> None:
    turns = Turns()
    began: list[int] = []
    await asyncio.gather(*_start(turns, began))
    for _ in range(3):
        await asyncio.sleep(0)
    assert turns._next is None
    await turns.take()
