"""What a caller may read and write: the only way from routes and sockets to records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

from alphapulse_api.auth.caller import Caller
from alphapulse_api.domain.books import ALL, EVERY, HOME, MAIN, Books
from alphapulse_api.domain.channels import PRICES
from alphapulse_api.domain.errors import NotFound
from alphapulse_api.projections.outcomes.accessor import TrackRecordAccessor
from alphapulse_api.projections.pnl.accessor import PnlDataAccessor
from alphapulse_api.record.feed import Feed
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.stores import (
    AlertStore,
    DecisionStore,
    MetricStore,
    PortfolioStore,
    TradeStore,
)
from alphapulse_api.storage.tables.books import BookDataAccessor
from alphapulse_api.storage.tables.commands import CommandDataAccessor
from alphapulse_api.storage.tables.deliveries import NotificationDataAccessor
from alphapulse_api.storage.tables.known_books import KnownBooks
from alphapulse_api.storage.tables.rules import RuleDataAccessor
from alphapulse_api.storage.tables.silences import SilenceDataAccessor
from alphapulse_api.storage.tables.usage import UsageDataAccessor
from alphapulse_api.storage.unbooked import NoAudit, NoSystem, SignalsOnly


class View:
    """The stores and the feed, within the rights of a caller and the books of a question.

    Routes and sockets have no other way to them, so none can forget the rights.

    Args:
        accessors: the stores.
        feed: stores and publishes what the caller sends.
        books: those that the question is about.
        prices: whether metrics of the type price that belong to no book are shown, too.
        limited: whether the caller is limited to books. It then sees no agents and no samples of
            the system, which belong to no book.
    """

    __slots__ = ("_accessors", "_feed", "books", "limited", "prices")

    def __init__(
        self, accessors: Accessors, feed: Feed, books: Books, *, prices: bool, limited: bool
    ) -> None:
        self._accessors = accessors
        self._feed = feed
        self.books = books
        self.prices = prices
        self.limited = limited

    def __repr__(self) -> str:
        return f"<View {self.key}>"

    @property
    def key(self) -> str:
        """The same text for views that show the same, for keys of caches."""
        return f"{self.books.text} {self.prices:d}{self.limited:d}"

    def only_book(self, resource: str) -> str | None:
        """The book that everything shown of a resource belongs to; None if there is no such one."""
        return None if resource == "metrics" and self.prices else self.books.one

    async def each_book(self) -> AsyncIterator[View]:
        """The same for one book after the other."""
        ids = self.books.ids
        for book in await self.book_list.get_ids() if ids is None else ids:
            yield View(
                self._accessors,
                self._feed,
                Books((book,)),
                prices=self.prices,
                limited=self.limited,
            )

    @property
    def feed(self) -> Feed:
        """Stores and publishes what the caller sends; raises `NotFound` for a foreign book."""
        return self._feed if self.books.ids is None else self._feed.within(self.books)

    @property
    def metrics(self) -> MetricStore:
        """Points of series."""
        metrics = self._accessors.metrics
        if self.books.ids is None:
            return metrics
        return metrics.within(self.books, prices=self.prices)

    @property
    def alerts(self) -> AlertStore:
        """Alerts and their changes."""
        return self._accessors.of(self.books).alerts

    @property
    def portfolio(self) -> PortfolioStore:
        """Snapshots of the portfolio."""
        return self._accessors.of(self.books).portfolio

    @property
    def trades(self) -> TradeStore:
        """Trades: orders that advance."""
        return self._accessors.of(self.books).trades

    @property
    def decisions(self) -> DecisionStore:
        """Decisions, and what led to them."""
        return self._accessors.of(self.books).decisions

    @property
    def profit(self) -> PnlDataAccessor:
        """The profit of trades and of round trips, at the prices that the caller may read."""
        metrics = self._accessors.metrics
        if self.limited:
            metrics = metrics.within(self.books, prices=True)
        return PnlDataAccessor(self._accessors.engine, metrics, self.books)

    @property
    def portfolios(self) -> PortfolioStore:
        """The portfolios of the books, side by side."""
        return self._accessors.of(self.books).portfolio

    @property
    def book_list(self) -> BookDataAccessor:
        """The books themselves."""
        return self._accessors.books.of(self.books)

    @property
    def usage(self) -> UsageDataAccessor:
        """What thinking cost."""
        return self._accessors.of(self.books).usage

    @property
    def agents(self) -> Any:
        """Agents and their signals."""
        agents = self._accessors.of(self.books).agents
        return SignalsOnly(agents) if self.limited else agents

    @property
    def track_records(self) -> TrackRecordAccessor:
        """What the signals of agents came to."""
        return TrackRecordAccessor(self._accessors.engine, self.books, with_agents=not self.limited)

    @property
    def rules(self) -> RuleDataAccessor:
        """Rules, which are about all books; their routes refuse callers who are limited."""
        return self._accessors.rules

    @property
    def audit(self) -> Any:
        """The audit log."""
        return NoAudit() if self.limited else self._accessors.audit

    @property
    def commands(self) -> CommandDataAccessor:
        """Commands to agents; the routes refuse callers who are limited to books."""
        return self._accessors.commands

    @property
    def silences(self) -> SilenceDataAccessor:
        """Alerts that nobody is told of for a while; routes refuse callers limited to books."""
        return self._accessors.silences

    @property
    def notifications(self) -> NotificationDataAccessor:
        """What people were told; routes refuse callers limited to books."""
        return self._accessors.notifications

    @property
    def system(self) -> Any:
        """Samples of the system's components."""
        return NoSystem() if self.limited else self._accessors.system


class Views:
    """Makes the views of callers.

    Args:
        accessors: the stores.
        feed: stores and publishes records.
    """

    def __init__(self, accessors: Accessors, feed: Feed) -> None:
        self._accessors = accessors
        self._feed = feed
        self._known = KnownBooks(accessors.engine)

    def of(self, caller: Caller) -> View:
        """All that a caller may read and write."""
        return self._view(caller, _allowed(caller))

    def at_home(self, caller: Caller) -> View:
        """The home book of a caller."""
        return self._view(caller, _only(_allowed(caller).home), prices=False)

    async def asked(self, caller: Caller, books: Sequence[str] | None, *, every: bool) -> View:
        """The part of it that a question is about.

        Args:
            caller: who asks.
            books: that it names; "*" stands for all that the caller has; None if it names none.
            every: whether it then means all; otherwise it means the home book.

        Raises:
            NotFound: for a book that the caller does not have, or that does not exist.
        """
        allowed = _allowed(caller)
        if books is None:
            return self._view(caller, allowed if every else _only(allowed.home))
        if EVERY in books:
            return self._view(caller, allowed)
        await self.check(caller, books)
        return self._view(caller, Books(books), prices=False)

    async def check(self, caller: Caller, books: Collection[str]) -> None:
        """Check that a caller has books, and that they exist.

        Raises:
            NotFound: for one that the caller does not have; the same for one that does not exist.
        """
        allowed = _allowed(caller)
        for book in books:
            allowed.checked(book)
        if allowed.ids is None and (unknown := await self._known.unknown(books)):
            raise NotFound(f"There is no book {unknown[0]!r}.")

    def passing(self, books: frozenset[str] | None) -> View:
        """What a subscriber sees whose filter has these books; see `Channel.book`."""
        if books is None:
            return View(self._accessors, self._feed, ALL, prices=True, limited=False)
        ids = sorted(books - {PRICES})
        return View(self._accessors, self._feed, Books(ids), prices=PRICES in books, limited=True)

    def managed(self, resource: str) -> bool:
        """Whether this package keeps the records of a resource, and not the host."""
        return self._accessors.managed(resource)

    def _view(self, caller: Caller, books: Books, *, prices: bool = True) -> View:
        limited = caller.books is not None
        return View(self._accessors, self._feed, books, prices=prices, limited=limited)


def _allowed(caller: Caller) -> Books:
    return ALL if caller.books is None else Books(caller.books)


def _only(book: str) -> Books:
    return HOME if book == MAIN else Books((book,))
