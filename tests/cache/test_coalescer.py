"""One computation of a key runs, one waits, and each request reads what was written before it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.cache import Coalescer
from alphapulse_api.cache.base import Version


class Store:
    """A value that is written and read; computations end when they are told to.

    Attributes:
        version: the value; a computation reads it at its start.
        running: how many computations run.
        calls: how many were begun.
    """

    def __init__(self) -> None:
        self.version = 0
        self.running = 0
        self.calls = 0
        self.coalescer = Coalescer[int]()
        self.cached: int | None = None
        self._ends: list[asyncio.Event] = []

    async def look(self) -> tuple[Version | None, int | None]:
        return self.version, self.cached if self.cached == self.version else None

    async def compute(self, version: Version | None) -> int:
        self.calls += 1
        self.running += 1
        assert self.running == 1
        read = self.version
        self._ends.append(end := asyncio.Event())
        await end.wait()
        self.running -= 1
        return read

    def ask(self, version: Version | None = None) -> asyncio.Future[int]:
        seen = self.version if version is None else version
        return self.coalescer.begin("key", seen, self.look, self.compute)

    async def end_one(self) -> None:
        """End the computation that runs, and let the next one begin."""
        await turns()
        self._ends.pop(0).set()
        await turns()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_requests_share_the_computation_that_runs_while_nothing_is_written() -> None:
    store = Store()
    first, second = store.ask(), store.ask()
    assert first is second
    await store.end_one()
    assert (await first, store.calls) == (0, 1)


async def test_requests_after_a_write_share_the_next_one() -> None:
    store = Store()
    first = store.ask()
    await turns()
    later = []
    for _ in range(3):
        store.version += 1
        later += [store.ask(), store.ask()]
    await store.end_one()
    await store.end_one()
    assert await first == 0
    assert set(await asyncio.gather(*later)) == {3}
    assert store.calls == 2


async def test_the_next_one_computes_nothing_where_another_process_has() -> None:
    store = Store()
    store.ask()
    await turns()
    store.version += 1
    later = store.ask()
    store.cached = 1
    await store.end_one()
    assert (await later, store.calls) == (1, 1)


async def test_an_error_is_everybody_s_who_shares_and_nobody_s_afterwards() -> None:
    coalescer = Coalescer[int]()

    async def look() -> tuple[Version | None, int | None]:
        return 1, None

    async def fails(version: Version | None) -> int:
        raise LookupError

    async def works(version: Version | None) -> int:
        return 5

    shared = [coalescer.begin("key", 1, look, fails) for _ in range(2)]
    after = coalescer.begin("key", 2, look, works)
    for result in shared:
        with pytest.raises(LookupError):
            await result
    assert await after == 5


async def test_without_versions_no_request_shares_a_computation_that_began_before() -> None:
    coalescer = Coalescer[int]()
    written = 0
    begun = asyncio.Event()
    go_on = asyncio.Event()

    async def look() -> tuple[Version | None, int | None]:
        return None, None

    async def compute(version: Version | None) -> int:
        read = written
        begun.set()
        await go_on.wait()
        return read

    first = coalescer.begin("key", None, look, compute)
    await begun.wait()
    written = 1
    second = coalescer.begin("key", None, look, compute)
    go_on.set()
    assert (await first, await second) == (0, 1)


@given(st.lists(st.sampled_from(["write", "ask", "end", "turn"]), max_size=60))
def test_every_answer_holds_what_was_written_before_it_was_asked_for(steps: list[str]) -> None:
    async def run() -> None:
        store = Store()
        asked: list[tuple[int, asyncio.Future[int]]] = []
        for step in steps:
            if step == "write":
                store.version += 1
            elif step == "ask":
                asked.append((store.version, store.ask()))
            elif step == "turn":
                await turns()
            elif store.running:
                await store.end_one()
        await turns()
        while store.running:
            await store.end_one()
        for version, result in asked:
            assert result.result() >= version
        assert store.calls <= 2 * len(asked)

    asyncio.run(run())
