"""The methods of a feed that take lists of records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from alphapulse_api.domain.books import Books
from alphapulse_api.domain.errors import FORBIDDEN, Problem
from alphapulse_api.domain.host_objects import fields_of
from alphapulse_api.domain.points import Points
from alphapulse_api.record.alert_recorder import AlertRecorder
from alphapulse_api.record.calls import Calls, to_its_end
from alphapulse_api.record.counting import counting, one_record
from alphapulse_api.record.inputs import Extras, Record, Records, checked_agent_id, listing
from alphapulse_api.record.point_queue import PointQueue
from alphapulse_api.record.point_recorder import PointRecorder
from alphapulse_api.record.sample_recorder import SampleRecorder
from alphapulse_api.record.signal_recorder import SignalRecorder
from alphapulse_api.record.stats import FeedCounters
from alphapulse_api.record.trade_recorder import TradeRecorder
from alphapulse_api.runtime.slices import Slices
from alphapulse_api.schemas.batches import STOP

T = TypeVar("T")


class ListFeed:
    """Records points, trades and lists of other records; see `Feed`.

    Attributes:
        queue: of the points that are handed over.
    """

    queue: PointQueue
    _books: Books
    _calls: Calls
    _counters: FeedCounters
    _slices: Slices
    _points: PointRecorder
    _trades: TradeRecorder
    _alerts: AlertRecorder
    _signals: SignalRecorder
    _samples: SampleRecorder

    @property
    def calls(self) -> Calls:
        """The calls that are in progress."""
        return self._calls

    @property
    def counters(self) -> FeedCounters:
        """The counts of the records."""
        return self._counters

    async def record_metrics(self, points: Record | Records, *, wait: bool = True) -> int:
        """Store one point or up to 10000, and publish them.

        Args:
            points: a point, or a list of them.
            wait: False hands them over, as `hand_over` does, and returns at once.

        Returns:
            How many were stored, or handed over.
        """
        return await self._record_metrics(points) if wait else self.hand_over(points)

    def hand_over(self, points: Record | Records) -> int:
        """Queue points to be stored soon; takes microseconds, from any thread.

        They are lost if the process is killed first. An invalid point is refused alone; once
        100000 wait, further points are dropped. `stats` counts both and gives the reasons.

        Returns:
            How many were queued: all or none.
        """
        self._calls.check()
        return self.queue.put(points)

    @to_its_end
    async def _record_metrics(self, points: Record | Records) -> int:
        if type(points) is dict or fields_of(points) is not None:
            work = self._points.record(points)
            return await counting(self._counters, "record_metrics", 1, work)
        return await self._counted("record_metrics", points, self._points.record_all)

    @to_its_end
    async def record_points(self, points: Points) -> int:
        """Store up to 10000 checked points in columns; returns how many."""
        work = self._points.store(points)
        return await counting(self._counters, "record_points", len(points), work)

    @to_its_end
    async def record_metrics_batch(
        self, points: Records, *, on_error: str = STOP
    ) -> dict[str, Any]:
        """Store up to 10000 points and report on each, as `record_trades_batch` does."""

        def work(given: list[Any]) -> Awaitable[dict[str, Any]]:
            return self._points.record_batch(given, on_error)

        return await self._counted("record_metrics_batch", points, work, on_error)

    def _check_unlimited(self) -> None:
        """Check that the sender may write what belongs to no book.

        Raises:
            Problem: 403 if it is limited to books.
        """
        if self._books.ids is not None:
            raise Problem(
                FORBIDDEN,
                "Agents and samples of the system belong to no book, and the caller is limited to "
                "some.",
            )

    @one_record
    async def record_trade(self, trade: Record, *, extras: Extras = "refuse") -> dict[str, Any]:
        """Store one trade and publish it; returns it as stored."""
        return await self._trades.record_one(trade, self._books, extras)

    @to_its_end
    async def record_trades(
        self, trades: Records, *, extras: Extras = "refuse"
    ) -> list[dict[str, Any]]:
        """Store up to 10000 trades, all or none; returns them as stored."""

        def work(given: list[Any]) -> Awaitable[list[dict[str, Any]]]:
            return self._trades.record_all(given, self._books, extras)

        return await self._counted("record_trades", trades, work)

    @to_its_end
    async def record_trades_batch(
        self, trades: Records, *, on_error: str = STOP, extras: Extras = "refuse"
    ) -> dict[str, Any]:
        """Store up to 10000 trades and report on each.

        Args:
            trades: the records.
            on_error: "stop" stores all of them or none; "continue" leaves out those that are not
                valid, or whose id exists with other content.
            extras: what to do with unknown fields.

        Returns:
            The numbers of `accepted` and `refused` records, and `results`: for each record, by
            position, its `status` (201 stored, 200 stored before, 409, 422), and `id` or `error`.
        """

        def work(given: list[Any]) -> Awaitable[dict[str, Any]]:
            return self._trades.record_batch(given, self._books, on_error, extras)

        return await self._counted("record_trades_batch", trades, work, on_error)

    @to_its_end
    async def raise_alerts_batch(
        self, alerts: Records, *, on_error: str = STOP, extras: Extras = "refuse"
    ) -> dict[str, Any]:
        """Store up to 10000 alerts and report on each, as `record_trades_batch` does."""

        def work(given: list[Any]) -> Awaitable[dict[str, Any]]:
            return self._alerts.record_batch(given, self._books, on_error, extras)

        return await self._counted("raise_alerts_batch", alerts, work, on_error)

    @to_its_end
    async def record_signals_batch(
        self, agent_id: str, signals: Records, *, on_error: str = STOP, extras: Extras = "refuse"
    ) -> dict[str, Any]:
        """Store up to 10000 signals of an agent and report on each, as `record_trades_batch`."""
        owner = {"agent_id": checked_agent_id(agent_id)}

        def work(given: list[Any]) -> Awaitable[dict[str, Any]]:
            return self._signals.record_batch(given, self._books, on_error, extras, owner)

        return await self._counted("record_signals_batch", signals, work, on_error)

    @to_its_end
    async def report_system_batch(
        self, samples: Records, *, on_error: str = STOP
    ) -> dict[str, Any]:
        """Store up to 10000 system samples and report on each, as `record_trades_batch` does."""

        self._check_unlimited()

        def work(given: list[Any]) -> Awaitable[dict[str, Any]]:
            return self._samples.record_batch(given, self._books, on_error)

        return await self._counted("report_system_batch", samples, work, on_error)

    async def _counted(
        self,
        method: str,
        records: Records,
        work: Callable[[list[Any]], Awaitable[T]],
        on_error: str = STOP,
    ) -> T:
        """The result of a call with a list; its records are counted.

        Raises:
            ValidationProblem: if it is not a list, or too long; then nothing is counted.
        """
        given = await self._slices.run(listing(records, on_error))
        return await counting(self._counters, method, len(given), work(given))
