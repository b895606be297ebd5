"""The feed that the trading side calls: validate, store, invalidate, publish, in that order.

A call returns when its record is stored durably and its event is in the log.
"""

from __future__ import annotations

import asyncio
from datetime import tzinfo
from typing import Any

from alphapulse_api.domain.books import ALL, Books
from alphapulse_api.domain.deeds import HOST, Actor
from alphapulse_api.domain.errors import DashboardClosed
from alphapulse_api.domain.tags import tags_of
from alphapulse_api.domain.times import CLOCK_AHEAD, now
from alphapulse_api.domain.versions import Precondition
from alphapulse_api.domain.write_back import WriteBacks
from alphapulse_api.record.alert_feed import AlertFeed
from alphapulse_api.record.alert_recorder import AlertRecorder
from alphapulse_api.record.calls import Calls, to_its_end
from alphapulse_api.record.command_feed import CommandFeed
from alphapulse_api.record.command_wakes import CommandWakes
from alphapulse_api.record.completion import Stored, set_time, valuing
from alphapulse_api.record.counting import one_record
from alphapulse_api.record.decision_recorder import DecisionRecorder
from alphapulse_api.record.equity_recorder import EquityRecorder
from alphapulse_api.record.import_feed import ImportFeed
from alphapulse_api.record.inputs import (
    MAX_BATCH,
    Extras,
    Record,
    checked_agent_id,
    checked_book,
)
from alphapulse_api.record.point_queue import PointQueue
from alphapulse_api.record.point_recorder import PointRecorder
from alphapulse_api.record.portfolio_schemas import PortfolioSchemas
from alphapulse_api.record.publishing import Publisher
from alphapulse_api.record.recorder import Resources
from alphapulse_api.record.relay import Relay
from alphapulse_api.record.sample_recorder import SampleRecorder
from alphapulse_api.record.signal_recorder import SignalRecorder
from alphapulse_api.record.stats import FeedCounters, FeedStats
from alphapulse_api.record.trade_recorder import TradeRecorder
from alphapulse_api.record.usage_recorder import UsageRecorder
from alphapulse_api.runtime.pickling import Unpicklable
from alphapulse_api.runtime.slices import Slices
from alphapulse_api.schemas.agents import AgentRequest
from alphapulse_api.schemas.alerts import AlertRequest
from alphapulse_api.schemas.books import BookRequest
from alphapulse_api.schemas.loading import load, loading
from alphapulse_api.schemas.system import SystemSampleRequest
from alphapulse_api.storage.accessors import Accessors

__all__ = ["MAX_BATCH", "Feed"]


class Feed(AlertFeed, ImportFeed, CommandFeed, Unpicklable):
    """Stores and publishes records.

    A record is a mapping with the fields of the API, or an object that has them (dataclass, named
    tuple, attrs, pydantic). A list of records is any iterable, or a DataFrame with a record a row.
    Values may be numpy's, pandas' and enums, as `domain.plain` says; None and NaN leave an optional
    field out. With `extras="metadata"`, fields that the API does not know go into the metadata.

    Every method raises `ValidationProblem` for a record that is not valid (nothing is stored
    then), `Conflict` for an id that exists with other content, `Unavailable` while the
    database is away, and `DashboardClosed` once the dashboard is closed. A call that began before
    the close completes.

    Args:
        accessors: where records are stored.
        relay: to the log that publishes them.
        ahead: seconds by which a record's time may be ahead of this clock.
        slices: divides long checks on the loop.
        zone: the zone of datetimes that have none; None refuses them.
        books: the books that records may be in; a record that names none is put into the home book.
        reads: whether this process reads the event log.

    Example:
        >>> trade = {"symbol": "BTC/USD", "side": "buy", "quantity": "0.5", "price": "67123.50"}
        >>> stored = await dashboard.feed.record_trade(trade)
    """

    def __init__(
        self,
        accessors: Accessors,
        relay: Relay,
        ahead: float = CLOCK_AHEAD,
        slices: Slices | None = None,
        zone: tzinfo | None = None,
        books: Books = ALL,
        *,
        reads: bool = True,
    ) -> None:
        self._books = books
        self._slices = slices or Slices()
        self._accessors = accessors
        self._publisher = Publisher(accessors, relay)
        self._wakes = CommandWakes(relay.events, reads=reads)
        self._noted = {}
        resources = Resources(accessors, self._publisher, self._slices, ahead, zone)
        self._points = PointRecorder(resources)
        self._trades = TradeRecorder(resources)
        self._equity = EquityRecorder(resources)
        self._alerts = AlertRecorder(resources)
        self._signals = SignalRecorder(resources)
        self._decisions = DecisionRecorder(resources)
        self._usage = UsageRecorder(resources)
        self._samples = SampleRecorder(resources)
        self._alert = resources.clocked(AlertRequest())
        self._portfolios = PortfolioSchemas(resources.clocked)
        self._write_backs = WriteBacks()
        self._portfolio_order = asyncio.Lock()
        self._agent = AgentRequest()
        self._book = BookRequest()
        self._sample = resources.clocked(SystemSampleRequest())
        self._calls = Calls()
        self._counters = FeedCounters()
        self.queue = PointQueue(self._points.record_valid, FeedCounters())

    def of_host(self) -> Feed:
        """A feed on the same store, for the host.

        It closes before the feed of the HTTP requests, and counts its calls together with the
        points that are handed over.
        """
        feed = Feed.__new__(Feed)
        vars(feed).update(vars(self))
        feed._calls = Calls()
        feed._counters = self.queue.counters
        return feed

    def within(self, books: Books) -> Feed:
        """The same feed for a caller who may use some books only."""
        feed = Feed.__new__(Feed)
        vars(feed).update(vars(self))
        feed._books = books
        feed._points = self._points.within(books)
        return feed

    def open(self) -> None:
        """Accept calls, even after `close`."""
        self._calls.open()
        self.queue.open()

    def refuse(self, error: type[RuntimeError]) -> None:
        """Raise an `error` for every later call."""
        self._calls.refuse(error)

    async def close(self) -> None:
        """Accept no more calls, wait for those in progress, and store the points handed over."""
        self._calls.refuse(DashboardClosed)
        self._wakes.wake_all()
        await self._calls.close()
        await self.queue.close()

    def stats(self) -> FeedStats:
        """Counts of the host's records, and why the last ones were refused; from any thread."""
        return self._counters.stats(state="closed" if self._calls.closed else "running")

    @to_its_end
    async def open_book(
        self,
        book: str,
        *,
        mode: str | None = None,
        currency: str | None = None,
        title: str | None = None,
        closed: bool | None = None,
        precondition: Precondition | None = None,
    ) -> dict[str, Any]:
        """Open a book, or change one; what is left out keeps its value; returns the book.

        Args:
            book: its id: lower-case letters, digits, - and _.
            mode: live, paper or backtest; required for a new book, and fixed by its first record.
            currency: of its portfolio; fixed by the first update of that.
            title: for people.
            closed: True: it takes late facts and corrections, and nothing new. False opens it
                again.
            precondition: what the book has to be before.

        Raises:
            Conflict: if records have fixed another mode or currency.
            NotFound: if the caller may not use the book.
            Problem: 412, if `precondition` does not hold.
        """
        update = {"mode": mode, "currency": currency, "title": title, "closed": closed}
        return await self._set_book(book, update, precondition, HOST)

    @to_its_end
    async def put_book(
        self,
        book: str,
        update: Record,
        *,
        precondition: Precondition | None = None,
        actor: Actor = HOST,
    ) -> dict[str, Any]:
        """`open_book` with the fields of the book in a record."""
        return await self._set_book(book, update, precondition, actor)

    @one_record
    async def update_portfolio(
        self,
        portfolio: Record,
        *,
        precondition: Precondition | None = None,
        elsewhere: bool = False,
    ) -> dict[str, Any]:
        """Store a snapshot of the portfolio and publish it; returns it.

        Computed values that only repeat those of the portfolio as it was read are computed again.

        Args:
            portfolio: the snapshot.
            precondition: what the current portfolio has to be before.
            elsewhere: whether the sender may have read the portfolio from another process.

        Raises:
            Problem: 412, if the current portfolio does not match `precondition`.
        """
        # Calls reach the store in their order, although what precedes it may have to wait.
        async with self._portfolio_order:
            record: dict[str, Any] = await self._slices.run(
                loading(self._portfolios.of(portfolio), portfolio)
            )
            self._books.place(record)
            await self._accessors.directory.check(record["book"])
            if record.get("currency") is None:
                currency = await self._accessors.directory.currency(record["book"])
                record["currency"] = currency or "USD"
            basis = await self._accessors.portfolio.basis(
                record["book"], record.get("as_of"), remembered=not elsewhere
            )
            valued = valuing(record, self._write_backs, basis)
            server_set = set_time(record, "as_of")
            record["positions"] = await self._slices.run(valued)
            work = asyncio.create_task(
                self._accessors.portfolio.set_portfolio(
                    record, server_set=server_set, precondition=precondition
                )
            )
        stored, revision = await self._publisher.stored(
            work, lambda: tags_of("portfolio", (record,))
        )
        # A late snapshot belongs to the history: no event.
        await self._publisher.published("portfolio", [] if revision is None else [stored])
        return stored

    @one_record
    async def record_signal(
        self, agent_id: str, signal: Record, *, extras: Extras = "refuse"
    ) -> dict[str, Any]:
        """Store an agent's signal; returns it as stored."""
        agent_id = checked_agent_id(agent_id)
        return await self._signals.record(agent_id, signal, self._books, extras)

    @one_record
    async def update_agent(
        self, agent_id: str, update: Record, *, precondition: Precondition | None = None
    ) -> dict[str, Any]:
        """Store an agent's state; fields that are left out keep their values; returns the agent.

        Raises:
            Problem: 412, if the agent does not match `precondition`.
        """
        self._check_unlimited()
        agent_id = checked_agent_id(agent_id)
        record = load(self._agent, update)
        work = self._accessors.agents.set_agent(agent_id, record, precondition=precondition)
        stored = await self._publisher.stored(
            work, lambda: tags_of("agents", ({"agent_id": agent_id},))
        )
        await self._publisher.published("agents")
        return stored

    @one_record
    async def report_system(self, sample: Record) -> dict[str, Any]:
        """Store a sample of a component's state; returns the sample."""
        self._check_unlimited()
        record = load(self._sample, sample)
        record.setdefault("timestamp", now())
        work = self._accessors.system.add_sample(record)
        stored, new = await self._publisher.stored(work, lambda: ("system",))
        await self._publisher.published("system")
        return Stored(stored, new)

    async def _set_book(
        self, book: str, update: Record, precondition: Precondition | None, actor: Actor
    ) -> dict[str, Any]:
        book = self._books.checked(checked_book(book))
        fields = load(self._book, update)
        given = {name: value for name, value in fields.items() if value is not None}
        work = self._accessors.books.set_book(book, given, precondition=precondition, actor=actor)
        stored = await self._publisher.stored(work, lambda: ("books", "portfolio"))
        await self._publisher.published("books")
        return stored
