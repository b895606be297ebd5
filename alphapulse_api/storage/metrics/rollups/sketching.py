"""Makes the sketches of the hours that are over, in short steps, for all series in turn.

It also makes sketches of points that are older than sketches. The progress is stored with each
series, so an interrupted run loses nothing, and several processes may run it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engine.long_reads import long_reads
from alphapulse_api.storage.metrics.rollups.fold import HOUR, MINUTE
from alphapulse_api.storage.metrics.rollups.sketches import sketch_on
from alphapulse_api.storage.steps import Steps

# Points that arrive within this time after their hour need no correction of a sketch.
GRACE: Final = 5 * MINUTE
PAGE: Final = 200  # series a read
POINTS: Final = 2000  # a step at most: some 5 ms
POINT_BYTES: Final = 64  # of the point, and its part of the sketches
# While others write, the pause after a step is this many times as long as the step, so that the
# task takes about a twentieth of the writer's time.
BEHIND_OTHERS: Final = 19


class _Backlog(NamedTuple):
    """A series, and how many of its points to add, at most those of one step."""

    number: int
    points: int


async def sketch_all(engine: Engine, at: int, steps: Steps | None = None) -> int:
    """Bring the sketches of all series up to the last hour that is over.

    Args:
        engine: the database.
        at: the present, in microseconds.
        steps: the bounds of a step.

    Returns:
        The number of series that had points to add.

    Raises:
        Unavailable: while the database cannot serve.
    """
    steps = Steps(engine, POINTS * POINT_BYTES) if steps is None else steps
    until = (at - GRACE) // HOUR * HOUR
    done = last = 0
    while True:
        rest = await _backlog(engine, last, until)
        done += len(rest)
        more = len(rest) == PAGE
        last = rest[-1].number if rest else 0
        while rest:
            most = max(1, steps.size // POINT_BYTES)
            some = _together(rest, most)
            work = partial(_step, engine, [one.number for one in some], until, most)
            began = steps.now()
            left = await steps.run(work, POINT_BYTES * sum(one.points for one in some))
            rest[: len(some)] = [_Backlog(number, POINTS) for number in left]
            if engine.waiting:
                await asyncio.sleep(BEHIND_OTHERS * (steps.now() - began))
        if not more:
            return done


async def _backlog(engine: Engine, after: int, until: int) -> list[_Backlog]:
    """The first series after a number that have points before `until` to add."""
    points = (
        "SELECT 1 FROM metric_points p WHERE p.series_id = s.series_id AND "
        f"p.timestamp >= coalesce(s.sketched_at, s.first_at) AND p.timestamp < $2 LIMIT {POINTS}"
    )
    with long_reads():
        rows = await engine.fetch(
            f"SELECT series_id, (SELECT count(*) FROM ({points}) p) FROM series_spans s "
            "WHERE series_id > $1 AND first_at < $2 "
            "AND (sketched_at IS NULL OR sketched_at <= last_at AND sketched_at < $2) "
            f"ORDER BY series_id LIMIT {PAGE}",
            after,
            until,
        )
    return [_Backlog(*row) for row in rows]


def _together(rest: Sequence[_Backlog], most: int) -> list[_Backlog]:
    """The first series that have at most so many points together; at least one."""
    for count, one in enumerate(rest):
        most -= one.points
        if most < 0:
            return list(rest[: max(count, 1)])
    return list(rest)


async def _step(
    engine: Engine, some: list[int], until: int, limit: int, transaction: Transaction
) -> list[int]:
    """Add points of some series to their sketches; returns the series that have more."""
    reached = await sketch_on(engine, transaction, some, until, limit)
    return [number for number, at in reached.items() if at < until]
