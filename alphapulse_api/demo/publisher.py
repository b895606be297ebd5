"""Publishes days of the simulation through a feed, and adds the times."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from alphapulse_api.demo.records import Record
from alphapulse_api.demo.simulation import Place, TradingDay

__all__ = [
    "MARKER_NAME",
    "MARKER_TYPE",
    "REPLAY",
    "Marker",
    "Publisher",
    "ReplayFeed",
    "dated_decisions",
    "marker_point",
    "newest_marker",
]

MARKER_TYPE: Final = "system"
MARKER_NAME: Final = "replay_day"
REPLAY: Final = "replay"  # the component whose message names the day of history


class ReplayFeed(Protocol):
    """The part of `alphapulse_api.record.feed.Feed` that the demo uses."""

    async def record_metrics(self, points: Sequence[Mapping[str, Any]], /) -> Any: ...
    async def record_trade(self, trade: Mapping[str, Any], /) -> Any: ...
    async def record_trades(self, trades: Sequence[Mapping[str, Any]], /) -> Any: ...
    async def raise_alert(self, alert: Mapping[str, Any], /) -> Any: ...
    async def resolve_alert(self, alert_id: str, /) -> Any: ...
    async def update_portfolio(self, portfolio: Mapping[str, Any], /) -> Any: ...
    async def record_decision(self, decision: Mapping[str, Any], /) -> Any: ...
    async def import_decisions(self, decisions: Sequence[Mapping[str, Any]], /) -> Any: ...
    async def import_equity(self, points: Sequence[Mapping[str, Any]], /, *, book: str) -> Any: ...
    async def open_book(self, book: str, /, *, mode: str, currency: str, title: str) -> Any: ...
    async def update_agent(self, agent_id: str, agent: Mapping[str, Any], /) -> Any: ...
    async def report_system(self, sample: Mapping[str, Any], /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Marker:
    """The start of publishing a day. Days are counted over all passes; times are UTC."""

    day: int
    timestamp: datetime


def newest_marker(rows: Iterable[Mapping[str, Any]]) -> Marker | None:
    """Return the marker in the newest points of ``system/replay_day``, or None before the first."""
    markers = [Marker(int(row["value"]), row["timestamp"]) for row in rows]
    return max(markers, key=lambda marker: marker.timestamp, default=None)


class Publisher:
    """Stores days.

    Args:
        feed: the feed to publish to.
        published: the publishing times of the days on which positions were opened.
    """

    __slots__ = ("feed", "published")

    def __init__(self, feed: ReplayFeed, published: dict[int, datetime]) -> None:
        self.feed = feed
        self.published = published

    async def publish(self, day: TradingDay, at: datetime) -> None:
        """Store the marker, then all records of the day; return when they are durable."""
        await self.feed.record_metrics([marker_point(day.number, at)])
        await asyncio.gather(*self._writes(day, at))
        for alert_id in day.cleared:
            await self.feed.resolve_alert(alert_id)

    def _writes(self, day: TradingDay, at: datetime) -> Iterator[Coroutine[Any, Any, Any]]:
        feed = self.feed
        yield feed.record_metrics([{**point, "timestamp": at} for point in day.metrics])
        for portfolio in self.portfolios(day, at):
            yield feed.update_portfolio(portfolio)
        for trade in (*day.trades, *day.paper.trades):
            yield feed.record_trade({**trade, "executed_at": at})
        for alert in day.alerts:
            yield feed.raise_alert({**alert, "created_at": at})
        for agent_id, agent in day.agents.items():
            yield feed.update_agent(agent_id, agent)
        for decision in dated_decisions(day, at):
            yield feed.record_decision(decision)
        for sample in day.system:
            yield feed.report_system({**sample, "timestamp": at})

    async def report_lag(self, lag: float, period: float, place: Place) -> None:
        """Report the day of history, and how late the last day began."""
        await self.feed.report_system(
            {
                "component": REPLAY,
                "status": "healthy" if lag < period else "warning",
                "message": str(place),
                "timestamp": datetime.now(UTC),
                "metrics": {"lag_seconds": lag},
            }
        )

    def portfolios(self, day: TradingDay, at: datetime) -> list[Record]:
        """The day's portfolios with their times; keeps the times that later days need."""
        self.published[day.number] = at
        records = day.portfolio, day.paper.portfolio
        opened = {p["opened_on_day"] for record in records for p in record["positions"]}
        for number in [n for n in self.published if n < day.number and n not in opened]:
            del self.published[number]
        return [self._dated(record, at) for record in records]

    def _dated(self, portfolio: Record, at: datetime) -> Record:
        positions = [
            {
                **{name: value for name, value in position.items() if name != "opened_on_day"},
                # Unknown for days that an earlier process published after its last checkpoint.
                "opened_at": self.published.get(position["opened_on_day"]),
            }
            for position in portfolio["positions"]
        ]
        return {**portfolio, "positions": positions, "as_of": at}


def dated_decisions(day: TradingDay, at: datetime) -> Iterator[Record]:
    """The day's decisions of both books, and their signals, with their time."""
    for decision in (*day.decisions, *day.paper.decisions):
        signals = [{**signal, "timestamp": at} for signal in decision["signals"]]
        yield {**decision, "made_at": at, "signals": signals}


def marker_point(day: int, at: datetime) -> Record:
    return {
        "metric_type": MARKER_TYPE,
        "name": MARKER_NAME,
        "timestamp": at,
        "value": day,
        "labels": {},
    }
