"""What snapshots and replays may cost a caller: by turns, and in rows."""

from __future__ import annotations

import asyncio

import pytest

from alphapulse_api.domain.errors import RateLimited
from alphapulse_api.sockets.readings import ROWS_A_SECOND, ROWS_BURST, Readings


async def read(readings: Readings, caller: str, rows: int) -> None:
    async with readings.turn(caller):
        readings.charge(caller, rows)


async def test_who_has_too_much_read_waits_and_others_do_not() -> None:
    now = 100.0
    readings = Readings(lambda: now)
    await read(readings, "ann", ROWS_BURST)
    await read(readings, "ann", 2 * ROWS_A_SECOND)  # one may cost more than is left
    with pytest.raises(RateLimited, match="try again in 2 s"):
        await read(readings, "ann", 1)
    await read(readings, "ben", ROWS_BURST)
    now += 2.0
    await read(readings, "ann", 1)


async def test_a_caller_has_one_thing_read_at_a_time() -> None:
    readings, order = Readings(), list[str]()
    go = asyncio.Event()

    async def one(caller: str, name: str) -> None:
        async with readings.turn(caller):
            order.append(name)
            await go.wait()

    turns = [
        asyncio.create_task(one(*which)) for which in (("ann", "a1"), ("ann", "a2"), ("ben", "b1"))
    ]
    await asyncio.sleep(0)
    assert order == ["a1", "b1"]
    turns[0].cancel()
    go.set()
    await asyncio.wait(turns)
    assert order == ["a1", "b1", "a2"]
    assert "reading=0" in repr(readings)
