"""The portfolio: each update is a snapshot. One is current, and all are the history."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any, Final

from alphapulse_api.domain.books import HOME, Books
from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.domain.encoded import Encoded
from alphapulse_api.domain.errors import NotFound, ValidationProblem
from alphapulse_api.domain.holdings import Holdings, holding
from alphapulse_api.domain.times import CLOCK_AHEAD, MICROSECOND, now, rfc3339, to_micros
from alphapulse_api.domain.versions import Precondition
from alphapulse_api.domain.write_back import Basis
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.long_reads import long_reads
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.portfolio.history import history, history_page
from alphapulse_api.storage.portfolio.overview import Overview, overview
from alphapulse_api.storage.portfolio.portfolios import Portfolios
from alphapulse_api.storage.portfolio.reading import (
    ON_LOOP_POSITIONS,
    Portfolio,
    Snapshot,
    worked,
)
from alphapulse_api.storage.query import check_range
from alphapulse_api.storage.stores import NONE_SET
from alphapulse_api.storage.tables.book_directory import BookDirectory

DEFAULT_HISTORY_POINTS: Final = 500


class CurrentPortfolio(dict[str, Any]):
    """The portfolio as a caller requested it.

    Attributes:
        changes_in: seconds until its `stale` changes, unless it is updated before; None for never.
    """

    changes_in: float | None = None


class ShownPortfolio(Encoded):
    """A portfolio as routes and sockets show it, encoded.

    Attributes:
        changes_in: as of `CurrentPortfolio`.
        version: the version of the current portfolio; None for a portfolio of a past time.
    """

    changes_in: float | None = None
    version: str | None = None


class PortfolioDataAccessor:
    """Reads and writes portfolio snapshots.

    Args:
        stale_after: the age in seconds from which the current snapshot is stale.
        ahead: the seconds by which the clock of a sender may be ahead.
        books: the books whose portfolios it reads; each call reads that of the home book. A
            snapshot is written to the book that it names, or to the home book.
        portfolios: what the accessors of a process share.

    Attributes:
        portfolios: what it shares.
    """

    def __init__(
        self,
        engine: Engine,
        stale_after: float = 300,
        ahead: float = CLOCK_AHEAD,
        books: Books = HOME,
        portfolios: Portfolios | None = None,
    ) -> None:
        self._engine = engine
        self._ahead = round(ahead * 1_000_000)
        self._books = books
        self._book = books.home
        if portfolios is None:
            portfolios = Portfolios(engine, stale_after, self._ahead, BookDirectory(engine))
        self.portfolios = portfolios

    async def get_portfolio(
        self,
        include_history: bool = False,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        max_points: int = DEFAULT_HISTORY_POINTS,
        as_of: datetime | None = None,
    ) -> CurrentPortfolio:
        """The current portfolio, or that of an instant.

        Args:
            include_history: add `history` of the range, oldest first (default: all up to now, or
                up to `as_of`).
            max_points: the maximum number of history points (2 or more); more are thinned as
                `portfolio.history.history` says.
            as_of: show the newest snapshot at that instant or before it, with the `stale` of that
                instant.

        Raises:
            NotFound: before the first update.
            ValidationProblem: for an empty range, or an `end_time` beside `as_of`.
        """
        shown = await self.show_portfolio(include_history, start_time, end_time, max_points, as_of)
        portfolio = CurrentPortfolio(_copied(shown))
        portfolio.changes_in = shown.changes_in
        if include_history:
            portfolio["history"] = list(shown["history"])
        return portfolio

    async def show_portfolio(
        self,
        include_history: bool = False,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        max_points: int = DEFAULT_HISTORY_POINTS,
        as_of: datetime | None = None,
    ) -> ShownPortfolio:
        """Like `get_portfolio`, but encoded once for all callers; it must not be changed."""
        check_range(start_time, end_time)
        if as_of is not None:
            if end_time is not None:
                raise ValidationProblem.parameter(
                    "end_time",
                    "The history of a portfolio of a past time ends at as_of: leave end_time out.",
                )
            if start_time is not None and start_time > as_of:
                raise ValidationProblem.parameter(
                    "start_time", "start_time must not be after as_of"
                )
        reader = self.portfolios.reader(self._book)
        past: Page | None = None
        if include_history:
            # The history comes first, so that an update meanwhile cannot make it newer.
            ahead = timedelta(microseconds=self._ahead)
            end = end_time or (now() + ahead if as_of is None else _after(as_of))
            with long_reads():
                past = await history(self._engine, self._book, start_time, end, max_points)
        version: str | None = None
        if as_of is None:
            current = await reader.current()
            if current is None:
                raise NotFound("There is no portfolio yet: nothing has updated it.")
            snapshot, version = current
        else:
            earlier = await reader.before(to_micros(as_of))
            if earlier is None:
                raise NotFound(await self._why_not(as_of))
            snapshot = earlier
        staleness = reader.staleness(snapshot.as_of, as_of)
        encoded = reader.shown(snapshot, staleness)
        shown = ShownPortfolio(encoded, encoded.json)
        shown.version = version
        shown.changes_in = staleness.changes_in if as_of is None else None
        if past is not None:
            shown["history"] = past
        return shown

    async def get_portfolios(self) -> Overview:
        """The current portfolio of each book, without positions, and their totals."""
        reader = self.portfolios.reader(self._book)
        return await overview(self._engine, self._books, reader.staleness, reader.stale_after)

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
        return await history_page(self._engine, self._book, start_time, end_time, limit, cursor)

    async def get_snapshot(self, book: str, as_of: int) -> Portfolio | None:
        """The snapshot of a book with that time, in microseconds since the epoch, if it exists."""
        reader = self.portfolios.reader(book)
        snapshot = await reader.at(as_of)
        return None if snapshot is None else reader.shown(snapshot)

    async def basis(self, book: str, as_of: datetime | None, *, remembered: bool) -> Basis | None:
        """The snapshot that a sender may have read before it sends one of this time.

        Args:
            book: of both.
            as_of: the time; None for now.
            remembered: whether the current one that this process remembers is enough. Then nothing
                is awaited, so that concurrent calls keep their order.

        Returns:
            The current snapshot; for an earlier time the one of that time, if there is one.
        """
        reader = self.portfolios.reader(book)
        if remembered:
            snapshot = reader.remembered
        else:
            current = await reader.current()
            snapshot = None if current is None else current[0]
        if snapshot is not None and as_of is not None and as_of < snapshot.as_of:
            snapshot = None if remembered else await reader.at(to_micros(as_of))
        if snapshot is None:
            return None
        return Basis(snapshot.record["total_value"], snapshot.holdings, book)

    async def set_portfolio(
        self,
        portfolio: Mapping[str, Any],
        *,
        server_set: frozenset[str] = NONE_SET,
        precondition: Precondition | None = None,
    ) -> tuple[ShownPortfolio, int | None]:
        """Store a validated snapshot, replacing one with the same `as_of`.

        It becomes the current one unless it is late. The store decides the order in which snapshots
        are received. So a snapshot whose `as_of` the server set is never late, nor is one that
        follows a snapshot from ahead of now (`newest.overtakes`).

        Args:
            portfolio: the snapshot.
            server_set: the fields of it that the server set.
            precondition: the condition on the current snapshot.

        Returns:
            The snapshot, with the version of the current one. If it is the current one, also its
            revision: how often the current snapshot or its content has changed.

        Raises:
            Problem: 412, if `precondition` does not hold.
        """
        book = portfolio.get("book") or self._book
        snapshot = await _snapshot(portfolio)
        shown = self.portfolios.reader(book).shown(snapshot)
        revision, version = await self.portfolios.writer(book).store(
            snapshot, shown, latest="as_of" in server_set, precondition=precondition
        )
        answer = ShownPortfolio(_copied(shown), shown.json)
        answer.version = version
        return answer, revision

    async def add_history(self, snapshots: Sequence[Mapping[str, Any]], *, last: bool) -> int:
        """Store past snapshots, all or none; times that have a snapshot are skipped.

        Args:
            snapshots: validated, with `positions_value` and without positions, oldest first; all
                of one book.
            last: whether the newest becomes the current one, unless a newer one exists.

        Returns:
            How many are new.
        """
        by_time = {
            to_micros(record["as_of"]): Snapshot(record, Holdings([], {}, b"[]"), {})
            for record in snapshots
        }
        book = snapshots[0].get("book") or self._book
        return await self.portfolios.writer(book).add(by_time, last=last)

    async def _why_not(self, as_of: datetime) -> str:
        first = await self.portfolios.reader(self._book).first()
        if first is None:
            return "There is no portfolio yet: nothing has updated it."
        return (
            f"There was no portfolio at {rfc3339(as_of)}: "
            f"the oldest that is kept is of {rfc3339(first)}."
        )


def _after(instant: datetime) -> datetime:
    """The first instant after one."""
    return instant + MICROSECOND


def _copied(shown: Encoded) -> Encoded:
    """The same for a caller who may change it."""
    positions = [dict(position) for position in shown["positions"]]
    performance = dict(shown["performance"])
    return Encoded({**shown, "positions": positions, "performance": performance}, shown.json)


async def _snapshot(portfolio: Mapping[str, Any]) -> Snapshot:
    positions = portfolio["positions"]
    if not isinstance(positions, Holdings):
        positions = await worked(holding(positions, portfolio["total_value"]), len(positions))
    if len(positions) > ON_LOOP_POSITIONS:
        await asyncio.sleep(0)  # summing and comparing thousands takes a few milliseconds
    worth = (p["value"] for p in positions if p.get("value") is not None)
    record = {**portfolio, "positions_value": reduce(EXACT.add, worth, Decimal(0))}
    return Snapshot(record, positions, portfolio["performance"])
