"""A bounded queue of a host's calls, in order, for any thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic, time_ns
from typing import Any, Final, Literal

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.embed.calls import Call, instant
from alphapulse_api.record.stats import FeedCounters

LONG_SECONDS: Final = 3600.0  # an unbounded wait repeats this one: locks refuse infinite timeouts
LIMIT: Final = 100_000  # records queued and not settled: about 100 MB at worst
# Lets calls without a waiting caller accumulate. Each time they are taken, the host's other threads
# may wait about 0.1 ms for the interpreter lock; 50 times a second, that is 0.5 % of the time.
LINGER_SECONDS: Final = 0.02
OnUnavailable = Literal["raise", "drop"]

# A call, or a record without a waiting caller: the method, the time of the call (nanoseconds since
# the epoch) and the record. Creating a `Call` would take longer than the rest of the hand-over.
Given = Call | tuple[str, int, dict[str, Any]]


def dropping(on_unavailable: OnUnavailable) -> bool:
    """Whether records are dropped when there is no room.

    Raises:
        ValueError: if it is neither "raise" nor "drop".
    """
    if on_unavailable not in ("raise", "drop"):
        raise ValueError(f"on_unavailable must be 'raise' or 'drop', not {on_unavailable!r}")
    return on_unavailable == "drop"


class CallQueue:
    """Accepts calls from any thread, for one consumer: a thread or an event loop.

    A record counts against the limit until it is settled, so the limit also bounds the records that
    the consumer is working on. Threads that hand over single records at the same time may exceed it
    by one record each, because they take no lock: with cold CPU caches, a lock would double the
    cost.

    Args:
        counters: count the records that are accepted and dropped.
        limit: the most records that may be queued and not settled.
        wake: called from any thread when the queue is no longer empty; by default, it wakes `take`.
    """

    def __init__(
        self,
        counters: FeedCounters,
        limit: int = LIMIT,
        wake: Callable[[], object] | None = None,
    ) -> None:
        self._counters = counters
        self._limit = limit
        self._lock = counters.lock
        self._room = threading.Condition(self._lock)
        self._blocked = 0
        self._calls: deque[Given] = deque()
        self._counted = 0  # how many of them are in the counters
        self._work = threading.Event()
        self._urgent = threading.Event()
        self._wake = wake or self._work.set
        self._idle = True
        self._refusal: Callable[[], Exception] | None = None

    def check(self) -> None:
        """Raise the error given to `close` or `disown`, if either was called."""
        if self._refusal is not None:
            raise self._refusal()

    def put(self, call: Call, count: int, seconds: float, *, drop: bool) -> bool:
        """Queue a call.

        Args:
            call: the call to queue.
            count: the number of its records.
            seconds: how long to wait for room.
            drop: if there is no room, count the records as dropped instead of raising.

        Returns:
            Whether it was queued.

        Raises:
            DashboardClosed, DashboardForked: the error given to `close` or `disown`.
            Unavailable: if there is no room.
        """
        counters = self._counters
        # Check before taking the lock: in a forked process, nobody may ever release it.
        if self._refusal is not None:
            raise self._refusal()
        with self._lock:
            self._count()
            depth = counters.depth
            # A call that is larger than the limit is accepted when the queue is empty.
            if depth > 0 and depth + count > self._limit and not self._waited(count, seconds):
                if not drop:
                    raise Unavailable(
                        f"{counters.depth} records wait to be stored, and at most {self._limit} "
                        "may; try again later."
                    )
                counters.dropped += count
                return False
            if self._refusal is not None:
                raise self._refusal()
            # Ctrl-C may interrupt between any two steps; then the next call wakes the consumer.
            self._calls.append(call)
            counters.taken += count
            self._counted += 1
            if call.waits:
                self._urgent.set()
            if self._idle:
                self._wake()
        return True

    def hand_over(
        self,
        method: str,
        before: tuple[Any, ...],
        records: Sequence[Any],
        many: bool,
        timeout: float | None,
        options: dict[str, Any],
        *,
        drop: bool,
    ) -> int:
        """Queue a call without a waiting caller; return the number of its records, 0 if dropped."""
        if (
            len(records) == 1
            and type(records[0]) is dict
            and not (many or before or options)
            and self.put_record(method, records[0])
        ):
            return 1
        # Copy them: the caller may reuse its dicts.
        kept = [dict(r) if type(r) is dict else r for r in records]
        call = Call(method, instant(), kept, many, before, options, waits=False)
        return call.count if self.put(call, call.count, timeout or 0.0, drop=drop) else 0

    def put_record(self, method: str, record: dict[str, Any]) -> bool:
        """Queue one record without a waiting caller, if there is room: the fast path of `put`.

        Returns:
            Whether it was queued; if not, `put` decides what happens to it.
        """
        counters, calls = self._counters, self._calls
        depth = counters.taken - counters.stored - counters.refused + len(calls) - self._counted
        if depth >= self._limit or self._refusal is not None:
            return False
        calls.append((method, time_ns(), {**record}))
        if self._idle:
            self._wake()
        return True

    def count(self) -> None:
        """Add the records queued so far to the counters."""
        with self._lock:
            self._count()

    def _count(self) -> None:
        # The order matters, here and in `put` and `take_now`: a reader without the lock may count a
        # record twice but never misses one.
        new = len(self._calls) - self._counted
        self._counters.taken += new
        self._counted += new

    def _waited(self, count: int, seconds: float) -> bool:
        if seconds <= 0:
            return False
        end = monotonic() + seconds
        self._blocked += 1
        try:
            while 0 < self._counters.depth > self._limit - count:
                left = end - monotonic()
                if left <= 0 or self._refusal is not None:
                    return self._refusal is not None
                self._room.wait(min(left, LONG_SECONDS))
            return True
        finally:
            self._blocked -= 1

    def made_room(self) -> None:
        """Wake callers that wait for room, after records were settled."""
        if self._blocked:
            with self._lock:
                self._room.notify_all()

    def take(self, most: int) -> list[Given]:
        """Wait for calls, and return at most `most` of them; none after `wake`."""
        self._work.wait()
        self.attend()
        if not self._urgent.is_set():
            self._urgent.wait(LINGER_SECONDS)
        return self.take_now(most)

    def attend(self) -> None:
        """Do not call the constructor's `wake` again until `take_now` finds no calls."""
        self._idle = False

    def take_now(self, most: int) -> list[Given]:
        """Return at most `most` calls without waiting."""
        with self._lock:
            self._count()
            count = min(most, self._counted)
            self._counted -= count
            given = [self._calls.popleft() for _ in range(count)]
            if self._counted:
                self._urgent.set()
            else:
                self._urgent.clear()
                if not given:
                    # Not earlier: while calls keep coming, none of them has to wake the consumer.
                    self._idle = True
                    self._work.clear()
                    if self._calls:  # from a thread that saw `_idle` before it was set
                        self._wake()
        return given

    def wait_until_settled(self, seconds: float) -> bool:
        """Wait until every queued record is settled; return whether they all are."""
        end = monotonic() + seconds
        with self._lock:
            self._blocked += 1
            try:
                self._count()
                while self._counters.depth > 0 and (left := end - monotonic()) > 0:
                    self._room.wait(min(left, LONG_SECONDS))
                return self._counters.depth <= 0
            finally:
                self._blocked -= 1

    def wake(self) -> None:
        """Make `take` return."""
        self._urgent.set()
        self._work.set()

    def close(self, refusal: Callable[[], Exception]) -> None:
        """Refuse further calls, with this error."""
        with self._lock:
            self._refusal = refusal
            self._room.notify_all()

    def disown(self, refusal: Callable[[], Exception]) -> None:
        """Refuse further calls in a forked process, where the lock may be held forever."""
        self._refusal = refusal

    def drop_all(self) -> list[Call]:
        """Remove and return the calls that were never sent."""
        with self._lock:
            self._count()
            given = [self._calls.popleft() for _ in range(self._counted)]
            self._counted = 0
        return [call_of(one) for one in given]


def call_of(given: Given) -> Call:
    """Convert what was queued to a call."""
    if isinstance(given, Call):
        return given
    method, at, record = given
    return Call(method, at // 1000, (record,), waits=False)
