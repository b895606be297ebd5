"""Takes the points that receivers decode: checks them, stores batches, and counts refusals."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Generator
from typing import Any, Final

from alphapulse_api.auth.caller import Caller
from alphapulse_api.backend import Backend
from alphapulse_api.domain.errors import Problem, ValidationProblem
from alphapulse_api.domain.points import ForeignSeries, Points, SeriesName
from alphapulse_api.domain.series_limits import TooManySeries
from alphapulse_api.domain.times import FIRST_MICROS, now, to_micros
from alphapulse_api.http.ingest import MAX_PENDING, PENDING_SECONDS
from alphapulse_api.http.pipeline.auth import check_again
from alphapulse_api.record.feed import MAX_BATCH
from alphapulse_api.runtime.slices import Steps

MAX_REASONS: Final = 100  # of refusals, as in other answers
MAX_REASON: Final = 200  # characters

# A decoder yields at least every 32 points, so that each step is well under a millisecond.
Decoding = Generator[None, None, None]


class Intake:
    """Collects the points of one request, and stores them up to 10000 at a time.

    An invalid point is refused alone.

    Args:
        backend: the parts of the application.
        caller: who sends them.

    Attributes:
        accepted: how many points were stored.
        refused: how many were refused.
        reasons: of the first refusals.
    """

    def __init__(self, backend: Backend, caller: Caller) -> None:
        self._backend = backend
        self._caller = caller
        self._view = backend.views.of(caller)
        self._points = Points()
        self.now = to_micros(now())
        self._latest = self.now + round(backend.config.max_clock_ahead * 1_000_000)
        self.accepted = 0
        self.refused = 0
        self.reasons: list[dict[str, Any]] = []

    def add(self, series: SeriesName, instant: int, value: float, **place: Any) -> bool:
        """Add a point; returns whether it is valid.

        Args:
            series: the series of the point.
            instant: in microseconds since the epoch.
            value: NaN and infinities are stored as null.
            place: members of the error if it is refused, such as the line.
        """
        if not FIRST_MICROS <= instant <= self._latest:
            ahead = self._backend.config.max_clock_ahead
            later = f"more than {ahead:g} s ahead of the server's clock"
            self.refuse("the time is " + (later if instant > 0 else "before the year 1"), **place)
            return False
        points = self._points
        points.series.append(series)
        points.instants.append(instant)
        points.values.append(value + 0.0 if math.isfinite(value) else None)  # zero has no sign
        return True

    def refuse(self, reason: str, count: int = 1, **place: Any) -> None:
        """Refuse points, for one reason."""
        self.refused += count
        if len(self.reasons) < MAX_REASONS:
            self.reasons.append({**place, "detail": reason[:MAX_REASON]})

    @property
    def summary(self) -> str:
        """One sentence about the refusals."""
        first = self.reasons[0]
        line = f"line {first['line']}: " if "line" in first else ""
        more = f" (and {self.refused - 1} more)" if self.refused > 1 else ""
        return f"partial write: {self.refused} refused: {line}{first['detail']}{more}"

    async def receive(self, decoding: Decoding) -> None:
        """Run a decoder to its end, and store a batch whenever one is full.

        Raises:
            Problem: what the decoder or the store raises, with `accepted`.
        """
        try:
            while await self._backend.slices.run(self._fill(decoding)):
                await self.store()
        except Problem as problem:
            raise self.counted(problem) from None

    async def store(self) -> None:
        """Store the points that wait.

        Raises:
            Problem: what the store raises, or a 401 if the caller has lost its rights.
        """
        check_again(self._backend, self._caller)
        points, self._points = self._points, Points()
        while points:
            try:
                self.accepted += await self._view.feed.record_points(points)
                break
            except (TooManySeries, ForeignSeries) as problem:
                rest = points.without(problem.keys)
                self.refuse(problem.detail, len(points) - len(rest))
                points = rest
            except Problem as problem:
                raise self.counted(problem) from None
        # A store may be faster than the fan-out, and events would queue without a bound.
        fanout = self._backend.connections.fanout
        while fanout.pending > MAX_PENDING:  # noqa: ASYNC110 (the fan-out signals no one)
            await asyncio.sleep(PENDING_SECONDS)

    def counted(self, problem: Problem) -> Problem:
        """The problem, with the number of points that were stored before it."""
        extra = {**problem.extra, "accepted": self.accepted}
        return Problem(problem.kind, problem.detail, headers=problem.headers, **extra)

    def _fill(self, decoding: Decoding) -> Steps[bool]:
        """Decode; returns whether a batch was full before the end."""
        points = self._points.values
        for _ in decoding:
            if len(points) >= MAX_BATCH:
                return True
            yield
        return False


def named(make: Callable[[], SeriesName]) -> SeriesName | str:
    """The series that `make` returns, or why there is none."""
    try:
        return make()
    except ValidationProblem as problem:
        return problem.detail
    except ValueError as error:
        return str(error)
