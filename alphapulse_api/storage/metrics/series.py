"""The catalogue of series: (type, name, labels) to a small number, and which series match.

The process remembers it. Each series is added by a transaction that locks and increments
`series_version`, so they are committed in the order of their numbers: one look at the version shows
whether another process has added any, and only those are read. The same row counts the removals of
series that retention emptied; after one, the process reads all series again.

A database that was restored, or that failed over to a standby which lagged, may lack series that
the process remembers, and may later give their numbers to others. So each series has a random
token, made with it. A writer compares it in the statement that locks the series
(`writer.PointWriter`). A reader compares the token of the newest series that it knows: a
match proves that the database has all earlier ones too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.encoding import loads_stored
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.points import Key, Points
from alphapulse_api.domain.series_limits import MAX_SERIES, MAX_SERIES_PER_KEY
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.metrics.labels import complete, with_labels
from alphapulse_api.storage.metrics.series_creation import (
    WITH_TOKENS,
    Reference,
    add_stored,
    create,
)
from alphapulse_api.storage.metrics.series_owners import Owned, owners_of, series_of
from alphapulse_api.storage.query import Where
from alphapulse_api.storage.threads import off_loop

# Series that a process caches, at 1 to 2 KB each. If there are more, it caches none.
REMEMBERED: Final = 100_000
AHEAD: Final = 500  # series that a transaction creates, if more are created ahead of their points
ASKED: Final = 100_000  # series that one question may be about
PIECE: Final = 200  # series to read at once, about 1 ms of the event loop's time
_SELECT: Final = f"SELECT id, metric_type, name, labels, token FROM {WITH_TOKENS}"


class Series(NamedTuple):
    """A series by its number."""

    id: int
    metric_type: str
    name: str
    labels: dict[str, str]
    text: str  # the labels in the stored form
    token: int

    @property
    def order(self) -> Key:
        """The sort key: type, name and labels by code points, as both engines sort."""
        return self.metric_type, self.name, self.text


def _read(row: Sequence[Any]) -> Series:
    return Series(row[0], row[1], row[2], loads_stored(row[3]), row[3], row[4])


class SeriesCatalogue:
    """The series that exist, cached in memory.

    Args:
        engine: where they are stored.
        remembered: the maximum number of series to cache.
        most: series that may exist; the transaction that would create more is refused.
        most_of_key: series that an API key may make.
    """

    def __init__(
        self,
        engine: Engine,
        remembered: int = REMEMBERED,
        most: int = MAX_SERIES,
        most_of_key: int = MAX_SERIES_PER_KEY,
    ) -> None:
        self._engine = engine
        self._limit = remembered
        self._most = most
        self._most_of_key = most_of_key
        self._removals = 0
        self._version = 0
        self._last = Reference(0, 0)  # the series with the highest number read
        self._all: dict[int, Series] = {}
        self._by_word: dict[tuple[str, ...], set[int]] = {}
        self._references: dict[Key, Reference] = {}
        self._reading = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<SeriesCatalogue {len(self._all)} series, version {self._version}>"

    async def find(
        self, metric_type: str | None, name: str | None, labels: Mapping[str, str] | None
    ) -> dict[int, Series]:
        """The series with that type and name and all of these labels, by number.

        Raises:
            ValidationProblem: if there are more than one question may be about.
        """
        wanted = dict(labels or {})
        if await self._refresh():
            found = await self._find_cached(metric_type, name, wanted)
        else:
            found = await self._find_stored(metric_type, name, wanted)
        if len(found) > ASKED:
            raise ValidationProblem.parameter(
                "label" if name else "name",
                f"this is about more than {ASKED:,} series, which is the limit: add a name, or a "
                "label=key:value that fewer series have",
            )
        return found

    async def _find_cached(
        self, metric_type: str | None, name: str | None, labels: Mapping[str, str]
    ) -> dict[int, Series]:
        words: list[tuple[str, ...]] = [("label", *pair) for pair in labels.items()]
        if metric_type is not None:
            words.append(("type", metric_type))
        if name is not None:
            words.append(("name", name))
        if not words:
            return self._all.copy()
        sets = sorted((self._by_word.get(word, set()) for word in words), key=len)
        return await off_loop(len(sets[0]) // 10, _common, sets, self._all)

    async def _find_stored(
        self, metric_type: str | None, name: str | None, labels: Mapping[str, str]
    ) -> dict[int, Series]:
        if labels and await complete(self._engine):
            columns = "s.id, s.metric_type, s.name, s.labels, token"
            rows = await with_labels(self._engine, columns, labels, ASKED + 1, metric_type, name)
        else:
            where = Where()
            where.equal(metric_type=metric_type, name=name)
            limit = "" if labels else f"LIMIT {ASKED + 1}"
            rows = await self._engine.fetch(f"{_SELECT} {where} {limit}", *where.args)
        return await off_loop(len(rows), _matching, rows, labels)

    async def references(
        self, transaction: Transaction, keys: Iterable[Key], owned: Owned = ()
    ) -> dict[Key, Reference]:
        """References to series by key; series that do not exist are created.

        A remembered reference may be stale: compare its token in the statement that locks the
        series, and `forget` it if they differ. `remember` may be called with the answer once the
        transaction is committed.

        Args:
            transaction: the one that stores their points.
            keys: the series.
            owned: the points, with the API keys that make the series.

        Raises:
            TooManySeries: if there would be too many series; none is created then.
        """
        known: dict[Key, Reference] = {}
        unknown: list[Key] = []
        for key in keys:
            if (reference := self._references.get(key)) is None:
                unknown.append(key)
            else:
                known[key] = reference
        if unknown:
            # A plan that PostgreSQL cached while there were few series would scan all for each key.
            await transaction.plan_anew()
            await add_stored(known, transaction, unknown)
            if missing := [key for key in unknown if key not in known]:
                owners = owners_of(missing, owned)
                bounds = self._most, self._most_of_key
                await create(known, transaction, missing, owners, *bounds)
        return known

    async def create_ahead(self, points: Points, owner: str | None = None) -> None:
        """Create many series in short transactions, before one that stores their points.

        A transaction that creates thousands of series holds all other writes of the process. A
        series without points is shown nowhere. Nothing is done if there might be too many series:
        then the transaction that stores the points creates them, or is refused.
        """
        keys = {series.key for series in points.series}
        unknown = [key for key in keys if key not in self._references]
        if len(unknown) <= AHEAD:
            return
        ((count,),) = await self._engine.fetch('SELECT series FROM series_version WHERE "only" = 1')
        if count + len(unknown) > self._most:
            return
        if owner is not None:
            made = await series_of(self._engine, owner)
            if made + len(unknown) > self._most_of_key:
                return

        async def work(transaction: Transaction, some: Sequence[Key]) -> dict[Key, Reference]:
            return await self.references(transaction, some, [(points, owner)])

        for at in range(0, len(unknown), AHEAD):
            some = unknown[at : at + AHEAD]
            self.remember(await self._engine.write(partial(work, some=some)))

    def remember(self, references: Mapping[Key, Reference]) -> None:
        """Use these references without asking the database."""
        if len(self._references) + len(references) > self._limit:
            self._references.clear()
        self._references.update(references)

    def forget(self, keys: Iterable[Key]) -> None:
        """Ask the database for these series the next time."""
        for key in keys:
            self._references.pop(key, None)

    async def _refresh(self) -> bool:
        """Read the series added since the last look; returns False if there are too many."""
        if await self._look() != self._version:
            # One reads while the others wait, because the first read may be long.
            async with self._reading:
                if (version := await self._look()) != self._version:
                    await self._read_on()
                    self._version = version
        return len(self._all) <= self._limit

    async def _look(self) -> int:
        """The version of the stored catalogue; clears the cache if the history is another one."""
        last = self._last
        ((version, removals, token),) = await self._engine.fetch(
            "SELECT version, removals, token FROM series_version "
            'LEFT JOIN series_spans ON series_id = $1 WHERE "only" = 1',
            last.number,
        )
        if last.number and token != last.token and last == self._last:
            self._reset()
        if removals != self._removals:
            self._removals = removals
            self._reset()
        return int(version)

    async def _read_on(self) -> None:
        """Cache the series added since the newest cached one, in pieces."""
        while len(self._all) <= self._limit:
            known = self._all
            rows = await self._engine.fetch(
                f"{_SELECT} WHERE id > $1 ORDER BY id LIMIT {PIECE}", self._last.number
            )
            if known is not self._all:  # the cache was cleared meanwhile
                continue
            for row in rows:
                self._enter(_read(row))
            if len(rows) < PIECE:
                return
        self._by_word = {}

    def _reset(self) -> None:
        """Clear the cache: the database has another history than when it was read."""
        self._version = 0
        self._last = Reference(0, 0)
        # New objects, because a thread may still read the old ones.
        self._all = {}
        self._by_word = {}

    def _enter(self, series: Series) -> None:
        if series.id > self._last.number:
            self._last = Reference(series.id, series.token)
        self._all[series.id] = series
        words = [("type", series.metric_type), ("name", series.name)]
        for word in (*words, *(("label", *pair) for pair in series.labels.items())):
            self._by_word.setdefault(word, set()).add(series.id)


def _matching(rows: Iterable[Row], labels: Mapping[str, str]) -> dict[int, Series]:
    """The series of those rows that have the labels, by number."""
    found = map(_read, rows)
    return {one.id: one for one in found if labels.items() <= one.labels.items()}


def _common(sets: Sequence[set[int]], known: Mapping[int, Series]) -> dict[int, Series]:
    """The series that are in all sets, by number."""
    return {number: known[number] for number in sets[0].intersection(*sets[1:])}
