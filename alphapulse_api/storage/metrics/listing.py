"""Pages of series, ordered by type, name and number: their summaries, or their newest points.

A page is found by an index, so its cost does not depend on the number of series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.encoding import loads_stored
from alphapulse_api.domain.times import from_micros, rfc3339_micros
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.metrics.labels import with_labels
from alphapulse_api.storage.metrics.series import Series
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where
from alphapulse_api.storage.threads import off_loop

Place = tuple[str, str, int]  # type, name and number of a series

_ORDER: Final = "ORDER BY metric_type, name, id"
# Each type is found by a step in the index.
_TYPES: Final = (
    "WITH RECURSIVE types (known) AS (SELECT min(metric_type) FROM series UNION ALL "
    "SELECT (SELECT min(metric_type) FROM series WHERE metric_type > known) FROM types "
    "WHERE known IS NOT NULL) SELECT known FROM types WHERE known IS NOT NULL"
)


class Wanted(NamedTuple):
    """Which series; None leaves a field open.

    Attributes:
        metric_type: their type.
        name: their name.
        prefix: the beginning of their names.
        scope: distinguishes the cursors of callers who may read some series only.
    """

    metric_type: str | None = None
    name: str | None = None
    prefix: str | None = None
    scope: str | None = None


async def summaries(
    engine: Engine,
    wanted: Wanted,
    limit: int,
    cursor: str | None,
    series: Mapping[int, Series] | None = None,
) -> Page:
    """One page of series: `metric_type`, `name`, `labels`, `first`, `last` (times), `count`.

    Args:
        engine: where they are stored.
        wanted: which series.
        limit: of the page.
        cursor: the end of the previous page.
        series: the only ones among them that may be read; None: all.

    Raises:
        ValidationProblem: for a foreign cursor.
    """
    listing = Listing("series", **wanted._asdict())
    after = _after(listing, cursor)
    if series is None:
        found = await _stored(engine, wanted, limit + 1, after)
    else:
        found = await _of_series(engine, series, wanted.prefix or "", limit + 1, after)
    following = listing.cursor(*_place(found[limit - 1])) if len(found) > limit else None
    return Page(found[:limit], _as_summaries, following)


async def newest_points(
    engine: Engine,
    wanted: Wanted,
    limit: int,
    cursor: str | None,
    labels: Mapping[str, str] | None = None,
    series: Mapping[int, Series] | None = None,
) -> Page:
    """One page of the newest points of series; series that have only rollups are left out.

    Args:
        labels: labels that all of them have.
        series: the series that have these labels and may be read, if no index has them.

    Raises:
        ValidationProblem: for a foreign cursor.
    """
    listing = Listing("latest", **wanted._asdict(), labels=labels)
    after = _after(listing, cursor)
    while True:
        found: Sequence[Sequence[Any]]
        if series is not None:
            found = await off_loop(len(series), _first, series.values(), after, limit + 1)
        elif not labels:
            found = await _stored(engine, wanted, limit + 1, after)
        else:
            columns = "l.metric_type, l.name, l.series_id, s.labels"
            found = await with_labels(
                engine, columns, labels, limit + 1, wanted.metric_type, wanted.name, after
            )
        # Not in one statement: PostgreSQL would estimate that few of the series have a point, and
        # read all of them.
        points = await engine.fetch(
            "SELECT p.series_id, p.timestamp, p.value FROM series_spans s JOIN metric_points p "
            "ON p.series_id = s.series_id AND p.timestamp = coalesce(s.latest_at, s.last_at) "
            f"WHERE {engine.among('s.series_id', '$1')}",
            engine.listed([one[2] for one in found[:limit]]),
        )
        after = _place(found[limit - 1]) if len(found) > limit else None
        if points or after is None:
            rows = await off_loop(len(points) // 4, _joined, found[:limit], points)
            return Page(rows, _as_points, None if after is None else listing.cursor(*after))


def _first(series: Iterable[Series], after: Place | None, limit: int) -> list[tuple[Any, ...]]:
    """The first series after that place: type, name, number and labels."""
    all_of_them = ((one.metric_type, one.name, one.id, one.text) for one in series)
    return nsmallest(limit, (one for one in all_of_them if after is None or one[:3] > after))


def _joined(series: Sequence[Sequence[Any]], points: Iterable[Row]) -> list[tuple[Any, ...]]:
    """Type, name, labels, instant and value, in the order of the series."""
    by_number = {number: (instant, value) for number, instant, value in points}
    return [
        (metric_type, name, labels, *by_number[number])
        for metric_type, name, number, labels, *_ in series
        if number in by_number
    ]


def _place(series: Sequence[Any]) -> Place:
    return series[0], series[1], series[2]


def _after(listing: Listing, cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    metric_type, name, number = listing.key(cursor, str, str, int)
    return metric_type, name, number


async def _stored(engine: Engine, wanted: Wanted, limit: int, after: Place | None) -> Sequence[Row]:
    """The first series after that place: type, name, number, labels, first, last and points."""
    types: list[str | None] = [wanted.metric_type]
    if wanted.metric_type is None and (wanted.name is not None or wanted.prefix is not None):
        # The index orders names within a type, so names are sought type by type.
        types = [row[0] for row in await engine.fetch(_TYPES)]
    found: list[Row] = []
    for metric_type in types:
        if after is not None and metric_type is not None and metric_type < after[0]:
            continue
        where = _conditions(wanted, metric_type, after)
        found += await engine.fetch(
            # SQLite reads the tables of a CROSS JOIN in this order.
            "SELECT metric_type, name, id, labels, first_at, last_at, points "
            f"FROM series CROSS JOIN series_spans {where} "
            f"{_ORDER} LIMIT {where.parameter(limit - len(found))}",
            *where.args,
        )
        if len(found) >= limit:
            break
    return found


async def _of_series(
    engine: Engine, series: Mapping[int, Series], prefix: str, limit: int, after: Place | None
) -> list[Row]:
    """The same of some series, of those that have points."""
    named = [one for one in series.values() if one.name.startswith(prefix)]
    found: list[Row] = []
    while len(found) < limit:
        wanted = limit - len(found)
        some = await off_loop(len(named), _first, named, after, wanted)
        spans = await engine.fetch(
            "SELECT series_id, first_at, last_at, points FROM series_spans "
            f"WHERE points > 0 AND {engine.among('series_id', '$1')}",
            engine.listed([one[2] for one in some]),
        )
        by_number = {number: rest for number, *rest in spans}
        found += [(*one, *by_number[one[2]]) for one in some if one[2] in by_number]
        if len(some) < wanted:
            break
        after = _place(some[-1])
    return found


def _conditions(wanted: Wanted, metric_type: str | None, after: Place | None) -> Where:
    """The conditions of one walk through the index: equal columns first, then one range."""
    where = Where()
    where.add("series_id = id AND points > 0")
    where.equal(metric_type=metric_type, name=wanted.name)
    place = after if after is not None and metric_type in (None, after[0]) else None
    if place is None:
        if wanted.prefix:
            where.add("name >= {}", wanted.prefix)
    elif metric_type is None:
        where.add("(metric_type, name, id) > ({}, {}, {})", *place)
    elif wanted.name is None:
        where.add("(name, id) > ({}, {})", *place[1:])
    else:
        where.add("id > {}", place[2])
    if wanted.prefix and (end := _end_of(wanted.prefix)) is not None:
        where.add("name < {}", end)
    return where


def _end_of(prefix: str) -> str | None:
    """The first text after all that begin with the prefix; None if there is none."""
    while prefix:
        prefix, last = prefix[:-1], ord(prefix[-1])
        if last < 0x10FFFF:
            # Text cannot contain surrogates, the code points from U+D800 to U+DFFF.
            return prefix + chr(0xE000 if last == 0xD7FF else last + 1)
    return None


def _as_summaries(rows: Sequence[Row], plain: bool) -> list[dict[str, Any]]:
    time = rfc3339_micros if plain else from_micros
    return [
        {
            "metric_type": metric_type,
            "name": name,
            "labels": loads_stored(labels),
            "first": time(first),
            "last": time(last),
            "count": count,
        }
        for metric_type, name, _, labels, first, last, count in rows
    ]


def _as_points(rows: Sequence[Row], plain: bool) -> list[dict[str, Any]]:
    time = rfc3339_micros if plain else from_micros
    return [
        {
            "metric_type": metric_type,
            "name": name,
            "timestamp": time(instant),
            "value": value,
            "labels": loads_stored(labels),
        }
        for metric_type, name, labels, instant, value in rows
    ]
