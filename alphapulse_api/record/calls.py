"""The calls of a feed that are in progress, and whether it accepts more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from alphapulse_api.domain.errors import DashboardClosed
from alphapulse_api.runtime.detached import Detached

P = ParamSpec("P")
T = TypeVar("T")


class Caller(Protocol):
    """An object with calls, such as a feed."""

    @property
    def calls(self) -> Calls:
        """The calls that are in progress."""
        ...


C = TypeVar("C", bound=Caller)


def to_its_end(
    method: Callable[Concatenate[C, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[C, P], Coroutine[Any, Any, T]]:
    """Let a feed's method run to its end, even if its caller is cancelled or the feed is closed.

    Otherwise a record could be stored and not published.
    """

    @wraps(method)
    async def call(feed: C, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await feed.calls.run(method(feed, *args, **kwargs))

    return call


class Calls:
    """Runs calls to their end, until it is closed."""

    __slots__ = ("_refusal", "_under_way")

    def __init__(self) -> None:
        self._refusal: type[RuntimeError] | None = None
        self._under_way: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        state = "open" if self._refusal is None else "closed"
        return f"<Calls {state} under_way={len(self._under_way)}>"

    @property
    def closed(self) -> bool:
        """Whether no more calls are accepted."""
        return self._refusal is not None

    def open(self) -> None:
        """Accept calls, even after `close`."""
        self._refusal = None

    def refuse(self, error: type[RuntimeError]) -> None:
        """Raise an `error` for every later call."""
        self._refusal = error

    def check(self) -> None:
        """Raise the error for later calls if no more calls are accepted.

        Raises:
            DashboardClosed: after `close`.
            RuntimeError: the error of `refuse`.
        """
        if self._refusal is not None:
            raise self._refusal()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a call, which runs to its end even if the caller is cancelled.

        Raises:
            DashboardClosed: if no more calls are accepted.
        """
        if self._refusal is not None:
            work.close()
            raise self._refusal()
        call = Detached(work)
        self._under_way.add(call.task)
        call.task.add_done_callback(self._under_way.discard)
        return await call.result()

    async def close(self) -> None:
        """Accept no more calls, and wait for those that are in progress."""
        self.refuse(DashboardClosed)
        # The I/O of each call is bounded. Calls that these make in turn are waited for too.
        while self._under_way:
            await asyncio.wait(self._under_way)
