"""Calls of a host that wait to be carried out: bounded, in order, from any thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic, time_ns
from typing import Any, Final, Literal

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.embed.calls import Call, instant
from alphapulse_api.record.stats import FeedCounters

LONG_SECONDS: Final = 3600.0  # a wait without end, in parts that a lock takes
LIMIT: Final = 100_000  # records taken and not settled: some 100 MB at the worst
# That calls nobody waits for gather. Each time they are taken the host's other threads may have to
# wait some 0.1 ms for the interpreter: at 50 times a second, that meets one tick of 1 ms in 200.
LINGER_SECONDS: Final = 0.02
OnUnavailable = Literal["raise", "drop"]

# A call, or a record for which nobody waits: the method, when it was called in nanoseconds since
# the epoch, and the record. A `Call` of it would take longer than all the rest of the hand-over.
Given = Call | tuple[str, int, dict[str, Any]]


def dropping(on_unavailable: OnUnavailable) -> bool:
    """Whether records are dropped for which there is no room.

    Raises:
        ValueError: if it is neither "raise" nor "drop".
    """
    if on_unavailable not in ("raise", "drop"):
        raise ValueError(f"on_unavailable must be 'raise' or 'drop', not {on_unavailable!r}")
    return on_unavailable == "drop"


class CallQueue:
    """Takes calls from any thread; one thread, or one loop, takes them out.

    A record counts from the moment it is taken until it is settled, so the bound holds for what is
    done with it, too. Threads that hand over single records at the same moment may exceed it by one
    record each: they take no lock, which in a processor whose caches are cold would cost as much
    again as all the rest.

    Args:
        counters: what is taken and dropped is counted in them.
        limit: records that may be taken and not settled.
        wake: called, from any thread, when there are calls again; without it, `take` waits.
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
        self._counted = 0  # of these, how many the counters know
        self._work = threading.Event()
        self._urgent = threading.Event()
        self._wake = wake or self._work.set
        self._idle = True
        self._refusal: Callable[[], Exception] | None = None

    def check(self) -> None:
        """Raises what `close` and `disown` were given, if no call is taken any more."""
        if self._refusal is not None:
            raise self._refusal()

    def put(self, call: Call, count: int, seconds: float, *, drop: bool) -> bool:
        """Take a call.

        Args:
            call: what to send.
            count: its records.
            seconds: how long to wait for room.
            drop: without room, count the records as dropped instead of raising.

        Returns:
            Whether it was taken.

        Raises:
            DashboardClosed, ForkedProcess: what `close` and `disown` were given.
            Unavailable: if there is no room.
        """
        counters = self._counters
        # Before the lock, which no thread may release in a forked process.
        if self._refusal is not None:
            raise self._refusal()
        with self._lock:
            self._count()
            depth = counters.depth
            # A call larger than the whole bound goes alone.
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
            # In this order Ctrl-C may come between any two: the next call wakes, if this does not.
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
        """Queue a call that nobody awaits; return how many records were taken, all or none."""
        if (
            len(records) == 1
            and type(records[0]) is dict
            and not (many or before or options)
            and self.put_record(method, records[0])
        ):
            return 1
        # The caller may use its dicts again.
        kept = [dict(r) if type(r) is dict else r for r in records]
        call = Call(method, instant(), kept, many, before, options, waits=False)
        return call.count if self.put(call, call.count, timeout or 0.0, drop=drop) else 0

    def put_record(self, method: str, record: dict[str, Any]) -> bool:
        """Take one record for which nobody waits: the short way of `put`, where there is room.

        Returns:
            Whether it was taken; otherwise `put` says what becomes of it.
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
        """Add the records taken so far to the counters."""
        with self._lock:
            self._count()

    def _count(self) -> None:
        # In this order, as in `put` and `take_now`: a reader without the lock may count a record
        # twice but never misses one.
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
        """Records were settled: let callers that wait for room look again."""
        if self._blocked:
            with self._lock:
                self._room.notify_all()

    def take(self, most: int) -> list[Given]:
        """Wait for calls, and return up to so many; none after `wake`."""
        self._work.wait()
        self.attend()
        if not self._urgent.is_set():
            self._urgent.wait(LINGER_SECONDS)
        return self.take_now(most)

    def attend(self) -> None:
        """Let `wake` of the constructor stay silent until `take_now` finds no calls."""
        self._idle = False

    def take_now(self, most: int) -> list[Given]:
        """Up to so many calls."""
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
                    # Only now: while calls keep coming, none of them need wake anybody.
                    self._idle = True
                    self._work.clear()
                    if self._calls:  # of a thread that has not seen that yet
                        self._wake()
        return given

    def wait_until_settled(self, seconds: float) -> bool:
        """Wait until nothing that was taken is unsettled; returns whether that is so."""
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
        """Let `take` return."""
        self._urgent.set()
        self._work.set()

    def close(self, refusal: Callable[[], Exception]) -> None:
        """Refuse further calls, with this error."""
        with self._lock:
            self._refusal = refusal
            self._room.notify_all()

    def disown(self, refusal: Callable[[], Exception]) -> None:
        """Refuse further calls in a forked process, whose copy of the lock may be held for ever."""
        self._refusal = refusal

    def drop_all(self) -> list[Call]:
        """Remove and return the calls that were never sent."""
        with self._lock:
            self._count()
            given = [self._calls.popleft() for _ in range(self._counted)]
            self._counted = 0
        return [call_of(one) for one in given]


def call_of(given: Given) -> Call:
    """The call that carries the given records."""
    if isinstance(given, Call):
        return given
    method, at, record = given
    return Call(method, at // 1000, (record,), waits=False)
