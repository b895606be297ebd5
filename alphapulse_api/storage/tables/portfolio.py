"""The portfolio: one snapshot an update. One is current, and all are the history."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.domain.encoding import loads_stored
from alphapulse_api.domain.errors import NotFound
from alphapulse_api.domain.newest import overtakes
from alphapulse_api.domain.times import CLOCK_AHEAD, now, parse, to_micros
from alphapulse_api.storage.bulk import insert_rows
from alphapulse_api.storage.columns import DECIMAL, JSON, PLAIN, TIME, Columns, Kind
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.engine.long_reads import long_reads
from alphapulse_api.storage.outbox import invalidation, of_change
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import check_range
from alphapulse_api.storage.stores import NONE_SET
from alphapulse_api.storage.tables.portfolio_history import history, history_page

ON_LOOP_POSITIONS: Final = 200  # positions; more are encoded on a thread
ON_LOOP_TEXT: Final = 64 * 1024  # characters; longer texts are read on a thread
POSITION_DECIMALS = (
    "quantity", "entry_price", "current_price", "value", "unrealized_pnl", "realized_pnl",
)  # fmt: skip


async def _read(row: Row) -> Portfolio:
    """A snapshot; thousands of positions are decoded on a thread, to keep the loop free."""
    if len(row[COLUMNS.names.index("positions")]) > ON_LOOP_TEXT:
        return await asyncio.to_thread(COLUMNS.read, row)
    return COLUMNS.read(row)


def _read_positions(text: str) -> list[dict[str, Any]]:
    positions: list[dict[str, Any]] = loads_stored(text)
    for position in positions:
        for name in POSITION_DECIMALS:
            if position[name] is not None:
                position[name] = Decimal(position[name])
        if position["opened_at"] is not None:
            position["opened_at"] = parse(position["opened_at"])
    return positions


COLUMNS = Columns(
    "portfolio_snapshots",
    {
        "as_of": TIME,
        "total_value": DECIMAL,
        "cash": DECIMAL,
        "positions_value": DECIMAL,
        "currency": PLAIN,
        "positions": Kind(JSON.store, _read_positions),
        "performance": JSON,
    },
)
# An identical snapshot is no change. It is compared as text, because JSON columns have no equality
# and every digit of an amount counts.
_REPLACE = (
    f"{COLUMNS.insert} ON CONFLICT (as_of) DO UPDATE SET "
    f"{', '.join(f'{name} = excluded.{name}' for name in COLUMNS.names[1:])} WHERE "
    + " OR ".join(
        f"CAST(portfolio_snapshots.{name} AS TEXT) <> CAST(excluded.{name} AS TEXT)"
        for name in COLUMNS.names[1:]
    )
    + " RETURNING as_of"
)
_CURRENT = 'SELECT as_of, revision FROM portfolio_current WHERE "only" = 1'
_FIRST = (
    'INSERT INTO portfolio_current ("only", as_of, revision) VALUES (1, $1, 0) '
    'ON CONFLICT ("only") DO NOTHING'
)
_IF_NEW = "ON CONFLICT (as_of) DO NOTHING RETURNING as_of"
_MOVE = 'UPDATE portfolio_current SET as_of = $1, revision = $2 WHERE "only" = 1'
DEFAULT_HISTORY_POINTS = 500
Portfolio = dict[str, Any]


class CurrentPortfolio(dict[str, Any]):
    """The current portfolio.

    Attributes:
        changes_in: seconds until its `stale` changes, unless it is updated before; None: never.
    """

    changes_in: float | None = None


class _Staleness(NamedTuple):
    """Whether a snapshot is stale now.

    Attributes:
        changes_in: seconds until that changes by time alone; None: never.
    """

    stale: bool
    changes_in: float | None


class PortfolioDataAccessor:
    """Reads and writes portfolio snapshots.

    Args:
        stale_after: the age in seconds from which the current snapshot is stale.
        ahead: the seconds by which the clock of a sender may be ahead.
    """

    def __init__(
        self, engine: Engine, stale_after: float = 300, ahead: float = CLOCK_AHEAD
    ) -> None:
        self._engine = engine
        self._stale_after = stale_after
        self._ahead = round(ahead * 1_000_000)

    async def get_portfolio(
        self,
        include_history: bool = False,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        max_points: int = DEFAULT_HISTORY_POINTS,
    ) -> CurrentPortfolio:
        """The current portfolio.

        Args:
            include_history: add `history`, oldest first, of the range (default: all up to now).
            max_points: how many history points at most (2 or more); over that they are thinned as
                `portfolio_history.history` says.

        Raises:
            NotFound: before the first update.
            ValidationProblem: for an empty range.
        """
        check_range(start_time, end_time)
        past = None
        if include_history:
            # First, so that an update meanwhile does not make the portfolio older than its history.
            end = end_time or now() + timedelta(microseconds=self._ahead)
            with long_reads():
                past = await history(self._engine, start_time, end, max_points)
        rows = await self._engine.fetch(
            f"SELECT {COLUMNS.select} FROM portfolio_snapshots "
            "WHERE as_of = (SELECT as_of FROM portfolio_current)"
        )
        if not rows:
            raise NotFound("There is no portfolio yet: nothing has updated it.")
        snapshot = await _read(rows[0])
        staleness = self._staleness(snapshot["as_of"])
        portfolio = CurrentPortfolio(_shown(snapshot, staleness))
        portfolio.changes_in = staleness.changes_in
        if past is not None:
            portfolio["history"] = past
        return portfolio

    async def get_history(
        self,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """One page of the values at every update, oldest first.

        Raises:
            ValidationProblem: for an empty range or a foreign cursor.
        """
        return await history_page(self._engine, start_time, end_time, limit, cursor)

    async def get_snapshot(self, as_of: int) -> Portfolio | None:
        """The snapshot with that time, in microseconds since the epoch, if it exists."""
        sql = f"SELECT {COLUMNS.select} FROM portfolio_snapshots WHERE as_of = $1"
        rows = await self._engine.fetch(sql, as_of)
        if not rows:
            return None
        snapshot = await _read(rows[0])
        return _shown(snapshot, self._staleness(snapshot["as_of"]))

    async def set_portfolio(
        self, portfolio: Mapping[str, Any], *, server_set: frozenset[str] = NONE_SET
    ) -> tuple[Portfolio, int | None]:
        """Store a validated snapshot, replacing one with the same `as_of`.

        It becomes the current one unless it comes late. In what order snapshots are received is
        the store's to say, so one whose `as_of` the server set never comes late, nor does one that
        follows a snapshot from ahead of now (`newest.overtakes`).

        Args:
            portfolio: the snapshot.
            server_set: the fields of it that the server set.

        Returns:
            The snapshot and, if it is the current one, its revision: how often the current snapshot
            or its content has changed.
        """
        worth = (p["value"] for p in portfolio["positions"] if p.get("value") is not None)
        record = {**portfolio, "positions_value": reduce(EXACT.add, worth, Decimal(0))}
        as_of = to_micros(record["as_of"])
        latest = "as_of" in server_set

        shown = _shown(record, self._staleness(record["as_of"]))
        many = len(record["positions"]) > ON_LOOP_POSITIONS
        values = await asyncio.to_thread(COLUMNS.store, record) if many else COLUMNS.store(record)

        async def work(transaction: Transaction) -> int | None:
            await transaction.execute(_FIRST, as_of)
            known, revision = await self._current(transaction)
            if not await transaction.fetch(_REPLACE, *values):
                return revision if as_of == known else None
            if not latest and not overtakes(as_of, known, to_micros(now()), self._ahead):
                transaction.publish(invalidation("portfolio"))
                return None
            return await self._move(transaction, as_of, shown, revision + 1)

        revision = await self._engine.write(work)
        return shown, revision

    async def add_history(self, snapshots: Sequence[Mapping[str, Any]], *, last: bool) -> int:
        """Store past snapshots, all or none; times that have a snapshot are skipped.

        Args:
            snapshots: validated, with `positions_value`, oldest first.
            last: whether the newest becomes the current one, unless a newer one exists.

        Returns:
            How many are new.
        """
        by_time = {to_micros(snapshot["as_of"]): snapshot for snapshot in snapshots}
        rows = [COLUMNS.store(snapshot) for snapshot in by_time.values()]
        newest = max(by_time)

        async def work(transaction: Transaction) -> int:
            added = await insert_rows(transaction, COLUMNS.into, rows, _IF_NEW)
            if added:
                transaction.publish(invalidation("portfolio"))
            if last:
                await self._adopt(transaction, newest, by_time[newest])
            return len(added)

        return await self._engine.write(work)

    async def _adopt(
        self, transaction: Transaction, as_of: int, snapshot: Mapping[str, Any]
    ) -> None:
        """Make a stored snapshot the current one, unless a newer one exists."""
        began = await transaction.execute(_FIRST, as_of)
        known, revision = await self._current(transaction)
        newer = as_of != known and overtakes(as_of, known, to_micros(now()), self._ahead)
        if began or newer:
            shown = _shown(snapshot, self._staleness(snapshot["as_of"]))
            await self._move(transaction, as_of, shown, revision + 1)

    async def _current(self, transaction: Transaction) -> tuple[int, int]:
        """The time and revision of the current snapshot.

        Its row is locked, so that the snapshots of several processes become current and are
        published in one order.
        """
        ((as_of, revision),) = await transaction.fetch(f"{_CURRENT} {self._engine.locked}")
        return as_of, int(revision)

    async def _move(
        self, transaction: Transaction, as_of: int, shown: Portfolio, revision: int
    ) -> int:
        """Make a stored snapshot the current one, publish it, and return its revision."""
        await transaction.execute(_MOVE, as_of, revision)
        rows = await of_change(
            transaction,
            "portfolio",
            shown,
            revision,
            record_id=str(as_of),
            relayed=self._engine.relayed,
            reference=True,
        )
        transaction.publish(*rows)
        return revision

    def _staleness(self, as_of: datetime) -> _Staleness:
        age = (now() - as_of).total_seconds()
        # If its time is further ahead than clocks may differ, its age is unknown.
        if (early := -age - self._ahead / 1_000_000) > 0:
            return _Staleness(True, early)
        if age > self._stale_after:
            return _Staleness(True, None)
        return _Staleness(False, self._stale_after - age)


def _shown(snapshot: Mapping[str, Any], staleness: _Staleness) -> Portfolio:
    """A snapshot as callers get it."""
    shown = {**snapshot, "stale": staleness.stale}
    shown.pop("positions_value", None)
    return shown
