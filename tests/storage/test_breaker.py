"""A breaker refuses while its probes meet silence, and lets through as soon as one is answered."""

from __future__ import annotations

import asyncio

import pytest

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.storage.engine import breaker as module
from alphapulse_api.storage.engine.breaker import Breaker
from tests.waiting import until


class Server:
    """What each probe comes to is said by the test."""

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)
        self.answers: asyncio.Queue[Exception | None] = asyncio.Queue()
        self.probes = 0

    async def probe(self) -> None:
        self.probes += 1
        self.asked.release()
        answer = await self.answers.get()
        self.probes -= 1
        if answer is not None:
            raise answer


def refuses(breaker: Breaker) -> bool:
    try:
        breaker.check()
    except Unavailable:
        return True
    return False


@pytest.mark.parametrize("answer", [None, ConnectionRefusedError(), ValueError()])
async def test_it_refuses_from_a_trip_to_an_answer_of_whatever_kind(
    answer: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.0)
    server = Server()
    breaker = Breaker(server.probe)
    assert not refuses(breaker)
    for round_ in (1, 2):
        for _ in range(3):
            breaker.trip()
        assert breaker.trips == round_
        for _ in range(3):
            assert refuses(breaker)
            await server.asked.acquire()
            assert server.probes == 1
            server.answers.put_nowait(TimeoutError())
        await server.asked.acquire()
        assert refuses(breaker)
        server.answers.put_nowait(answer)
        await until(lambda: not refuses(breaker))
    await breaker.close()


async def test_a_breaker_that_is_closed_leaves_no_probe() -> None:
    server = Server()
    breaker = Breaker(server.probe)
    breaker.trip()
    await server.asked.acquire()
    await breaker.close()
    assert [t for t in asyncio.all_tasks() if t is not asyncio.current_task()] == []
    await breaker.close()
