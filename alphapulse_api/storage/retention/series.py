"""Deletes points and rollups that are too old, series by series: they have no index by time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from alphapulse_api.domain.books import BOOK_LABEL
from alphapulse_api.domain.encoding import loads_stored
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.metrics.rollups.fold import WIDTHS
from alphapulse_api.storage.metrics.rollups.sketches import SKETCH_WIDTHS, sketch_on
from alphapulse_api.storage.metrics.rollups.write import settle, shorten
from alphapulse_api.storage.outbox import invalidation_of_series
from alphapulse_api.storage.steps import Steps

PAGE: Final = 1000  # series a read
ROW_BYTES: Final = 64  # of a point; of a rollup some more
# Tables whose rows are kept longer than points, and their widths.
_KEPT: Final = (
    *(("metric_rollups", width) for width in WIDTHS),
    *(("metric_sketches", width) for width in SKETCH_WIDTHS),
)

_Delete = Callable[[Transaction, int, int], Awaitable[int]]
"""Deletes at most so many rows of the series with a number; returns how many."""


class _Series(NamedTuple):
    number: int
    metric_type: str
    book: str | None


class _Done(NamedTuple):
    rows: int
    series: int  # of which nothing is left to delete


async def delete_points(engine: Engine, steps: Steps, before: int) -> int:
    """Delete the points from before that minute (microseconds); returns how many."""

    async def delete(transaction: Transaction, number: int, limit: int) -> int:
        await settle(engine, transaction, [number])
        # Add the points to the sketches before they are deleted.
        sketched = await sketch_on(engine, transaction, [number], before, limit)
        # Before any point is deleted: a writer to these minutes must know that some are missing.
        await transaction.execute(
            "UPDATE series_spans SET whole_from = $2 "
            "WHERE series_id = $1 AND (whole_from IS NULL OR whole_from < $2)",
            number,
            before,
        )
        return await transaction.execute(
            "DELETE FROM metric_points WHERE series_id = $1 AND timestamp IN (SELECT timestamp "
            "FROM metric_points WHERE series_id = $1 AND timestamp < $2 "
            "ORDER BY timestamp LIMIT $3)",
            number,
            sketched.get(number, before),
            limit,
        )

    first = "SELECT min(timestamp) FROM metric_points WHERE series_id = id"
    sql = (
        f"SELECT id, metric_type, ({first}), labels FROM series WHERE id > $1 ORDER BY id LIMIT $2"
    )
    return await _delete_all(steps, _older(engine, sql, before), delete)


async def delete_rollups(engine: Engine, steps: Steps, before: int) -> int:
    """Delete rollups and sketches from before that day (microseconds); returns how many."""

    async def delete(transaction: Transaction, number: int, limit: int) -> int:
        await settle(engine, transaction, [number])
        gone = 0
        for table, width in _KEPT:
            gone += await transaction.execute(
                f"DELETE FROM {table} WHERE series_id = $1 AND width = $2 AND bucket IN ("
                f"SELECT bucket FROM {table} WHERE series_id = $1 AND width = $2 "
                "AND bucket < $3 ORDER BY bucket LIMIT $4)",
                number,
                width,
                before,
                limit - gone,
            )
        if gone < limit:
            await shorten(transaction, number)
        return gone

    sql = (
        "SELECT id, metric_type, first_at, labels FROM series JOIN series_spans ON series_id = id "
        "WHERE id > $1 ORDER BY id LIMIT $2"
    )
    return await _delete_all(steps, _older(engine, sql, before), delete)


async def _older(engine: Engine, sql: str, before: int) -> AsyncIterator[list[_Series]]:
    """The series that begin before an instant, in pages.

    Args:
        engine: the database.
        sql: a page of all series after number $1, with their types, first instants and labels.
        before: the instant, in microseconds.
    """
    last = 0
    while True:
        rows = await engine.fetch(sql, last, PAGE)
        yield [
            _Series(number, metric_type, loads_stored(labels).get(BOOK_LABEL))
            for number, metric_type, first, labels in rows
            if first is not None and first < before
        ]
        if len(rows) < PAGE:
            return
        last = rows[-1][0]


async def _delete_all(steps: Steps, pages: AsyncIterator[list[_Series]], delete: _Delete) -> int:
    """Call `delete` until nothing is left of any of these series; returns how many rows it was."""
    gone = 0
    async for rest in pages:
        while rest:
            limit = max(1, steps.size // ROW_BYTES)
            done = await steps.run(partial(_step, steps, rest, limit, delete), limit * ROW_BYTES)
            del rest[: done.series]
            gone += done.rows
    return gone


async def _step(
    steps: Steps, rest: Sequence[_Series], limit: int, delete: _Delete, transaction: Transaction
) -> _Done:
    """Delete rows series by series until the limit is reached or the time is up."""
    began = steps.now()
    rows = series = 0
    touched: set[tuple[str, str | None]] = set()
    for number, metric_type, book in rest:
        deleted = await delete(transaction, number, limit - rows)
        rows += deleted
        if deleted:
            touched.add((metric_type, book))
        if rows >= limit:
            break
        series += 1
        if steps.time_is_up(began):
            break
    if touched:
        transaction.publish(invalidation_of_series(touched))
    return _Done(rows, series)
