"""What one caller may read and write: the only way from routes and sockets to records."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from alphapulse_api.auth.caller import Caller
from alphapulse_api.domain.books import ALL
from alphapulse_api.projections.pnl.accessor import PnlDataAccessor
from alphapulse_api.record.feed import Feed
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.stores import (
    AgentStore,
    AlertStore,
    DecisionStore,
    MetricStore,
    PortfolioStore,
    SystemStore,
    TradeStore,
)
from alphapulse_api.storage.tables.books import BookDataAccessor


class View:
    """The stores and the feed, within the rights of a caller.

    Routes and sockets have no other way to them, so none can forget the rights.

    Args:
        accessors: the stores.
        feed: stores and publishes what the caller sends.
        profit: reads the profit of trades.
    """

    __slots__ = ("_accessors", "feed", "profit")

    def __init__(self, accessors: Accessors, feed: Feed, profit: PnlDataAccessor) -> None:
        self._accessors = accessors
        self.feed = feed
        self.profit = profit

    @property
    def metrics(self) -> MetricStore:
        """Points of series."""
        return self._accessors.metrics

    @property
    def alerts(self) -> AlertStore:
        """Alerts and their changes."""
        return self._accessors.alerts

    @property
    def portfolio(self) -> PortfolioStore:
        """Snapshots of the portfolio."""
        return self._accessors.portfolio

    @property
    def trades(self) -> TradeStore:
        """Trades: orders that advance."""
        return self._accessors.trades

    @property
    def agents(self) -> AgentStore:
        """Agents and their signals."""
        return self._accessors.agents

    @property
    def decisions(self) -> DecisionStore:
        """Decisions, and what led to them."""
        return self._accessors.decisions

    @property
    def portfolios(self) -> PortfolioStore:
        """The portfolios of all books."""
        return self._accessors.of(ALL).portfolio

    @property
    def book_list(self) -> BookDataAccessor:
        """The books themselves."""
        return self._accessors.books

    @property
    def system(self) -> SystemStore:
        """Samples of the system's components."""
        return self._accessors.system


class Views:
    """Makes the views of callers.

    Args:
        accessors: the stores.
        feed: stores and publishes records.
    """

    def __init__(self, accessors: Accessors, feed: Feed) -> None:
        self._accessors = accessors
        self._feed = feed
        self._profit = PnlDataAccessor(accessors.engine, accessors.metrics)

    def of(self, caller: Caller) -> View:
        """All that a caller may read and write."""
        return View(self._accessors, self._feed, self._profit)

    def passing(self, filters: Mapping[str, Collection[str]]) -> View:
        """What the events have that pass the filters of a subscription."""
        return View(self._accessors, self._feed, self._profit)

    def managed(self, resource: str) -> bool:
        """Whether this package keeps the records of a resource, and not the host."""
        return self._accessors.managed(resource)
