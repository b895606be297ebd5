"""A dashboard in a separate process, with its store, event log, HTTP and sockets."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final

from alphapulse_api.config import Config
from alphapulse_api.domain.errors import (
    DashboardClosed,
    DashboardForked,
    StartupError,
    Unavailable,
    ValidationProblem,
)
from alphapulse_api.embed.addresses import Addresses
from alphapulse_api.embed.calls import HEALTH, Answer, Call, instant
from alphapulse_api.embed.faults import rebuilt
from alphapulse_api.embed.feed import HostFeed
from alphapulse_api.embed.frames import Frame, Kind, chunks_of, loads
from alphapulse_api.embed.hello import Hello
from alphapulse_api.embed.hosted import TIMEOUT_SECONDS, HostedDashboard
from alphapulse_api.embed.link import Link
from alphapulse_api.embed.queue import LIMIT, CallQueue, OnUnavailable, dropping
from alphapulse_api.record.counting import reason_of
from alphapulse_api.record.stats import FeedCounters, FeedStats

HEALTH_SECONDS: Final = 2.0
NICENESS: Final = 5  # at the host's own niceness, it would take half a core from a busy host


class ProcessFeed(HostFeed):
    """The feed of a dashboard in a separate process."""

    __slots__ = ("_counters", "_drop", "_hand_over", "_link", "_queue", "_timeout", "close")

    def __init__(
        self,
        link: Link,
        queue: CallQueue,
        counters: FeedCounters,
        timeout: float | None,
        drop: bool,
        close: Callable[[], None],
    ) -> None:
        self.close = close  # ends the dashboard, for a host that keeps only its feed
        self._link = link
        self._queue = queue
        self._hand_over = queue.put_record
        self._counters = counters
        self._timeout = timeout
        self._drop = drop

    @property
    def addresses(self) -> Addresses | None:
        return self._link.addresses

    def stats(self) -> FeedStats:
        return self._link.stats()

    def health(self, timeout: float = HEALTH_SECONDS) -> dict[str, str]:
        """Check the dashboard's process, and the parts that answers depend on.

        Args:
            timeout: seconds after which a process that does not answer is "down".

        Returns:
            "ok" or "down" by name: `process`, and if that is "ok", the parts that /readyz reports.

        Raises:
            DashboardForked: in a forked process.
        """
        try:
            self._queue.check()
            if self._link.stats().state != "running":
                return {"process": "down"}
            return {"process": "ok", **self._call(HEALTH, (), (), False, True, timeout)}
        except (DashboardClosed, Unavailable):
            return {"process": "down"}

    def _call(
        self,
        method: str,
        before: tuple[Any, ...],
        records: Sequence[Any],
        many: bool,
        wait: bool,
        timeout: float | None,
        **options: Any,
    ) -> Any:
        if not wait:
            return self._queue.hand_over(
                method, before, records, many, timeout, options, drop=self._drop
            )
        self._queue.check()
        seconds = self._timeout if timeout is None else timeout
        end = None if seconds is None else monotonic() + seconds
        answer = Answer()
        call = Call(method, instant(), records, many, before, options, answer=answer)
        try:
            call.body = call.encode()
        except ValidationProblem as refusal:
            self._counters.take(call.count)
            self._counters.refuse(method, call.count, reason_of(refusal))
            raise
        self._queue.put(call, call.count, float("inf") if seconds is None else seconds, drop=False)
        if not answer.wait(None if end is None else end - monotonic()):
            raise Unavailable(
                f"The dashboard's process has not answered {method} within {seconds:g} s; the "
                "record may still be stored: repeat the call with the same id."
            )
        if answer.frame is None:
            raise DashboardClosed
        return _result(answer.frame)


def _result(answer: Frame) -> Any:
    chunks = chunks_of(answer.body)
    if answer.kind is Kind.ERROR:
        raise rebuilt(loads(next(chunks)))
    next(chunks)  # the reasons of refused records, which `Link` counts
    shape, head = loads(next(chunks))
    if shape == "value":
        return head
    items = [item for chunk in chunks for item in loads(chunk)]
    return items if shape == "list" else {**head, shape: items}


class ProcessDashboard(HostedDashboard[ProcessFeed]):
    """A dashboard in a separate process; see `Dashboard.in_process`."""

    def __init__(
        self,
        config: Config | None = None,
        *,
        serve: bool = True,
        first_user: bool = True,
        timeout: float | None = TIMEOUT_SECONDS,
        on_unavailable: OnUnavailable = "raise",
        max_depth: int = LIMIT,
        niceness: int = NICENESS,
    ) -> None:
        super().__init__()
        self._config = config or Config.load()
        self._serve = serve
        self._first_user = first_user
        self._timeout = timeout
        self._drop = dropping(on_unavailable)
        self._max_depth = max_depth
        self._niceness = niceness
        self._link: Link | None = None

    def stats(self) -> FeedStats:
        """Counts of the records, by outcome."""
        return self.feed.stats()

    @property
    def pid(self) -> int | None:
        """The id of the dashboard's process, while it runs."""
        return None if self._link is None else self._link.pid

    def _open(self) -> ProcessFeed:
        if sys.platform == "win32":
            raise StartupError(
                "a dashboard in a process of its own needs a POSIX system: use Dashboard.in_thread"
            )
        counters = FeedCounters()
        queue = CallQueue(counters, self._max_depth)
        hello = Hello(self._config, self._serve, self._first_user, os.getpid(), self._niceness)
        link = Link(hello, queue, counters)
        link.open()
        self._link = link
        return ProcessFeed(link, queue, counters, self._timeout, self._drop, self.close)

    def _close(self) -> None:
        assert self._link is not None
        self._link.close()

    def _disown(self) -> None:
        if self._link is not None:
            self._link.disown(DashboardForked)
