"""Reads snapshots of the portfolio, and encodes each once."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

from alphapulse_api.domain.encoded import Encoded
from alphapulse_api.domain.encoding import dumps, loads_stored
from alphapulse_api.domain.holdings import Holdings, held
from alphapulse_api.domain.times import from_micros, now
from alphapulse_api.runtime.slices import finish, paced
from alphapulse_api.storage.columns import DECIMAL, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.portfolio.frames import (
    NOTHING,
    Content,
    content_of,
    content_of_whole,
)
from alphapulse_api.storage.portfolio.state import version_of

T = TypeVar("T")
ON_LOOP_POSITIONS: Final = 200  # positions; more are handled on a thread
ON_LOOP_TEXT: Final = 64 * 1024  # characters; longer texts are read on a thread

SNAPSHOT: Final = Columns(
    "portfolio_snapshots",
    {
        "as_of": TIME,
        "total_value": DECIMAL,
        "cash": DECIMAL,
        "positions_value": DECIMAL,
        "currency": PLAIN,
    },
)
_NARROW: Final = ", ".join(f"s.{name}" for name in SNAPSHOT.names)
_WIDTH: Final = len(SNAPSHOT.names)
_WITH_FRAMES: Final = (
    f"SELECT {_NARROW}, s.frame_key, f.performance, f.body, w.performance, w.positions "
    "FROM portfolio_snapshots s LEFT JOIN portfolio_frames f ON f.book = s.book "
    "AND f.frame_key = s.frame_key AND f.frame_number <= s.frame_number "
    "LEFT JOIN portfolio_whole w ON s.frame_key = 0 AND w.as_of = s.as_of "
    "WHERE s.book = $1 AND s.as_of = {} ORDER BY f.frame_number"
)
_AT: Final = _WITH_FRAMES.format("$2")
_AS_OF: Final = _WITH_FRAMES.format(
    "(SELECT max(as_of) FROM portfolio_snapshots WHERE book = $1 AND as_of <= $2)"
)
_CURRENT: Final = (
    f"SELECT {_NARROW}, s.frame_key, s.frame_number, c.frame_token, c.revision "
    "FROM portfolio_current c JOIN portfolio_snapshots s ON s.book = c.book AND s.as_of = c.as_of "
    "WHERE c.book = $1"
)

Portfolio = dict[str, Any]


class Snapshot(NamedTuple):
    """A stored snapshot.

    Attributes:
        record: its fields without `positions` and `performance`.
        holdings: its positions.
        performance: as it was sent.
    """

    record: Mapping[str, Any]
    holdings: Holdings
    performance: Mapping[str, Any]

    @property
    def as_of(self) -> datetime:
        """Its time."""
        at: datetime = self.record["as_of"]
        return at

    def shown(self, book: str, *, stale: bool) -> Encoded:
        """The snapshot of a book as callers get it."""
        fields = {name: self.record[name] for name in ("total_value", "cash", "currency")}
        ends = {"performance": self.performance, "as_of": self.as_of, "stale": stale, "book": book}
        json = b'%b,"positions":%b,%b' % (
            dumps(fields)[:-1],
            self.holdings.json,
            dumps(ends)[1:],
        )
        return Encoded({**fields, "positions": self.holdings, **ends}, json)


class Staleness(NamedTuple):
    """Whether a snapshot is stale.

    Attributes:
        changes_in: seconds until that changes by time alone; None for never.
    """

    stale: bool
    changes_in: float | None


class Reader:
    """Reads the snapshots of one book.

    Args:
        engine: the database.
        book: the book.
        stale_after: the age in seconds from which a snapshot is stale.
        ahead: microseconds by which the clock of a sender may be ahead.
    """

    def __init__(self, engine: Engine, book: str, stale_after: float, ahead: int) -> None:
        self._engine = engine
        self._book = book
        self.stale_after = stale_after
        self._ahead = ahead
        # The current snapshot, decoded and encoded once: its row, itself, and what is shown of it.
        self._current: tuple[Row, Snapshot] | None = None
        self._shown: dict[bool, Encoded] = {}

    def __repr__(self) -> str:
        return f"<Reader of {self._book!r}>"

    @property
    def remembered(self) -> Snapshot | None:
        """The last current snapshot that this process has read or stored."""
        return None if self._current is None else self._current[1]

    @property
    def size(self) -> int:
        """About how many bytes the remembered snapshot takes."""
        if self._current is None:
            return 0
        return len(self._current[1].holdings.json) * (1 + len(self._shown))

    async def current(self) -> tuple[Snapshot, str] | None:
        """The current snapshot and its version; None before the first."""
        rows = await self._engine.fetch(_CURRENT, self._book)
        if not rows:
            return None
        row = tuple(rows[0])
        version = version_of(row[-1], row[0])
        if self._current is None or self._current[0] != row:
            snapshot = await self.at(row[0])
            if snapshot is None:
                return None
            self.keep(row, snapshot)
            return snapshot, version
        return self._current[1], version

    def keep(self, row: Row, snapshot: Snapshot, shown: Encoded | None = None) -> None:
        """Remember the current snapshot.

        Args:
            row: the row that `current` will read.
            snapshot: the snapshot.
            shown: the published form.
        """
        self._current = tuple(row), snapshot
        self._shown = {} if shown is None else {shown["stale"]: shown}

    def shown(self, snapshot: Snapshot, staleness: Staleness | None = None) -> Encoded:
        """The shown form of a snapshot, by default now; made once for the current one."""
        stale = (staleness or self.staleness(snapshot.as_of)).stale
        if self._current is None or self._current[1] is not snapshot:
            return snapshot.shown(self._book, stale=stale)
        if stale not in self._shown:
            self._shown[stale] = snapshot.shown(self._book, stale=stale)
        return self._shown[stale]

    async def at(self, as_of: int) -> Snapshot | None:
        """The snapshot with that time, in microseconds since the epoch."""
        return await self._read(await self._engine.fetch(_AT, self._book, as_of))

    async def before(self, as_of: int) -> Snapshot | None:
        """The newest snapshot at that time or before it."""
        return await self._read(await self._engine.fetch(_AS_OF, self._book, as_of))

    async def first(self) -> datetime | None:
        """The time of the oldest snapshot."""
        ((first,),) = await self._engine.fetch(
            "SELECT min(as_of) FROM portfolio_snapshots WHERE book = $1", self._book
        )
        return None if first is None else from_micros(first)

    def staleness(self, as_of: datetime, at: datetime | None = None) -> Staleness:
        """Whether a snapshot of that time is stale at an instant; default: now."""
        age = ((at or now()) - as_of).total_seconds()
        # If its time is further ahead than clocks may differ, its age is unknown.
        if (early := -age - self._ahead / 1_000_000) > 0:
            return Staleness(True, early)
        if age > self.stale_after:
            return Staleness(True, None)
        return Staleness(False, self.stale_after - age)

    async def _read(self, rows: Any) -> Snapshot | None:
        if not rows:
            return None
        record = SNAPSHOT.read(rows[0][:_WIDTH])
        content = await _content(rows)
        total: Decimal = record["total_value"]
        holdings = await worked(held(content.positions, total), len(content.positions))
        return Snapshot(record, holdings, loads_stored(content.performance))


async def _content(rows: Any) -> Content:
    key = rows[0][_WIDTH]
    if key is None:
        return NOTHING
    *_, performance, positions = rows[0]
    if positions is not None:
        arguments = content_of_whole, performance, positions
        size = len(positions)
    else:
        frames = [(row[_WIDTH + 1], row[_WIDTH + 2]) for row in rows]
        arguments = content_of, frames  # type: ignore[assignment]
        size = sum(len(body) for _, body in frames)
    work: Any = arguments[0]
    if size <= ON_LOOP_TEXT:
        content: Content = work(*arguments[1:])
        return content
    return await asyncio.to_thread(work, *arguments[1:])


async def worked(steps: Generator[None, None, T], positions: int) -> T:
    """The result of steps over so many positions; many positions are handled on a thread."""
    if positions <= ON_LOOP_POSITIONS:
        return finish(steps)
    return await asyncio.to_thread(paced, steps)
