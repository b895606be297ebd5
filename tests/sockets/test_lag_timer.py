"""The second look at lagging sockets: one timer for all, and each gets its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from alphapulse_api.sockets.lag_timer import LagTimer
from alphapulse_api.sockets.writer import State
from tests import view
from tests.peers import Peer, peered
from tests.waiting import until


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with peered() as peer:
        yield peer


async def test_all_are_called_once_in_one_turn() -> None:
    lag_timer, calls = LagTimer(), list[str]()
    looks = [lambda: calls.append("a"), lambda: calls.append("b")]
    for look in (*looks, *looks):
        lag_timer.add(look)
    await until(lambda: calls)
    assert calls == ["a", "b"]
    assert not view.has_timer(lag_timer)


async def test_one_that_fails_keeps_no_other_from_its_turn() -> None:
    lag_timer, calls = LagTimer(), list[str]()
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: faults.append(what))

    def failing() -> None:
        raise ValueError("odd")

    lag_timer.add(failing)
    lag_timer.add(lambda: calls.append("after"))
    await until(lambda: calls)
    assert [str(fault["exception"]) for fault in faults] == ["odd"]


async def test_one_that_comes_during_a_sweep_is_called_by_the_next() -> None:
    lag_timer, calls = LagTimer(), list[int]()

    def again() -> None:
        calls.append(len(calls))
        if len(calls) < 3:
            lag_timer.add(again)

    lag_timer.add(again)
    await until(lambda: len(calls) == 3)
    assert not view.has_timer(lag_timer)


async def test_a_client_that_takes_nothing_is_left_to_the_sweep(peer: Peer) -> None:
    peer.stall()
    await until(lambda: peer.lag_timer)
    assert not view.has_timer(peer.writer)
    peer.send("end")
    await peer.read("end")
    await until(lambda: peer.writer.state is not State.LAGGING)
    assert not peer.lag_timer


async def test_a_closed_socket_is_not_looked_at_again(peer: Peer) -> None:
    peer.stall()
    await until(lambda: peer.lag_timer)
    peer.writer.close()
    assert not peer.lag_timer
    assert not view.has_timer(peer.writer)
