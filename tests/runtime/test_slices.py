"""Long work on the event loop: what is short does not wait behind it."""

from __future__ import annotations

import asyncio
from time import perf_counter

import pytest

from alphapulse_api.runtime.slices import SLICE_SECONDS, Slices, Steps
from tests.turns import CountingSelector, run_counting


def _burning(seconds: float, ended: list[str], name: str) -> Steps[str]:
    """Work that takes processor time, in small steps."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        yield
    ended.append(name)
    return name


async def test_short_work_does_not_wait_behind_long_work() -> None:
    slices, ended = Slices(), list[str]()
    long = [
        asyncio.create_task(slices.run(_burning(10 * SLICE_SECONDS, ended, "long")))
        for _ in range(3)
    ]
    await asyncio.sleep(0)
    assert await slices.run(_burning(0, ended, "short")) == "short"
    assert ended == ["short"]
    await asyncio.gather(*long)


async def test_answers_for_readers_wait_behind_long_work() -> None:
    slices, ended = Slices(), list[str]()
    first = asyncio.create_task(slices.run(_burning(2 * SLICE_SECONDS, ended, "first")))
    await asyncio.sleep(0)
    await slices.run(_burning(0, ended, "answer"), for_reader=True)
    await slices.run(_burning(0, ended, "write"))
    assert ended.index("write") > ended.index("answer")
    await first


def test_much_short_work_takes_several_turns() -> None:
    async def work(selector: CountingSelector) -> int:
        slices, ended = Slices(), list[str]()
        before = selector.turns
        await asyncio.gather(
            *(slices.run(_burning(SLICE_SECONDS / 10, ended, str(n))) for n in range(20))
        )
        assert ended == [str(n) for n in range(20)]
        return selector.turns - before

    assert run_counting(work) >= 3


@pytest.mark.parametrize("for_reader", [False, True])
async def test_the_error_of_work_is_raised(for_reader: bool) -> None:
    def failing() -> Steps[None]:
        yield
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Slices().run(failing(), for_reader=for_reader)
