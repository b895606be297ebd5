"""Writes that share a commit: what waits for one, and how each of them ended."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.runtime.supervisor import consume_exception
from alphapulse_api.storage.engine.base import Committed, Work

if TYPE_CHECKING:
    from alphapulse_api.domain.outbox import OutboxRow

T = TypeVar("T")

STALL_SECONDS: Final = 5.0  # longer than this, a commit counts as one that hangs
GROUP_LIMIT: Final = 1000  # units of work a commit: bounds how long the first of them waits


class Job(NamedTuple):
    """A unit of work, and where its caller awaits the result."""

    work: Work[Any]
    answer: asyncio.Future[Any]


class Outcome(NamedTuple):
    """How a job ended: with a value, or with an error."""

    job: Job
    value: Any
    error: Exception | None


class Queue(Protocol):
    """What `queue.SimpleQueue` and `asyncio.Queue` have in common."""

    def put_nowait(self, job: Job | None, /) -> None: ...

    def get_nowait(self) -> Job | None: ...

    def empty(self) -> bool: ...


class GroupingEngine(ABC):
    """What the engines share: units of work queue for one writer, which answers them in groups."""

    _jobs: Queue  # None ends it

    def __init__(self) -> None:
        self._writer: object | None = None  # None: closed
        self._waiting = 0
        self._trouble: str | None = None
        self._under_way_since: float | None = None  # the monotonic clock; set where it is written
        self._stall_timer: asyncio.TimerHandle | None = None
        self.on_stall: Callable[[], object] = lambda: None
        self._committed: Committed | None = None
        self.relayed: Container[str] = ()
        self.leaves_outbox = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.location!r} waiting={self._waiting}>"

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the data are, for messages."""

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

    async def write(self, work: Work[T]) -> T:
        if self._writer is None:
            raise Unavailable("The database is closed.")
        loop = asyncio.get_running_loop()
        if self._stall_timer is None:
            self._stall_timer = loop.call_later(STALL_SECONDS, self._look_for_stall)
        answer: asyncio.Future[T] = loop.create_future()
        # What fails when its caller has gone away is nobody's to hear of.
        answer.add_done_callback(consume_exception)
        self._waiting += 1
        self._jobs.put_nowait(Job(work, answer))
        # A caller that goes away must not undo what others may see as stored.
        return await asyncio.shield(answer)

    def _group(self, job: Job | None) -> tuple[list[Job], bool]:
        """`job` and all that has gathered behind it; and whether the queue has come to its end."""
        group: list[Job] = []
        while job is not None:
            group.append(job)
            if len(group) == GROUP_LIMIT or self._jobs.empty():
                return group, False
            job = self._jobs.get_nowait()
        return group, True

    def _look_for_stall(self) -> None:
        """One timer for all writes, while there are any: a hanging commit calls nobody back."""
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

    def _answer(self, outcomes: Sequence[Outcome], rows: Sequence[OutboxRow] = ()) -> None:
        """Hand out the outbox rows of a commit, and answer its callers; on their loop."""
        if rows and self._committed is not None:
            self._committed(rows)
        self._waiting -= len(outcomes)
        for (_, answer), value, error in outcomes:
            if answer.done():
                continue
            if error is None:
                answer.set_result(value)
            else:
                answer.set_exception(error)
