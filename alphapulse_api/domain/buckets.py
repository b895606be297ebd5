"""Where time buckets begin: at even steps from an origin in UTC, or by the clock of a time zone.

Instants are microseconds since the Unix epoch. By the clock of a zone, a bucket begins at the first
instant at which that clock shows its beginning, or a later time if the clock skips it. So a day on
which the clock changes has 23 or 25 hours, and every instant is in exactly one bucket. An hour that
the clock shows twice is two buckets.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Protocol

from alphapulse_api.domain.times import EPOCH, MICROSECOND, to_micros

SECOND: Final = 1_000_000  # microseconds
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
# The Monday of the epoch's week: weeks begin on Mondays (ISO 8601).
FIRST_MONDAY: Final = -3 * DAY

# The range of instants that a zone's offset cannot move beyond the range of datetime.
_FIRST: Final = to_micros(datetime(1, 1, 3, tzinfo=UTC))
_LAST: Final = to_micros(datetime(9999, 12, 29, tzinfo=UTC))
# The longest range, in hours, that is searched for changes of the clock: longer than any answer.
_COUNTED_HOURS: Final = 20_000
_NAIVE_EPOCH: Final = EPOCH.replace(tzinfo=None)

Key = Callable[[int], int]  # from an instant to the start of its bucket


class Grid(Protocol):
    """All buckets of an interval."""

    @property
    def width(self) -> int:
        """How long a bucket is if the clock does not change in it."""
        ...

    @property
    def first(self) -> int:
        """Where the bucket of the origin begins."""
        ...

    def count(self, start: int, end: int) -> int:
        """How many buckets the range [start, end) touches."""
        ...

    def edges(self, start: int, end: int, most: int) -> list[int]:
        """Where the first `most` buckets of [start, end) begin, and where the last of them ends."""
        ...

    def key(self, edges: Sequence[int]) -> Key:
        """A function from an instant to the start of its bucket, one of those with these edges."""
        ...


@dataclass(frozen=True, slots=True)
class Even:
    """Buckets of equal length, one of which begins at `origin`."""

    width: int
    origin: int = 0

    @property
    def first(self) -> int:
        return self.origin

    def count(self, start: int, end: int) -> int:
        width, origin = self.width, self.origin
        return (end - 1 - origin) // width - (start - origin) // width + 1

    def edges(self, start: int, end: int, most: int) -> list[int]:
        first = start - (start - self.origin) % self.width
        count = min(most, self.count(start, end))
        return [first + n * self.width for n in range(count + 1)]

    def key(self, edges: Sequence[int]) -> Key:
        width, origin = self.width, self.origin
        if not origin:
            return lambda at: at - at % width
        return lambda at: at - (at - origin) % width


@dataclass(frozen=True, slots=True)
class Zoned:
    """Buckets by the clock of a zone; one begins when that clock shows `origin`."""

    width: int
    zone: tzinfo
    origin: int = 0

    @property
    def first(self) -> int:
        return self._begin(0)

    @property
    def _parted(self) -> bool:
        # An hour that is shown twice is two buckets. Wider buckets are longer than a clock change.
        return self.width == HOUR

    def count(self, start: int, end: int) -> int:
        count = self._numbers(start, end)
        if not self._parted or count > _COUNTED_HOURS:
            return count
        # Numbers count an hour that is shown twice only once, and also an hour that is skipped.
        for day in range(start, end, DAY):
            low, high = max(start, day - 3 * HOUR), min(end, day + DAY + 3 * HOUR)
            if self._offset(day) != self._offset(min(end, day + DAY)):
                count += len(self.edges(low, high, _COUNTED_HOURS)) - 1 - self._numbers(low, high)
        return count

    def edges(self, start: int, end: int, most: int) -> list[int]:
        number = self._number(start)
        begin = self._begin(number)
        edges = [begin]
        while edges[-1] < end and len(edges) <= most:
            number += 1
            begin, until = self._begin(number), begin
            if self._parted and begin - until >= 2 * HOUR:
                edges += range(until + HOUR, begin - HOUR + 1, HOUR)
            if begin > edges[-1]:
                edges.append(begin)
            if edges[0] < start:
                del edges[: bisect_right(edges, start) - 1]
        # The last edge ends the last bucket; it is the first one that is not before the end.
        return edges[: min(most, bisect_left(edges, end)) + 1]

    def key(self, edges: Sequence[int]) -> Key:
        return lambda at: edges[bisect_right(edges, at) - 1]

    def _numbers(self, start: int, end: int) -> int:
        """How many numbers the buckets of [start, end) have."""
        return self._number(end - 1) - self._number(start) + 1

    def _number(self, at: int) -> int:
        """Which bucket an instant is in, counted from the origin."""
        number = (at + self._offset(at) - self.origin) // self.width
        # After the clock was put back, it may show a bucket that is over.
        while self._begin(number + 1) <= at:
            number += 1
        return number

    def _begin(self, number: int) -> int:
        """The first instant at which the clock shows the beginning of a bucket, or later."""
        shown = self.origin + number * self.width
        before, after = self._offsets(shown)
        begin = shown - before
        if before >= after:
            return begin
        # The clock skips the beginning: the bucket begins with the change.
        low, high = shown - after, begin
        while low + 1 < high:
            middle = (low + high) // 2
            if self._offset(middle) == before:
                low = middle
            else:
                high = middle
        return high

    def _offset(self, at: int) -> int:
        """By how much the clock is ahead of UTC at an instant."""
        moment = EPOCH + min(max(at, _FIRST), _LAST) * MICROSECOND
        return _micros(moment.astimezone(self.zone).utcoffset())

    def _offsets(self, shown: int) -> tuple[int, int]:
        """The offsets before and after a change of the clock, if it shows this twice or never."""
        moment = _NAIVE_EPOCH + min(max(shown, _FIRST), _LAST) * MICROSECOND
        moment = moment.replace(tzinfo=self.zone)
        before, after = moment.utcoffset(), moment.replace(fold=1).utcoffset()
        if before is after or before == after:
            both = _micros(before)
            return both, both
        return _micros(before), _micros(after)


def _micros(offset: timedelta | None) -> int:
    assert offset is not None
    return offset // MICROSECOND
