"""Metric points: one value for each series and instant, raw or aggregated in time buckets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from alphapulse_api.domain.aggregation import PERCENTILES, plan
from alphapulse_api.domain.books import ALL, BOOK_LABEL, Books
from alphapulse_api.domain.points import Place, Points
from alphapulse_api.domain.series_limits import MAX_SERIES, MAX_SERIES_PER_KEY
from alphapulse_api.domain.times import (
    CLOCK_AHEAD,
    FIRST_MICROS,
    from_micros,
    now,
    rfc3339_micros,
    to_micros,
)
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.engine.long_reads import long_reads
from alphapulse_api.storage.metrics.labels import complete
from alphapulse_api.storage.metrics.listing import Wanted, newest_points, summaries
from alphapulse_api.storage.metrics.reader import PointReader
from alphapulse_api.storage.metrics.rollups.ranks import Bucket, Figures
from alphapulse_api.storage.metrics.rollups.read import RollupReader
from alphapulse_api.storage.metrics.scope import Scope
from alphapulse_api.storage.metrics.series import Series, SeriesCatalogue
from alphapulse_api.storage.metrics.writer import PointWriter
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import FIRST, Listing, default_range
from alphapulse_api.storage.threads import off_loop

WINDOW = timedelta(hours=24)
SERIES_A_PART: Final = 500
MANY_SERIES: Final = 100  # an aggregate over more may take long
Point = dict[str, Any]


class MetricsDataAccessor:
    """Reads and writes metric points.

    Args:
        ahead: the seconds by which the clock of a sender may be ahead.
        max_series: series that may exist.
        max_of_key: series that an API key may make.
    """

    def __init__(
        self,
        engine: Engine,
        ahead: float = CLOCK_AHEAD,
        max_series: int = MAX_SERIES,
        max_of_key: int = MAX_SERIES_PER_KEY,
    ) -> None:
        self._engine = engine
        self._ahead = timedelta(seconds=ahead)
        self._series = SeriesCatalogue(engine, most=max_series, most_of_key=max_of_key)
        self._writer = PointWriter(engine, self._series, ahead)
        self._scope = Scope()

    def within(self, books: Books, *, prices: bool) -> MetricsDataAccessor:
        """The same for some of the series.

        Args:
            books: those that the series are in by their label `book`.
            prices: whether prices that are in no book are among them.
        """
        other = copy(self)
        other._scope = Scope(books, prices)
        return other

    async def list_series(
        self,
        name: str | None = None,
        metric_type: str | None = None,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Page:
        """One page of the series: `metric_type`, `name`, `labels`, `first`, `last`, `count`.

        They are ordered by type, name and age. The figures cover the whole history, including
        points that retention left only in rollups.

        Args:
            name: the beginning of their names.
            metric_type: their type.

        Raises:
            ValidationProblem: for a foreign cursor.
        """
        series = None
        if self._scope.mark is not None:
            series = await self._scope.find(self._series, metric_type, None, None)
        wanted = Wanted(metric_type, prefix=name or None, scope=self._scope.mark)
        return await summaries(self._engine, wanted, limit, cursor, series)

    async def get_metrics(
        self,
        metric_type: str,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        aggregation: str | None = None,
        *,
        interval: str | None = None,
        max_points: int | None = None,
        timezone: str | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Page:
        """Points of a type, oldest first; the range defaults to the last 24 hours.

        Args:
            aggregation: functions, separated by commas. One is returned in `value`, several in
                fields of their names.
            interval: the width of the buckets, or "auto".
            max_points: the maximum number of buckets a series with "auto".
            timezone: the IANA zone in which buckets of whole hours begin; default: UTC.
            name: only series of this name.
            labels: only series that have all of these labels.

        Raises:
            ValidationProblem: for an empty range, a foreign cursor, an unknown function,
                interval or zone, too many buckets, too many series, or too many points where
                rollups do not answer.
        """
        start, end = default_range(start_time, end_time, WINDOW, self._ahead)
        first, last = to_micros(start), to_micros(end)
        listing = Listing(
            "metrics",
            metric_type=metric_type,
            name=name,
            labels=labels or None,
            timezone=timezone,
            scope=self._scope.mark,
        )
        series = await self._scope.find(self._series, metric_type, name, labels)
        if start == FIRST:
            # An open start: choose the buckets by the time that has points.
            begin = await PointReader(self._engine, list(series)).first() if series else None
            first = last - 1 if begin is None else min(begin, last - 1)
        # The width is chosen for the range up to now, even if some points are ahead of it.
        until = last if end_time is not None else min(last, max(first + 1, to_micros(now())))
        buckets = plan(aggregation, interval, max_points, first, until, timezone)
        after: tuple[int, int] | None = None
        if cursor is not None and buckets is None:
            instant, number = listing.key(cursor, int, int)
            after = instant, number
        elif cursor is not None and buckets is not None:
            instant, number, chosen = listing.key(cursor, int, int, str)
            after, buckets = (instant, number), buckets.continued(chosen)
        if not series:
            return Page()
        approximate: tuple[str, ...] = ()
        if buckets is None:
            points = await off_loop(len(series) // 10, PointReader, self._engine, list(series))
            rows = await points.page(first, last, limit + 1, after)
            make = partial(_points, series)
            key: tuple[int | str, ...] = tuple(rows[limit - 1][:2]) if len(rows) > limit else ()
        else:
            reader = await off_loop(len(series) // 10, RollupReader, self._engine, list(series))
            # Percentiles are computed from the points themselves.
            many = len(series) > MANY_SERIES or not PERCENTILES.keys().isdisjoint(buckets.functions)
            with long_reads() if many else nullcontext():
                rows, approximate = await reader.page(buckets, first, last, limit + 1, after)
            make = partial(_buckets, series, buckets.functions)
            key = (*rows[limit - 1][0], buckets.interval) if len(rows) > limit else ()
        following = listing.cursor(*key) if key else None
        return Page(rows[:limit], make, following, approximate)

    async def get_latest_metrics(
        self,
        metric_type: str | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Page:
        """One page of the newest point of every matching series, by type, name and age.

        A point ahead of now is replaced by any point received later (`newest.overtakes`).

        Args:
            metric_type: default: every type.

        Raises:
            ValidationProblem: for a foreign cursor.
        """
        series = None
        if self._scope.mark is not None or (labels and not await complete(self._engine)):
            series = await self._scope.find(self._series, metric_type, name, labels)
        wanted = Wanted(metric_type, name, scope=self._scope.mark)
        return await newest_points(self._engine, wanted, limit, cursor, labels or None, series)

    async def latest_in_parts(
        self, metric_type: str | None = None, name: str | None = None
    ) -> AsyncIterator[Page]:
        """All pages of `get_latest_metrics`, of some hundred series each."""
        if self._scope.mark is None or not await complete(self._engine):
            async for page in _all_pages(self, metric_type, name, None):
                yield page
            return
        # Each book by the index of labels: pages of several books would find all series each time.
        everything = self.within(ALL, prices=True)
        for question in self._scope.questions(metric_type, None):
            async for page in _all_pages(everything, question.metric_type, name, question.labels):
                if question.unlabelled:
                    kept: list[Any] = [row for row in page if BOOK_LABEL not in row["labels"]]
                    page = Page(kept, _made)
                yield page

    async def add_points(
        self,
        points: Sequence[Mapping[str, Any]],
        *,
        events: bool = True,
        known: set[Place] | None = None,
    ) -> int:
        """Store validated points; a later one replaces one with the same series and time.

        Args:
            points: validated, each with a time.
            events: whether to publish them; an imported history is not published.
            known: is filled with those that were stored already, perhaps with another value.

        Returns:
            The number of points given.

        Raises:
            TooManySeries: if they would create too many series; nothing is stored then.
        """
        columns = points if isinstance(points, Points) else Points.of(points)
        add = self._writer.add if events else self._writer.add_past
        await add(columns, known)
        return len(points)


async def _all_pages(
    accessor: MetricsDataAccessor,
    metric_type: str | None,
    name: str | None,
    labels: Mapping[str, str] | None,
) -> AsyncIterator[Page]:
    cursor = None
    while True:
        page = await accessor.get_latest_metrics(
            metric_type, name, labels, limit=SERIES_A_PART, cursor=cursor
        )
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return


def _made(rows: Sequence[Any], plain: bool) -> list[Point]:
    return list(rows)


def _points(series: Mapping[int, Series], rows: Sequence[Row], plain: bool) -> list[Point]:
    """Rows of an instant, a series and a value as points."""
    time = rfc3339_micros if plain else from_micros
    return [
        {
            "metric_type": (of := series[number]).metric_type,
            "name": of.name,
            "timestamp": time(instant),
            "value": value,
            "labels": of.labels,
        }
        for instant, number, value in rows
    ]


def _buckets(
    series: Mapping[int, Series],
    functions: Sequence[str],
    rows: Sequence[tuple[Bucket, Figures]],
    plain: bool,
) -> list[Point]:
    """Buckets as points, with `value` for one function and a field for each of several."""
    time = rfc3339_micros if plain else from_micros
    only = functions[0] if len(functions) == 1 else None
    return [
        {
            "metric_type": (of := series[number]).metric_type,
            "name": of.name,
            # A bucket may begin before the year 1, which datetime does not support.
            "timestamp": time(max(instant, FIRST_MICROS)),
            **({"value": figures[only]} if only else {name: figures[name] for name in functions}),
            "labels": of.labels,
        }
        for (instant, number), figures in rows
    ]
