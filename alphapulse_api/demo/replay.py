"""The loop that feeds the simulation's days to a dashboard, each exactly once.

Before anything else of a day, its number is stored as the metric ``system/replay_day``: a marker.
After a crash, the day of the newest marker is published again with the marker's timestamp. Whatever
of it was stored before has the same id and the same content, so it changes nothing.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from alphapulse_api.demo.prices import load_prices
from alphapulse_api.demo.records import Record
from alphapulse_api.demo.simulation import Simulation, TradingDay

__all__ = ["MARKER_NAME", "MARKER_TYPE", "Marker", "ReplayFeed", "newest_marker", "replay"]

MARKER_TYPE, MARKER_NAME = "system", "replay_day"
TICK = timedelta(microseconds=1)


class ReplayFeed(Protocol):
    """The part of `alphapulse_api.feed.Feed` that the demo uses."""

    async def record_metrics(self, points: Sequence[Mapping[str, Any]], /) -> Any: ...
    async def record_trade(self, trade: Mapping[str, Any], /) -> Any: ...
    async def raise_alert(self, alert: Mapping[str, Any], /) -> Any: ...
    async def resolve_alert(self, alert_id: str, /) -> Any: ...
    async def update_portfolio(self, portfolio: Mapping[str, Any], /) -> Any: ...
    async def record_signal(self, agent_id: str, signal: Mapping[str, Any], /) -> Any: ...
    async def update_agent(self, agent_id: str, agent: Mapping[str, Any], /) -> Any: ...
    async def report_system(self, sample: Mapping[str, Any], /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Marker:
    """That the publishing of a day began: days count on over the cycles, times are UTC."""

    day: int
    timestamp: datetime


def newest_marker(rows: Iterable[Mapping[str, Any]]) -> Marker | None:
    """Return the marker in the newest points of ``system/replay_day``, or None before the first."""
    markers = [Marker(int(row["value"]), row["timestamp"]) for row in rows]
    return max(markers, key=lambda marker: marker.timestamp, default=None)


async def replay(
    feed: ReplayFeed,
    *,
    speed: float = 2.0,
    start: Marker | None = None,
    on_day: Callable[[TradingDay], None] | None = None,
    days: int | None = None,
) -> None:
    """Publish trading days at the present time, over and over, until cancelled.

    Args:
        feed: where to.
        speed: trading days a second.
        start: the newest marker of an earlier replay into the same database. Its day is published
            again, and the replay goes on from there.
        on_day: called with every day once all of it is stored.
        days: stop after so many days.
    """
    simulation = Simulation(load_prices())
    number = start.day if start else 0
    last = number + days if days is not None else None
    timestamp = start.timestamp if start else datetime.fromtimestamp(0, UTC)
    trading_days = iter(simulation)
    await asyncio.to_thread(_skip, trading_days, number % len(simulation))
    pace = _Pace(1 / speed)
    while True:
        publisher = _Publisher(feed, number // len(simulation))
        for day in trading_days:
            if number == last:
                return
            lag = await pace.wait()
            if start is None or number > start.day:
                # A clock that was set back must not give two days one time.
                timestamp = max(datetime.now(UTC), timestamp + TICK)
            await publisher.publish(day, Marker(number, timestamp))
            await publisher.report_lag(lag, pace.period)
            if on_day:
                on_day(day)
            number += 1
        trading_days = iter(simulation)


def _skip(trading_days: Iterator[TradingDay], count: int) -> None:
    for _ in islice(trading_days, count):
        pass


class _Pace:
    """Lets one day begin every `period` seconds, on the loop's clock, without adding up delays."""

    __slots__ = ("_due", "period")

    def __init__(self, period: float) -> None:
        self.period = period
        self._due = asyncio.get_running_loop().time()

    async def wait(self) -> float:
        """Wait for the next day's time; return how many seconds late it is."""
        loop = asyncio.get_running_loop()
        lag = max(0.0, loop.time() - self._due)
        await asyncio.sleep(self._due - loop.time())
        # After a long stop (a laptop asleep) there is no rush to catch up: at most one day.
        self._due = max(self._due, loop.time() - self.period) + self.period
        return lag


class _Publisher:
    """Stores the days of one cycle, with ids that no other cycle has."""

    __slots__ = ("_feed", "_prefix", "_published")

    def __init__(self, feed: ReplayFeed, cycle: int) -> None:
        self._feed = feed
        self._prefix = f"demo-{cycle}-"
        self._published: dict[int, datetime] = {}

    async def publish(self, day: TradingDay, marker: Marker) -> None:
        """Store the marker, then everything of the day; return when all of it is durable."""
        feed, at = self._feed, marker.timestamp
        self._published[day.number] = at
        await feed.record_metrics(
            [
                {
                    "metric_type": MARKER_TYPE,
                    "name": MARKER_NAME,
                    "timestamp": at,
                    "value": marker.day,
                    "labels": {},
                }
            ]
        )
        await asyncio.gather(*self._writes(day, at))
        for alert_id in day.cleared:
            await feed.resolve_alert(self._prefix + alert_id)

    def _writes(self, day: TradingDay, at: datetime) -> Iterator[Coroutine[Any, Any, Any]]:
        feed = self._feed
        yield feed.record_metrics([{**point, "timestamp": at} for point in day.metrics])
        yield feed.update_portfolio({**self._with_times(day.portfolio), "as_of": at})
        for trade in day.trades:
            yield feed.record_trade({**self._with_ids(trade), "executed_at": at})
        for alert in day.alerts:
            yield feed.raise_alert({**self._with_ids(alert), "created_at": at})
        for agent_id, agent in day.agents.items():
            yield feed.update_agent(agent_id, agent)
        for signal in day.signals:
            yield feed.record_signal(
                signal["agent_id"], {**self._with_ids(signal), "timestamp": at}
            )
        for sample in day.system:
            yield feed.report_system({**sample, "timestamp": at})

    async def report_lag(self, lag: float, period: float) -> None:
        """Report how late the last day began, a measurement of the running process."""
        await self._feed.report_system(
            {
                "component": "replay",
                "status": "healthy" if lag < period else "warning",
                "timestamp": datetime.now(UTC),
                "metrics": {"lag_seconds": lag},
            }
        )

    def _with_ids(self, record: Record) -> Record:
        own: Record = {
            name: self._prefix + record[name] for name in ("id", "order_id") if name in record
        }
        return {**record, **own}

    def _with_times(self, portfolio: Record) -> Record:
        positions = [
            {
                **{name: value for name, value in position.items() if name != "opened_on_day"},
                # Not known of days that an earlier process published.
                "opened_at": self._published.get(position["opened_on_day"]),
            }
            for position in portfolio["positions"]
        ]
        return {**portfolio, "positions": positions}
