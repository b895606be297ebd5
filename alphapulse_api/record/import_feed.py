"""The methods of a feed that import history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable
from typing import Any

from alphapulse_api.domain.books import Books
from alphapulse_api.domain.channels import LOGGED
from alphapulse_api.record.calls import to_its_end
from alphapulse_api.record.decision_feed import DecisionFeed
from alphapulse_api.record.equity_recorder import EquityRecorder
from alphapulse_api.record.importing import Imported, import_calls
from alphapulse_api.record.inputs import Extras, Records, checked_agent_id
from alphapulse_api.record.publishing import Publisher


class ImportFeed(DecisionFeed):
    """Imports history; see `Feed`."""

    _books: Books
    _equity: EquityRecorder
    _publisher: Publisher

    async def import_history(
        self,
        *,
        equity: Any = None,
        trades: Records | None = None,
        book: str | None = None,
        currency: str | None = None,
        extras: Extras = "refuse",
    ) -> Imported:
        """Store the history of a backtest or of a previous system, of any length.

        It is stored in batches of 1000, each as a whole. Importing the same history again changes
        nothing, so call it again after a failure. Subscribers get no event for each record. They
        get one `resync` of the trades and of the portfolio, and before it the newest point of the
        equity curve as the portfolio, if there is no newer one.

        Args:
            equity: the portfolio's value over time, oldest first: (time, value) pairs, a mapping
                or `pandas.Series` of values by time, or records and frames with `timestamp` (or
                a `DatetimeIndex`), `total_value` and, if known, `cash`. Points without a value,
                and points at times that have a snapshot, are left out.
            trades: as `record_trades` takes them, with their `executed_at`. A trade without an `id`
                gets one made of its content.
            book: that the history belongs to; default: the home book, or what a trade names.
            currency: of the equity curve; default: that of the book, else USD.
            extras: what to do with unknown fields of trades.

        Returns:
            How many points and trades are new.

        Raises:
            ValidationProblem, Conflict: as for single records; pointers count from the beginning,
                such as "/trades/12345/price". The batches before that one are stored.
        """
        new = Counter[str]()
        for call in import_calls(equity, trades, book=book, currency=currency, extras=extras):
            with call.located():
                new[call.method] += await getattr(self, call.method)(call.records, **call.options)
        return Imported(new["import_equity"], new["import_trades"])

    @to_its_end
    async def import_equity(
        self,
        points: Records,
        *,
        book: str | None = None,
        currency: str | None = None,
        last: bool = False,
    ) -> int:
        """Store one batch of an equity curve; see `import_history`.

        Args:
            points: records, oldest first.
            book: of the portfolio; default: the home book.
            currency: of the values; default: that of the book, else USD.
            last: whether it is the last batch, whose newest point may be the current portfolio.

        Returns:
            How many points are new.
        """

        place = self._books.checked(book or self._books.home)

        def work(given: list[Any]) -> Awaitable[int]:
            return self._equity.record_equity(given, place, currency, last)

        return await self._counted("import_equity", points, work)

    @to_its_end
    async def import_trades(
        self,
        trades: Records,
        *,
        book: str | None = None,
        extras: Extras = "refuse",
        last: bool = False,
    ) -> int:
        """Store one batch of past trades; see `import_history`.

        Args:
            trades: the records.
            book: the only book that they may be in; default: any, and the home book for those that
                name none.
            extras: what becomes of unknown fields.
            last: whether it is the last batch, after which subscribers get a `resync`.

        Returns:
            How many trades are new.
        """
        books = self._books if book is None else self._books.narrowed(book)

        def work(given: list[Any]) -> Awaitable[int]:
            return self._trades.record_past(given, books, extras, last)

        return await self._counted("import_trades", trades, work)

    @to_its_end
    async def import_metrics(self, points: Records, *, last: bool = False) -> int:
        """Store one batch of past points, each with its `timestamp`; see `import_history`.

        Args:
            points: the records.
            last: as `import_trades` takes it.

        Returns:
            How many points are new; a point that exists already is overwritten.
        """

        def work(given: list[Any]) -> Awaitable[int]:
            return self._points.record_past(given, last)

        return await self._counted("import_metrics", points, work)

    @to_its_end
    async def import_alerts(
        self, alerts: Records, *, extras: Extras = "refuse", last: bool = False
    ) -> int:
        """Store one batch of past alerts, each with its `created_at`; see `import_history`.

        Args:
            alerts: the records, with `status`, `acknowledged_by`, `acknowledged_at`, `comments` and
                `resolved_at` as they were left.
            extras: what becomes of unknown fields.
            last: as `import_trades` takes it.

        Returns:
            How many alerts are new.
        """

        def work(given: list[Any]) -> Awaitable[int]:
            return self._alerts.record_past(given, self._books, extras, last)

        return await self._counted("import_alerts", alerts, work)

    @to_its_end
    async def import_signals(
        self, agent_id: str, signals: Records, *, extras: Extras = "refuse", last: bool = False
    ) -> int:
        """Store one batch of an agent's past signals, each with its `timestamp`.

        Args:
            agent_id: of the agent.
            signals: the records.
            extras: what becomes of unknown fields.
            last: as `import_trades` takes it.

        Returns:
            How many signals are new.
        """
        owner = {"agent_id": checked_agent_id(agent_id)}

        def work(given: list[Any]) -> Awaitable[int]:
            return self._signals.record_past(given, self._books, extras, last, owner)

        return await self._counted("import_signals", signals, work)

    @to_its_end
    async def import_system(self, samples: Records, *, last: bool = False) -> int:
        """Store one batch of past system samples, each with its `timestamp`.

        Args:
            samples: the records.
            last: as `import_trades` takes it.

        Returns:
            How many samples are new; a sample that exists already is replaced.
        """

        self._check_unlimited()

        def work(given: list[Any]) -> Awaitable[int]:
            return self._samples.record_past(given, self._books, "refuse", last)

        return await self._counted("import_system", samples, work)

    @to_its_end
    async def end_import(self, resource: str) -> None:
        """Make the subscribers of a channel read it again, after an import that ended early."""
        if resource in LOGGED:
            await self._publisher.resync(resource)
