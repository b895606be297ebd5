"""Counts the records of a feed's calls: taken, stored and refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from alphapulse_api.domain.errors import Problem
from alphapulse_api.record.calls import Calls, to_its_end
from alphapulse_api.record.stats import FeedCounters

P = ParamSpec("P")
T = TypeVar("T")

UNSTORED: Final = "the dashboard ended before it was stored"


class Counted(Protocol):
    """An object that counts its calls, such as a feed."""

    @property
    def calls(self) -> Calls: ...

    @property
    def counters(self) -> FeedCounters: ...


C = TypeVar("C", bound=Counted)


def reason_of(error: Exception) -> str:
    """Why a record was refused, in one sentence."""
    if isinstance(error, Problem):
        return error.detail
    return f"{type(error).__name__}: {error}"


def reasons_in(result: Any) -> list[str]:
    """Why records were refused in a batch whose result reports on each."""
    if isinstance(result, dict) and "results" in result and result.get("refused"):
        return [r["error"] for r in result["results"] if "error" in r]
    return []


async def counting(counters: FeedCounters, method: str, count: int, work: Awaitable[T]) -> T:
    """The result of a call; its records are counted as taken, and then as stored or refused.

    Args:
        counters: the counts to update.
        method: the feed's method.
        count: its records; a call without any, such as an acknowledgement, counts as one.
        work: the call.
    """
    counters.take(count)
    try:
        result = await work
    except Exception as error:
        counters.refuse(method, count, reason_of(error))
        raise
    except BaseException:
        counters.refuse(method, count, UNSTORED)
        raise
    counters.settle(method, count, reasons_in(result))
    return result


def one_record(
    method: Callable[Concatenate[C, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[C, P], Coroutine[Any, Any, T]]:
    """Let a feed's method for one record run to its end, and count the record."""
    name = method.__name__

    @to_its_end
    @wraps(method)
    async def call(feed: C, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await counting(feed.counters, name, 1, method(feed, *args, **kwargs))

    return call
