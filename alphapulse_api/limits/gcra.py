"""Rate limits by the generic cell rate algorithm (ITU-T I.371), which keeps one number per caller.

The number is the theoretical arrival time: when the caller's allowance will be whole again. A
request is allowed while that time is less than a window ahead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import NamedTuple

# The tolerated fraction of an interval: sums of floats are not exact.
TOLERANCE = 1e-6


class Verdict(NamedTuple):
    """The decision on one request; times in seconds."""

    allowed: bool
    remaining: int  # requests that would be allowed right now
    reset: float  # until the allowance is whole again
    retry_after: float  # until the next request is allowed; 0 if it is allowed now


class Gcra:
    """A limit of `quota` requests per `window`, spread evenly, with bursts up to the whole quota.

    Args:
        quota: requests per window.
        window: seconds.
        callers: the most callers to remember. At this bound, callers whose allowance is whole are
            evicted, which changes nothing for them. If there are none, the older half is evicted.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        quota: int,
        window: float,
        *,
        callers: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.quota = quota
        self.window = window
        self.interval = window / quota
        self._callers = callers
        self._arrivals: dict[Hashable, float] = {}
        self._clock = clock

    def take(self, caller: Hashable, at: float | None = None) -> Verdict:
        """Count a request, unless it is refused.

        Args:
            caller: whose allowance it counts against.
            at: monotonic time in seconds; None: the clock's.
        """
        now = self._clock() if at is None else at
        whole_at = self._arrivals.get(caller, now)
        if whole_at < now:
            whole_at = now
        allowed = whole_at + self.interval - now - self.window <= self.interval * TOLERANCE
        if allowed:
            whole_at += self.interval
            if len(self._arrivals) >= self._callers and caller not in self._arrivals:
                self._evict(now)
            self._arrivals[caller] = whole_at
        return self.verdict(allowed, whole_at - now)

    def give_back(self, caller: Hashable) -> None:
        """Take back one count of the caller."""
        if (whole_at := self._arrivals.get(caller)) is not None:
            self._arrivals[caller] = whole_at - self.interval

    def verdict(self, allowed: bool, reset: float) -> Verdict:
        """The verdict when the allowance is whole again in `reset` seconds."""
        remaining = int((self.window - reset) / self.interval + TOLERANCE)
        return Verdict(allowed, remaining, reset, max(0.0, reset + self.interval - self.window))

    def _evict(self, now: float) -> None:
        self._arrivals = {c: at for c, at in self._arrivals.items() if at > now}
        if len(self._arrivals) >= self._callers:
            kept = list(self._arrivals.items())[len(self._arrivals) // 2 :]
            self._arrivals = dict(kept)
