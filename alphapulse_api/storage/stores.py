"""Protocols of the stores: ours, or a host's own behind an adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from alphapulse_api.domain.books import Books
from alphapulse_api.domain.errors import Conflict
from alphapulse_api.domain.points import Place
from alphapulse_api.domain.versions import Precondition
from alphapulse_api.domain.write_back import Basis
from alphapulse_api.storage.page import Page

Record = dict[str, Any]
Written = tuple[Record, bool]  # a record as stored, and whether this call stored or changed it
NONE_SET: frozenset[str] = frozenset()


class MetricStore(Protocol):
    """Points of series."""

    def within(self, books: Books, *, prices: bool) -> MetricStore:
        """The same for the series that are in some books by their label `book`.

        Args:
            books: the books.
            prices: whether prices that are in no book are among them.
        """

    async def list_series(
        self,
        name: str | None = None,
        metric_type: str | None = None,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Page:
        """One page of series by a prefix of their names, with the range and number of points."""

    async def get_metrics(
        self,
        metric_type: str,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        aggregation: str | None = None,
        *,
        interval: str | None = None,
        max_points: int | None = None,
        timezone: str | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Page:
        """Points of a type, oldest first."""

    async def get_latest_metrics(
        self,
        metric_type: str | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Page:
        """One page of the newest point of every matching series."""

    def latest_in_parts(
        self, metric_type: str | None = None, name: str | None = None
    ) -> AsyncIterator[Page]:
        """All pages of `get_latest_metrics`."""

    async def add_points(
        self,
        points: Sequence[Mapping[str, Any]],
        *,
        events: bool = True,
        known: set[Place] | None = None,
    ) -> int:
        """Store validated points; returns how many were given.

        Args:
            points: validated, each with a time.
            events: whether they are published; those of an imported history are not.
            known: is filled with those that were stored already, perhaps with another value.
        """


class AlertStore(Protocol):
    """Alerts and their changes."""

    async def get_alerts(
        self,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        severity: Sequence[str] | None = None,
        acknowledged: bool | None = None,
        source: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        *,
        status: str | None = None,
        sort: str | None = None,
    ) -> Page:
        """One page, newest first unless `sort` is "asc"."""

    def unresolved_in_parts(
        self, severities: Collection[str] | None = None, sources: Collection[str] | None = None
    ) -> AsyncIterator[Page]:
        """All alerts that are not resolved, newest first, in pages; some may not match."""

    async def get_alert(self, alert_id: str) -> Record:
        """One alert; raises `NotFound`."""

    async def add_alert(
        self, alert: Mapping[str, Any], *, server_set: frozenset[str] = NONE_SET
    ) -> Written:
        """Store a validated alert; raises `Conflict`."""

    async def add_alerts(
        self,
        alerts: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
    ) -> list[Written]:
        """Store validated alerts; the arguments are those of `TradeStore.add_trades`."""

    async def report_alerts(self, reports: Sequence[Mapping[str, Any]]) -> list[Written]:
        """Store another system's reports of its alerts, all or none.

        Args:
            reports: alerts with an id and a `created_at`, and a `resolved_at` once resolved.

        Returns:
            Of each report the alert as it is now, and whether the report changed it.
        """

    async def try_to_acknowledge(
        self, alert_id: str, user: str, comments: str | None = None
    ) -> Written:
        """Acknowledge an alert, unless it is acknowledged already; raises `NotFound`."""

    async def try_to_resolve(self, alert_id: str) -> Written:
        """Resolve an alert, unless it is resolved already; raises `NotFound`."""


class TradeStore(Protocol):
    """Trades: orders that advance."""

    async def get_trades(
        self,
        symbol: str | Collection[str] | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        side: str | None = None,
        status: str | None = None,
        strategy: str | Collection[str] | None = None,
        agent_id: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        sort: str | None = None,
    ) -> Page:
        """One page, newest first unless `sort` is "asc"."""

    async def get_trade(self, trade_id: str) -> Record:
        """One trade; raises `NotFound`."""

    async def add_trades(
        self,
        trades: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        one: bool = False,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
    ) -> list[Written]:
        """Store validated trades.

        Args:
            trades: as `orders.completed` returns them.
            server_set: for each trade, the fields that its sender left out.
            one: whether the sender sent a single trade, not an array; errors then point at "/id".
            conflicts: filled with the conflicts of trades that are not stored, by position.
                Without it, one conflict refuses all trades.
            events: whether new trades are published; those of an imported history are not.

        Raises:
            Conflict: if a trade cannot follow the one that is stored under its id.
        """


class PortfolioStore(Protocol):
    """Snapshots of the portfolio."""

    async def get_portfolio(
        self,
        include_history: bool = False,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        max_points: int = 500,
        as_of: datetime | None = None,
    ) -> Record:
        """The current portfolio, or that of an instant; raises `NotFound`."""

    async def show_portfolio(
        self,
        include_history: bool = False,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        max_points: int = 500,
        as_of: datetime | None = None,
    ) -> Record:
        """Like `get_portfolio`, for a route or a socket, which only encodes it; may be encoded."""

    async def get_portfolios(self) -> Record:
        """`portfolios`: the current one of each book, without positions; and their `totals`."""

    async def get_history(
        self,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """One page of the values at every update, oldest first."""

    async def basis(self, book: str, as_of: datetime | None, *, remembered: bool) -> Basis | None:
        """The snapshot that a sender may have read before it sends one of this time.

        Args:
            book: of both.
            as_of: the time; None for now.
            remembered: whether the current one that this process remembers is enough.
        """

    async def set_portfolio(
        self,
        portfolio: Mapping[str, Any],
        *,
        server_set: frozenset[str] = NONE_SET,
        precondition: Precondition | None = None,
    ) -> tuple[Record, int | None]:
        """Store a validated snapshot; returns it and, if it is the current one, its revision.

        Raises a 412 if the current one does not match `precondition`.
        """

    async def add_history(self, snapshots: Sequence[Mapping[str, Any]], *, last: bool) -> int:
        """Store past snapshots, all or none, and return how many are new; known times are skipped.

        Args:
            snapshots: validated, with `positions_value`, oldest first.
            last: whether the newest becomes the current one, unless a newer one exists.
        """


class AgentStore(Protocol):
    """Agents and their signals."""

    async def get_agents(
        self,
        agent_type: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """One page of agents, by id, each with its newest signals."""

    async def get_agent(
        self,
        agent_id: str,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> Record:
        """One agent with its newest signals in the range; raises `NotFound`."""

    async def get_signals(
        self,
        agent_id: str,
        symbol: str | None = None,
        direction: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
        sort: str | None = None,
        *,
        in_full: bool = False,
    ) -> Page:
        """One page of an agent's signals, in the order of `get_trades`; raises `NotFound`.

        With `in_full`, signals have their `thesis` and `inputs`.
        """

    async def get_signal(self, agent_id: str, signal_id: str) -> Record:
        """One signal with its `thesis` and `inputs`; raises `NotFound`."""

    async def set_agent(
        self, agent_id: str, update: Mapping[str, Any], *, precondition: Precondition | None = None
    ) -> Record:
        """Store a validated update; fields that it leaves out keep their values."""

    async def add_signal(
        self, signal: Mapping[str, Any], *, server_set: frozenset[str] = NONE_SET
    ) -> Written:
        """Store a validated signal; raises `Conflict`."""

    async def add_signals(
        self,
        signals: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
    ) -> list[Written]:
        """Store validated signals; the arguments are those of `TradeStore.add_trades`."""


class DecisionStore(Protocol):
    """Decisions, which are never changed."""

    async def get_decisions(
        self,
        agent_id: str | None = None,
        symbol: str | None = None,
        cycle_id: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
        sort: str | None = None,
        *,
        in_full: bool = False,
    ) -> Page:
        """One page, in the order of `get_trades`; with `in_full`, with their `reasoning`."""

    async def get_decision(self, decision_id: str, expand: Collection[str] = ()) -> Record:
        """One decision, with its `reasoning` and the parts to expand; raises `NotFound`."""

    async def explain_trade(self, trade_id: str) -> Record:
        """One trade, with its decision, the signals of that, and the links that lead nowhere."""

    async def add_decisions(
        self,
        decisions: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]],
        one: bool = False,
        events: bool = True,
    ) -> list[Written]:
        """Store completed decisions with their signals and trades, all of them or none.

        Args:
            decisions: their `signals` and `trades` are pairs of a completed record and the fields
                that the server set in it.
            server_set: for each decision, the fields that the server set.
            one: whether the sender sent a single decision; errors then point at "/id".
            events: whether what is new is published.

        Raises:
            Conflict: if an id exists with other content.
            Ring: if a correction would correct itself.
        """


class SystemStore(Protocol):
    """Samples of the system's components."""

    async def get_system(
        self,
        component: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """One page, oldest first."""

    async def add_sample(self, sample: Mapping[str, Any]) -> Written:
        """Store a validated sample; returns whether it replaced none."""

    async def add_samples(
        self,
        samples: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
    ) -> list[Written]:
        """Store validated samples; the arguments are those of `TradeStore.add_trades`."""
