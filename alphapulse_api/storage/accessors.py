"""The six stores together; a host may replace each of them by its own object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from alphapulse_api.domain.books import HOME, MAIN, Books
from alphapulse_api.domain.series_limits import MAX_SERIES, MAX_SERIES_PER_KEY
from alphapulse_api.domain.times import CLOCK_AHEAD
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.host.agents import HostAgents
from alphapulse_api.storage.host.alerts import HostAlerts
from alphapulse_api.storage.host.books import NoBooks
from alphapulse_api.storage.host.metrics import HostMetrics
from alphapulse_api.storage.host.portfolio import HostPortfolio
from alphapulse_api.storage.host.system import HostSystem
from alphapulse_api.storage.host.trades import HostTrades
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.portfolio.accessor import PortfolioDataAccessor
from alphapulse_api.storage.portfolio.portfolios import Portfolios
from alphapulse_api.storage.stores import (
    AgentStore,
    AlertStore,
    DecisionStore,
    MetricStore,
    PortfolioStore,
    SystemStore,
    TradeStore,
)
from alphapulse_api.storage.tables.agents import AgentDataAccessor
from alphapulse_api.storage.tables.alerts import AlertDataAccessor
from alphapulse_api.storage.tables.audit import AuditDataAccessor
from alphapulse_api.storage.tables.book_directory import BookDirectory
from alphapulse_api.storage.tables.books import BookDataAccessor
from alphapulse_api.storage.tables.commands import CommandDataAccessor
from alphapulse_api.storage.tables.decisions import DecisionDataAccessor
from alphapulse_api.storage.tables.deliveries import NotificationDataAccessor
from alphapulse_api.storage.tables.rules import RuleDataAccessor
from alphapulse_api.storage.tables.silences import SilenceDataAccessor
from alphapulse_api.storage.tables.system import SystemDataAccessor
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from alphapulse_api.storage.tables.usage import UsageDataAccessor

T = TypeVar("T")
MOST_BOUND: Final = 1024  # sets of books whose stores are remembered
RESOURCES: Final = ("metrics", "alerts", "portfolio", "trades", "agents", "system")


class BookedStores(NamedTuple):
    """The stores of the resources whose records are in books, for some books."""

    alerts: AlertStore
    portfolio: PortfolioStore
    trades: TradeStore
    agents: AgentStore
    decisions: DecisionStore
    usage: UsageDataAccessor


class Accessors:
    """The store of each resource; those of records in books are for the main book.

    Args:
        engine: where our own stores keep their rows.
        stale_after: seconds after which a portfolio is stale.
        hosts: the host's own objects by resource; each needs the methods that are called,
            with the names and signatures of ours.
        ahead: seconds by which a sender's clock may be ahead of this one.
        max_series: series of metrics that may exist.
        max_series_per_key: series that an API key may make.

    Attributes:
        engine: as given.
        directory: what this process knows of the books.
        books: the store of the books themselves, which a host cannot replace.
        silences: the store of silences.
        notifications: the log of notifications.
        audit: the audit log, likewise.
        commands: those to agents, likewise.

    Raises:
        TypeError: for the name of a resource that does not exist.
    """

    def __init__(
        self,
        engine: Engine,
        stale_after: float,
        hosts: Mapping[str, Any],
        *,
        ahead: float = CLOCK_AHEAD,
        max_series: int = MAX_SERIES,
        max_series_per_key: int = MAX_SERIES_PER_KEY,
    ) -> None:
        if strangers := set(hosts) - set(RESOURCES):
            raise TypeError(
                f"there is no accessor {', '.join(sorted(strangers))}; "
                f"there are {', '.join(RESOURCES)}"
            )
        self.engine = engine
        self._bound: dict[Books, BookedStores] = {}
        self._hosts = {name: value for name, value in hosts.items() if value is not None}
        self.metrics: MetricStore = self._host("metrics", HostMetrics) or MetricsDataAccessor(
            engine, ahead, max_series, max_series_per_key
        )
        self._stale_after = stale_after
        self._ahead = ahead
        self.silences = SilenceDataAccessor(engine)
        self.notifications = NotificationDataAccessor(engine)
        self.directory = directory = BookDirectory(engine)
        self.books = BookDataAccessor(engine)
        self.audit = AuditDataAccessor(engine)
        self.commands = CommandDataAccessor(engine)
        self.rules = RuleDataAccessor(engine)
        self.alerts: AlertStore = self._host(
            "alerts", partial(HostAlerts, audit=self.audit)
        ) or AlertDataAccessor(engine, directory=directory)
        self._portfolios = Portfolios(engine, stale_after, round(ahead * 1_000_000), directory)
        self.portfolio: PortfolioStore = self._host(
            "portfolio", HostPortfolio
        ) or PortfolioDataAccessor(engine, stale_after, ahead, portfolios=self._portfolios)
        self.trades: TradeStore = self._host("trades", HostTrades) or TradeDataAccessor(
            engine, directory=directory
        )
        self.agents: AgentStore = self._host("agents", HostAgents) or AgentDataAccessor(
            engine, ahead, directory=directory
        )
        self.decisions: DecisionStore = DecisionDataAccessor(
            engine, self.agents, self.trades, directory=directory
        )
        self.usage = UsageDataAccessor(engine, self.decisions, directory=directory)
        self.system: SystemStore = self._host("system", HostSystem) or SystemDataAccessor(
            engine, ahead
        )

    def of(self, books: Books) -> BookedStores:
        """The stores of the records in some books. A host's own objects serve the main book."""
        if books == HOME:
            return BookedStores(
                self.alerts,
                self.portfolio,
                self.trades,
                self.agents,
                self.decisions,
                self.usage,
            )
        stores = self._bound.get(books)
        if stores is None:
            if len(self._bound) >= MOST_BOUND:
                self._bound.clear()
            directory = self.directory
            agents = self._of_host("agents", books) or AgentDataAccessor(
                self.engine, self._ahead, books, directory
            )
            trades = self._of_host("trades", books) or TradeDataAccessor(
                self.engine, books, directory
            )
            decisions = DecisionDataAccessor(self.engine, agents, trades, books, directory)
            stores = self._bound[books] = BookedStores(
                self._of_host("alerts", books) or AlertDataAccessor(self.engine, books, directory),
                self._of_host("portfolio", books)
                or PortfolioDataAccessor(
                    self.engine, self._stale_after, self._ahead, books, self._portfolios
                ),
                trades,
                agents,
                decisions,
                UsageDataAccessor(self.engine, decisions, books, directory),
            )
        return stores

    def managed(self, resource: str) -> bool:
        """Whether this package keeps the records of a resource, and not the host.

        If so, their events are committed with them, each change invalidates cached answers, lists
        come in pages, and ids are those that the schemas allow.
        """
        return resource not in self._hosts

    def public(self, resource: str) -> Any:
        """The accessor of a resource for users of the package: a host's own object, if any."""
        return self._hosts.get(resource) or getattr(self, resource)

    def _of_host(self, resource: str, books: Books) -> Any:
        """The adapter of a host's own object; None if there is none."""
        if self.managed(resource):
            return None
        return getattr(self, resource) if MAIN in books else NoBooks(resource)

    def _host(self, resource: str, adapter: Callable[[str, Any], T]) -> T | None:
        if resource not in self._hosts:
            return None
        return adapter(resource, self._hosts[resource])
