"""Computes the rollups of points that were stored before rollups existed."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from alphapulse_api.domain.times import FIRST_MICROS
from alphapulse_api.storage.engine.base import Transaction
from alphapulse_api.storage.metrics.rollups.change import coarser, replace
from alphapulse_api.storage.metrics.rollups.fold import DAY, MINUTE, WIDTHS, Point, Rollup, roll

PIECE: Final = 50_000  # points in memory


async def roll_up_all(transaction: Transaction) -> None:
    """Create the rollups and the span of every series from its points."""
    for (number,) in await transaction.fetch("SELECT id FROM series ORDER BY id"):
        count, first, last = await _roll_up(transaction, number)
        await transaction.execute(
            "INSERT INTO series_spans (series_id, points, first_at, last_at) "
            "VALUES ($1, $2, $3, $4)",
            number, count, first, last,
        )  # fmt: skip


async def _roll_up(transaction: Transaction, number: int) -> tuple[int, int | None, int | None]:
    """Roll up one series; return its number of points, and its first and last instant."""
    first: int | None = None
    last: int | None = None
    count = 0
    rest: list[Point] = []  # of the minute that the piece ended in
    minutes: list[tuple[int, Rollup]] = []  # of the day that it ended in, that minute apart
    while rows := await transaction.fetch(
        "SELECT timestamp, value FROM metric_points WHERE series_id = $1 AND timestamp > $2 "
        f"ORDER BY timestamp LIMIT {PIECE}",
        number,
        FIRST_MICROS - 1 if last is None else last,
    ):
        points = rest + [(row[0], row[1]) for row in rows]
        count += len(rows)
        first, last = rows[0][0] if first is None else first, rows[-1][0]
        *whole, (_, rest) = (
            (minute, list(part)) for minute, part in groupby(points, lambda p: p[0] - p[0] % MINUTE)
        )
        minutes += [(minute, roll(part)) for minute, part in whole]
        today = rest[0][0] - rest[0][0] % DAY
        await _store(transaction, number, [part for part in minutes if part[0] < today])
        minutes = [part for part in minutes if part[0] >= today]
    if rest:
        minutes.append((rest[0][0] - rest[0][0] % MINUTE, roll(rest)))
    await _store(transaction, number, minutes)
    return count, first, last


async def _store(transaction: Transaction, number: int, parts: list[tuple[int, Rollup]]) -> None:
    """Store the coarser rollups of whole days, from the rollups of minutes."""
    for width in WIDTHS:
        rolled = coarser(number, parts, width)
        await replace(transaction, rolled)
        parts = [(key[2], rollup) for key, rollup in rolled.items()]
