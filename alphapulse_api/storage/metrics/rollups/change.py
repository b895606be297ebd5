"""Applies a batch of points to the rollups.

New points are joined to the stored rollups. If a point is replaced, its minute is computed again
from the stored points, and each coarser rollup from the finer ones. If retention has deleted points
of that minute, only its rollup still has them, so the difference is joined instead. (A replaced
extreme value then stays in the rollup.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from alphapulse_api.storage.bulk import insert_rows, select_ranges, select_rows
from alphapulse_api.storage.engine.base import Transaction
from alphapulse_api.storage.metrics.rollups.fold import MINUTE, WIDTHS, Point, Rollup, join, roll
from alphapulse_api.storage.metrics.rollups.sums import add

_COLUMNS: Final = ", ".join(Rollup._fields)
_KEY: Final = ("series_id", "width", "bucket")
_KEY_TYPES: Final = ("bigint", "bigint", "timestamptz")
_TYPES: Final = (
    *_KEY_TYPES,
    *("bigint", "bigint", "float8", "float8", "text"),  # the counts and the sum
    *("float8", "float8", "float8", "timestamptz", "float8", "timestamptz"),
)
_INTO: Final = f"metric_rollups ({', '.join(_KEY)}, {_COLUMNS})"
_REPLACE: Final = f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET " + ", ".join(
    f"{column} = excluded.{column}" for column in Rollup._fields
)

Key = tuple[int, int, int]  # series, width, bucket
Rolled = dict[Key, Rollup]
Replaced = tuple[Point, float | None]  # a point, and the value that it replaces


class Change:
    """The changes that a batch makes to the rollups."""

    __slots__ = ("_again", "_before", "_rolled", "_until")

    def __init__(self) -> None:
        self._rolled: Rolled = {}  # to be joined to the stored rollups
        self._again: set[tuple[int, int]] = set()  # series and minutes to compute again
        self._before: dict[int, int] = {}
        self._until: dict[int, int] = {}

    def add(
        self,
        number: int,
        fresh: Sequence[Point],
        changed: Sequence[Replaced],
        *,
        before: int,
        until: int,
        whole_from: int,
    ) -> None:
        """Add points of one series, at least one.

        Args:
            number: the series.
            fresh: new points, in order of time.
            changed: points that replace one that the rollups contain.
            before: the instant up to which the rollups contain the points now.
            until: the instant up to which they will contain them.
            whole_from: the instant up to which retention has deleted points.
        """
        self._before[number], self._until[number] = before, until
        if not changed and fresh[0][0] // MINUTE == fresh[-1][0] // MINUTE:
            # The common case: one bucket of every width.
            rollup, at = roll(fresh), fresh[0][0]
            self._rolled.update({(number, width, at - at % width): rollup for width in WIDTHS})
            return
        again = {at - at % MINUTE for (at, _), _ in changed if at >= whole_from}
        self._again.update((number, minute) for minute in again)
        rolled = [
            (minute, roll(list(points)))
            for minute, points in groupby(fresh, key=lambda point: point[0] - point[0] % MINUTE)
            if minute not in again
        ]
        rolled += [(p[0] - p[0] % MINUTE, _difference(*p, old)) for p, old in changed
                   if p[0] < whole_from]  # fmt: skip
        rolled.sort(key=lambda part: part[0])
        parts = rolled
        for width in WIDTHS:
            # A rollup that is computed again includes all finer ones.
            skipped = {at - at % width for at in again}
            made = coarser(number, (p for p in parts if p[0] - p[0] % width not in skipped), width)
            self._rolled.update(made)
            parts = [(key[2], rollup) for key, rollup in made.items()]

    async def write(self, transaction: Transaction) -> None:
        """Write the changes; the points must be stored already."""
        await self._join(transaction)
        await self._compute(transaction)

    async def _join(self, transaction: Transaction) -> None:
        rolled = self._rolled
        rows = await select_rows(
            transaction,
            f"{', '.join(_KEY)}, {_COLUMNS}",
            "metric_rollups",
            _KEY,
            [key for key in rolled if key[2] < self._before[key[0]]],
            _KEY_TYPES,
        )
        for row in rows:
            key = (row[0], row[1], row[2])
            rolled[key] = join((row[3:], rolled[key]))
        await replace(transaction, rolled)

    async def _compute(self, transaction: Transaction) -> None:
        """Compute minutes again from their points, and coarser rollups from finer ones."""
        if not self._again:
            return
        finer = 0
        for width in WIDTHS:
            buckets = sorted({(number, at - at % width) for number, at in self._again})
            rolled: Rolled = {}
            if not finer:
                rows = await select_ranges(
                    transaction,
                    "SELECT series_id, timestamp, value FROM metric_points",
                    ("series_id =", "timestamp >=", "timestamp <"),
                    [(n, bucket, min(bucket + width, self._until[n])) for n, bucket in buckets],
                    "ORDER BY series_id, timestamp",
                )
                for (number, bucket), points in groupby(
                    rows, key=lambda r: (r[0], r[1] - r[1] % width)
                ):
                    rolled[number, width, bucket] = roll([(row[1], row[2]) for row in points])
            else:
                rows = await select_ranges(
                    transaction,
                    f"SELECT series_id, bucket, {_COLUMNS} FROM metric_rollups",
                    ("series_id =", "width =", "bucket >=", "bucket <"),
                    [(number, finer, bucket, bucket + width) for number, bucket in buckets],
                    "ORDER BY series_id, bucket",
                )
                for number, parts in groupby(rows, key=lambda row: int(row[0])):
                    finer_ones = ((row[1], Rollup(*row[2:])) for row in parts)
                    rolled.update(coarser(number, finer_ones, width))
            await replace(transaction, rolled)
            finer = width


async def replace(transaction: Transaction, rolled: Mapping[Key, Rollup]) -> None:
    """Store rollups, replacing the stored ones."""
    rows = [key + value for key, value in rolled.items()]
    await insert_rows(transaction, _INTO, rows, _REPLACE, _TYPES)


def coarser(number: int, rolled: Iterable[tuple[int, Rollup]], width: int) -> Rolled:
    """Rollups of one series in buckets of `width`, from finer ones in order of time."""
    return {
        (number, width, bucket): join([rollup for _, rollup in parts])
        for bucket, parts in groupby(rolled, key=lambda part: part[0] - part[0] % width)
    }


def _difference(at: int, new: float | None, old: float | None) -> Rollup:
    """The rollup which, joined to one that contains the old value, corrects it to the new one."""
    count = (new is not None) - (old is not None)
    parts = [part for part in (new, -old if old is not None else None) if part is not None]
    when = None if new is None else at
    return Rollup(count, -count, *add(parts), new, new, new, when, new, when)
