"""Futures that resume their tasks in the turn in which they are resolved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Any

import pytest

from alphapulse_api.runtime.detached import Detached
from alphapulse_api.runtime.prompt import PromptFuture, resuming
from alphapulse_api.runtime.slices import SLICE_SECONDS


async def _in_a_callback(work: Callable[[], object]) -> None:
    """Run `work` in a callback of the loop, at the end of whose turn this returns."""

    def call() -> None:
        with resuming():
            work()

    asyncio.get_running_loop().call_soon(call)
    await asyncio.sleep(0)


async def _started(*tasks: asyncio.Task[Any]) -> None:
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


async def test_a_chain_of_tasks_resumes_in_one_turn() -> None:
    store: PromptFuture[int] = PromptFuture()

    async def call() -> int:
        return await Detached(_awaiting(store)).result() + 1

    task = asyncio.create_task(call())
    await _started(task)
    await _started(task)
    await _in_a_callback(lambda: store.set_result(1))
    assert task.done()
    assert await task == 2


async def _awaiting(future: PromptFuture[int]) -> int:
    return await future


async def test_elsewhere_it_is_like_any_other_future() -> None:
    future: PromptFuture[int] = PromptFuture()
    task = asyncio.create_task(_awaiting(future))
    await _started(task)
    future.set_result(1)
    assert not task.done()
    assert await task == 1
    assert await future == 1


async def test_an_error_and_a_cancellation_resume_too() -> None:
    failed: PromptFuture[int] = PromptFuture()
    cancelled: PromptFuture[int] = PromptFuture()
    tasks = [asyncio.create_task(_awaiting(future)) for future in (failed, cancelled)]
    await _started(*tasks)

    def resolve() -> None:
        failed.set_exception(ValueError("no"))
        cancelled.cancel()

    await _in_a_callback(resolve)
    assert all(task.done() for task in tasks)
    with pytest.raises(ValueError, match="no"):
        await tasks[0]
    assert tasks[1].cancelled()


async def test_a_callback_that_fails_does_not_keep_others_from_theirs() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    future: PromptFuture[int] = PromptFuture()

    def failing(_: object) -> None:
        raise ZeroDivisionError

    future.add_done_callback(failing)
    task = asyncio.create_task(_awaiting(future))
    await _started(task)
    await _in_a_callback(lambda: future.set_result(1))
    assert await task == 1
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]


async def test_a_removed_callback_is_not_called() -> None:
    called: list[object] = []
    future: PromptFuture[int] = PromptFuture()
    future.add_done_callback(called.append)
    assert future.remove_done_callback(called.append) == 1
    await _in_a_callback(lambda: future.set_result(1))
    assert not called


async def test_long_callbacks_are_divided_among_turns() -> None:
    futures: list[PromptFuture[None]] = [PromptFuture() for _ in range(4)]
    ended: list[object] = []

    def slow(future: object) -> None:
        end = perf_counter() + SLICE_SECONDS
        while perf_counter() < end:
            pass
        ended.append(future)

    for future in futures:
        future.add_done_callback(slow)

    def resolve() -> None:
        for future in futures:
            future.set_result(None)

    await _in_a_callback(resolve)
    assert ended == futures[:1]
    while len(ended) < len(futures):
        await asyncio.sleep(0)
    assert ended == futures


async def test_a_cancelled_caller_cancels_neither_the_work_nor_the_others() -> None:
    store: PromptFuture[int] = PromptFuture()
    work = Detached(_awaiting(store))
    gone, stays = (asyncio.create_task(work.result()) for _ in range(2))
    await _started(gone, stays)
    gone.cancel()
    with suppress(asyncio.CancelledError):
        await gone
    store.set_result(1)
    assert await stays == 1
    assert await work.result() == 1


async def test_an_error_of_detached_work_is_raised_in_each_caller() -> None:
    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    work = Detached(failing())
    results = await asyncio.gather(work.result(), work.result(), return_exceptions=True)
    assert [str(result) for result in results] == ["no", "no"]
    with pytest.raises(ValueError, match="no"):
        await work.result()
