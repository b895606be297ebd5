"""What snapshots and replays may cost a caller: by turns, in rows, and in waiting bytes."""

from __future__ import annotations

import asyncio

import pytest

from alphapulse_api.domain.errors import RateLimited
from alphapulse_api.sockets.readings import ROWS_A_SECOND, ROWS_BURST, WAITING_BYTES, Readings


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


async def test_a_caller_whose_sockets_do_not_read_gets_nothing_more() -> None:
    readings = Readings()
    first, second = [b"x" * (WAITING_BYTES - 1)], [b"xx"]
    release = readings.hold("ann", first)
    await read(readings, "ann", 1)  # one read may exceed what is left
    release_second = readings.hold("ann", second)
    with pytest.raises(RateLimited, match="64 MiB"):
        await read(readings, "ann", 1)
    await read(readings, "ben", 1)
    release_second()
    await read(readings, "ann", 1)
    release()
    assert readings.waiting("ann") == 0


async def test_bytes_that_sockets_share_count_once() -> None:
    readings, chunks = Readings(), [b"x" * 1000, b"y" * 10]
    releases = [readings.hold("ann", chunks) for _ in range(3)]
    assert readings.waiting("ann") == 1010
    for release in releases[:2]:
        release()
    assert readings.waiting("ann") == 1010
    releases[2]()
    assert readings.waiting("ann") == 0
