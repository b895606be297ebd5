"""The second look at lagging sockets: one timer for all, and each gets its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from alphapulse_api.websocket.sweep import Sweep
from tests.peers import Peer, peered


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with peered() as peer:
        yield peer


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_all_are_called_once_in_one_turn() -> None:
    sweep, calls = Sweep(), list[str]()
    looks = [lambda: calls.append("a"), lambda: calls.append("b")]
    for look in (*looks, *looks):
        sweep.add(look)
    await until(lambda: calls)
    assert calls == ["a", "b"]
    assert sweep._timer is None


async def test_one_that_fails_keeps_no_other_from_its_turn() -> None:
    sweep, calls = Sweep(), list[str]()
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: faults.append(what))

    def failing() -> None:
        raise ValueError("odd")

    sweep.add(failing)
    sweep.add(lambda: calls.append("after"))
    await until(lambda: calls)
    assert [str(fault["exception"]) for fault in faults] == ["odd"]


async def test_one_that_comes_during_a_sweep_is_called_by_the_next() -> None:
    sweep, calls = Sweep(), list[int]()

    def again() -> None:
        calls.append(len(calls))
        if len(calls) < 3:
            sweep.add(again)

    sweep.add(again)
    await until(lambda: len(calls) == 3)
    assert sweep._timer is None


async def test_a_client_that_takes_nothing_is_left_to_the_sweep(peer: Peer) -> None:
    peer.stall()
    await until(lambda: peer.sweep._looks)
    assert peer.outbound._timer is None
    peer.send("end")
    await peer.read("end")
    await until(lambda: not peer.outbound._lagging)
    assert not peer.sweep._looks


async def test_a_closed_socket_is_not_looked_at_again(peer: Peer) -> None:
    peer.stall()
    await until(lambda: peer.sweep._looks)
    peer.outbound.close()
    assert not peer.sweep._looks
    assert peer.outbound._timer is None
