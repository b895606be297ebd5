"""The catalogue of series: (type, name, labels) to a small number, and which series match.

It is remembered in the process. Series are only ever added, each by a transaction that locks
`series_version` and moves it on, so that they are committed in the order of their numbers: one
look at the version tells whether another process has made any, and those alone are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from alphapulse_api.data.bulk import insert_rows, select_rows
from alphapulse_api.data.engine import Engine, Transaction
from alphapulse_api.data.query import Where
from alphapulse_api.encoding import loads_stored
from alphapulse_api.points import Key

# Series a process remembers, at 1 to 2 KB each. Of more than this, nothing is remembered.
REMEMBERED: Final = 100_000
_COLUMNS: Final = "(metric_type, name, labels)"
_SELECT: Final = "SELECT id, metric_type, name, labels FROM series"


class Series(NamedTuple):
    """A series by its number."""

    id: int
    metric_type: str
    name: str
    labels: dict[str, str]
    text: str  # the labels as they are stored

    @property
    def order(self) -> Key:
        """By type, name and labels, by code points: what both engines do."""
        return self.metric_type, self.name, self.text


def _read(row: Sequence[Any]) -> Series:
    return Series(row[0], row[1], row[2], loads_stored(row[3]), row[3])


class SeriesCatalogue:
    """Which series there are.

    Args:
        engine: where they are stored.
        remembered: series to remember at most.
    """

    def __init__(self, engine: Engine, remembered: int = REMEMBERED) -> None:
        self._engine = engine
        self._limit = remembered
        self._version = 0
        self._last = 0  # the highest number read
        self._all: dict[int, Series] = {}
        self._by_word: dict[tuple[str, ...], set[int]] = {}
        self._ids: dict[Key, int] = {}

    def __repr__(self) -> str:
        return f"<SeriesCatalogue {len(self._all)} series, version {self._version}>"

    async def find(
        self, metric_type: str | None, name: str | None, labels: Mapping[str, str] | None
    ) -> list[Series]:
        """The series of that type and name that have all of these labels, in no order."""
        wanted = dict(labels or {})
        if not await self._refresh():
            where = Where()
            where.equal(metric_type=metric_type, name=name)
            rows = map(_read, await self._engine.fetch(f"{_SELECT} {where}", *where.args))
            return [series for series in rows if wanted.items() <= series.labels.items()]
        words: list[tuple[str, ...]] = [("label", *pair) for pair in wanted.items()]
        if metric_type is not None:
            words.append(("type", metric_type))
        if name is not None:
            words.append(("name", name))
        if not words:
            return list(self._all.values())
        sets = sorted((self._by_word.get(word, set()) for word in words), key=len)
        return [self._all[id_] for id_ in sets[0].intersection(*sets[1:])]

    async def numbers(self, transaction: Transaction, keys: Iterable[Key]) -> dict[Key, int]:
        """The series' numbers by key; those not heard of are made.

        `remember` may be called with the answer once the transaction is committed.
        """
        known: dict[Key, int] = {}
        unknown: list[Key] = []
        for key in keys:
            if (number := self._ids.get(key)) is None:
                unknown.append(key)
            else:
                known[key] = number
        if unknown:
            known.update(await _stored(transaction, unknown))
            if missing := [key for key in unknown if key not in known]:
                known.update(await _made(transaction, missing))
        return known

    def remember(self, numbers: Mapping[Key, int]) -> None:
        """Know these series' numbers without asking."""
        if len(self._ids) + len(numbers) > self._limit:
            self._ids.clear()
        self._ids.update(numbers)

    async def _refresh(self) -> bool:
        """Read the series made since the last look; returns False if there are too many."""
        ((version,),) = await self._engine.fetch(
            'SELECT version FROM series_version WHERE "only" = 1'
        )
        if version == self._version:
            return len(self._all) <= self._limit
        if len(self._all) <= self._limit:
            rows = await self._engine.fetch(
                f"{_SELECT} WHERE id > $1 ORDER BY id LIMIT $2", self._last, self._limit + 1
            )
            # Two readers may have asked at once.
            for series in map(_read, rows):
                self._enter(series)
        if len(self._all) > self._limit:
            self._by_word.clear()
            return False
        self._version = max(self._version, version)
        return True

    def _enter(self, series: Series) -> None:
        self._last = max(self._last, series.id)
        self._all[series.id] = series
        words = [("type", series.metric_type), ("name", series.name)]
        for word in (*words, *(("label", *pair) for pair in series.labels.items())):
            self._by_word.setdefault(word, set()).add(series.id)


async def _stored(transaction: Transaction, keys: Sequence[Key]) -> dict[Key, int]:
    key = ("metric_type", "name", "labels")
    rows = await select_rows(transaction, "metric_type, name, labels, id", "series", key, keys)
    return {(row[0], row[1], row[2]): row[3] for row in rows}


async def _made(transaction: Transaction, keys: Sequence[Key]) -> dict[Key, int]:
    # From here on to the commit no other process makes one.
    await transaction.execute('UPDATE series_version SET version = version + 1 WHERE "only" = 1')
    await insert_rows(transaction, f"series {_COLUMNS}", keys, f"ON CONFLICT {_COLUMNS} DO NOTHING")
    made = await _stored(transaction, keys)
    await insert_rows(
        transaction,
        "series_spans (series_id, points)",
        [(number, 0) for number in made.values()],
        "ON CONFLICT (series_id) DO NOTHING",
    )
    return made
