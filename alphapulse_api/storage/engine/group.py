"""Group commit: units of work queue for one writer and share transactions."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.runtime.prompt import PromptFuture, resuming
from alphapulse_api.runtime.supervisor import consume_exception
from alphapulse_api.storage.engine.base import Committed, Transaction, Work

if TYPE_CHECKING:
    from alphapulse_api.domain.outbox import OutboxRow

T = TypeVar("T")

STALL_SECONDS: Final = 5.0  # a commit that takes longer counts as stalled
GROUP_LIMIT: Final = 1000  # units of work a commit; bounds the wait of the first one


class Job(NamedTuple):
    """A unit of work, and the future that its caller awaits."""

    work: Work[Any]
    answer: asyncio.Future[Any]


class Outcome(NamedTuple):
    """The result of a job: a value or an error."""

    job: Job
    value: Any
    error: Exception | None


class Queue(Protocol):
    """The common interface of `queue.SimpleQueue` and `asyncio.Queue`."""

    def put_nowait(self, job: Job | None, /) -> None: ...

    def get_nowait(self) -> Job | None: ...

    def empty(self) -> bool: ...


class GroupingEngine(ABC):
    """Base of the engines: units of work queue for one writer, which commits them in groups."""

    _jobs: Queue  # None ends it

    def __init__(self) -> None:
        self._writer: object | None = None  # None: closed
        self._waiting = 0
        self._trouble: str | None = None
        self._under_way_since: float | None = None  # monotonic seconds; set by the writer
        self._stall_timer: asyncio.TimerHandle | None = None
        self.on_stall: Callable[[], object] = lambda: None
        self.on_marked: Callable[[], object] = lambda: None
        self._committed: Committed | None = None
        self.relayed: Container[str] = ()
        self.leaves_outbox = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.location!r} waiting={self._waiting}>"

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the data is stored, for messages."""

    @property
    def waiting(self) -> int:
        return self._waiting

    @property
    def trouble(self) -> str | None:
        return self._trouble

    @property
    def commit_seconds(self) -> float:
        since = self._under_way_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def stalled(self) -> bool:
        return self.commit_seconds >= STALL_SECONDS

    def on_commit(
        self, committed: Committed, *, relayed: Container[str] = (), leaves: bool = False
    ) -> None:
        self._committed = committed
        self.relayed = relayed
        self.leaves_outbox = leaves

    async def reclaim(self, transaction: Transaction, size: int) -> int:
        return 0

    async def truncate_log(self) -> None:
        return None

    async def write(self, work: Work[T]) -> T:
        if self._writer is None:
            raise Unavailable("The database is closed.")
        loop = asyncio.get_running_loop()
        if self._stall_timer is None:
            self._stall_timer = loop.call_later(STALL_SECONDS, self._look_for_stall)
        answer: PromptFuture[T] = PromptFuture()
        # If the caller is cancelled, nobody retrieves the error.
        answer.add_done_callback(consume_exception)
        self._waiting += 1
        self._jobs.put_nowait(Job(work, answer))
        # Cancelling the caller cancels the answer only; the job stays in the queue.
        return await answer

    def _group(self, job: Job | None) -> tuple[list[Job], bool]:
        """Return `job` and the jobs queued behind it, and whether the queue was ended."""
        group: list[Job] = []
        while job is not None:
            group.append(job)
            if len(group) == GROUP_LIMIT or self._jobs.empty():
                return group, False
            job = self._jobs.get_nowait()
        return group, True

    def _look_for_stall(self) -> None:
        """Check for a stalled commit; one timer serves all writes, and runs while there are any."""
        self._stall_timer = None
        if self.stalled:
            self.on_stall()
        if self._waiting and self._writer is not None:
            rest = STALL_SECONDS - self.commit_seconds
            wait = rest if rest > 0 else STALL_SECONDS
            self._stall_timer = asyncio.get_running_loop().call_later(wait, self._look_for_stall)

    def _stop_looking(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _answer(
        self, outcomes: Sequence[Outcome], rows: Sequence[OutboxRow] = (), marked: bool = False
    ) -> None:
        """Pass the outbox rows of a commit on and resume its callers; a callback of their loop."""
        if rows and self._committed is not None:
            self._committed(rows)
        if marked:
            self.on_marked()
        self._waiting -= len(outcomes)
        with resuming():
            for (_, answer), value, error in outcomes:
                if answer.done():
                    continue
                if error is None:
                    answer.set_result(value)
                else:
                    answer.set_exception(error)
