"""One computation of a key runs, one waits, and each request reads what was written before it."""

from __future__ import annotations

import asyncio

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
        try:
            await end.wait()
        finally:
            self.running -= 1
            self._ends.remove(end)
        return read

    def ask(self) -> asyncio.Task[int]:
        """Ask now, with what the version is now."""
        asking = self.coalescer.get("key", self.version, self.look, self.compute)
        return asyncio.create_task(asking)

    async def end_one(self) -> None:
        """End the computation that runs, and let the next one begin."""
        await turns()
        self._ends[0].set()
        await turns()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_requests_share_the_computation_that_runs_while_nothing_is_written() -> None:
    store = Store()
    first, second = store.ask(), store.ask()
    await store.end_one()
    assert (await first, await second, store.calls) == (0, 0, 1)


async def test_requests_after_a_write_share_the_next_one() -> None:
    store = Store()
    first = store.ask()
    await turns()
    later = []
    for _ in range(3):
        store.version += 1
        later += [store.ask(), store.ask()]
        await turns()
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
    await turns()
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

    answers = await asyncio.gather(
        coalescer.get("key", 1, look, fails),
        coalescer.get("key", 1, look, fails),
        coalescer.get("key", 2, look, works),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [LookupError, LookupError, int]


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

    first = asyncio.create_task(coalescer.get("key", None, look, compute))
    await begun.wait()
    written = 1
    second = asyncio.create_task(coalescer.get("key", None, look, compute))
    await turns()
    go_on.set()
    assert (await first, await second) == (0, 1)


async def test_a_computation_ends_when_nobody_waits_for_it_any_more() -> None:
    store = Store()
    first, second = store.ask(), store.ask()
    await turns()
    first.cancel()
    await turns()
    assert store.running == 1
    second.cancel()
    await turns()
    assert store.running == 0
    # Who asks in the moment of the cancellation gets an answer all the same.
    leaving = store.ask()
    await turns()
    leaving.cancel()
    staying = store.ask()
    await store.end_one()
    assert await staying == 0


async def test_a_computation_that_waits_is_dropped_when_nobody_waits_for_it() -> None:
    store = Store()
    first = store.ask()
    await turns()
    store.version += 1
    second = store.ask()
    await turns()
    second.cancel()
    await store.end_one()
    assert (await first, store.calls) == (0, 1)


async def test_a_computation_that_is_begun_for_later_goes_to_its_end() -> None:
    store = Store()
    store.coalescer.begin("key", store.version, store.look, store.compute)
    await turns()
    leaving = store.ask()
    await turns()
    leaving.cancel()
    await turns()
    assert store.running == 1
    await store.end_one()
    assert store.running == 0


@given(st.lists(st.sampled_from(["write", "ask", "end", "turn"]), max_size=60))
def test_every_answer_holds_what_was_written_before_it_was_asked_for(steps: list[str]) -> None:
    async def run() -> None:
        store = Store()
        asked: list[tuple[int, asyncio.Task[int]]] = []
        for step in steps:
            if step == "write":
                store.version += 1
            elif step == "ask":
                asked.append((store.version, store.ask()))
                await asyncio.sleep(0)
            elif step == "turn":
                await turns()
            elif store.running:
                await store.end_one()
        await turns()
        while store.running:
            await store.end_one()
        for version, answer in asked:
            assert await answer >= version
        assert store.calls <= 2 * len(asked)

    asyncio.run(run())
