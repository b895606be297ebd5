"""Writes two simulated years before the first live day, so that the first screen is not empty.

The process may crash in the middle. So the start of the opening and the interval between its days
are stored first, and the markers of its days last. Until the markers are stored, a restart writes
the opening again with the same times, ids and content, which does not change stored records.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any, Final

from alphapulse_api.demo.paper import PAPER
from alphapulse_api.demo.publisher import (
    Marker,
    Publisher,
    ReplayFeed,
    dated_decisions,
    marker_point,
)
from alphapulse_api.demo.records import Record
from alphapulse_api.demo.simulation import Simulation, TradingDay

__all__ = ["OPENING_DAYS", "OPENING_NAME", "Opening", "newest_opening", "write_opening"]

OPENING_DAYS: Final = 504  # two years of 252 trading days
OPENING_NAME: Final = "replay_opening"
LONGEST: Final = timedelta(hours=1)  # the longest time that the opening reaches back
BATCH: Final = 10_000  # records per call
AT_ONCE: Final = 60  # concurrent calls
POINT: Final = ("total_value", "cash")  # of an equity curve, beside its time


@dataclass(frozen=True, slots=True)
class Opening:
    """When its first day was published, and the seconds between its days."""

    first: datetime
    spacing: float


def newest_opening(rows: Iterable[Mapping[str, Any]]) -> Opening | None:
    """Return the opening that the points of ``system/replay_opening`` describe, if they do."""
    openings = [Opening(row["timestamp"], row["value"]) for row in rows]
    return max(openings, key=lambda opening: opening.first, default=None)


async def write_opening(
    publisher: Publisher,
    simulation: Simulation,
    count: int,
    period: float,
    begun: Opening | None = None,
) -> Marker:
    """Store the simulation's next days as if they had been published up to now.

    Args:
        publisher: stores the days.
        simulation: a simulation that has not started.
        count: days to write.
        period: seconds between the live days that follow.
        begun: an opening that an earlier process may not have finished.

    Returns:
        The marker of the last day.
    """
    feed = publisher.feed
    if begun is None:
        spacing = min(period, LONGEST.total_seconds() / count)
        begun = Opening(datetime.now(UTC) - timedelta(seconds=spacing * count), spacing)
    days = await asyncio.to_thread(lambda: list(islice(simulation, count)))
    times = [begun.first + timedelta(seconds=begun.spacing * n) for n in range(count)]
    dated = list(zip(days, times, strict=True))
    marker = {**marker_point(0, begun.first), "name": OPENING_NAME, "value": begun.spacing}
    await feed.record_metrics([marker])
    points = [{**point, "timestamp": at} for day, at in dated for point in day.metrics]
    for some in _batches(points):
        await feed.record_metrics(some)
    decisions = [decision for day, at in dated for decision in dated_decisions(day, at)]
    for some in _batches(decisions):
        await feed.import_decisions(some)
    trades = [
        {**trade, "executed_at": at}
        for day, at in dated
        for trade in (*day.trades, *day.paper.trades)
    ]
    for some in _batches(trades):
        await feed.record_trades(some)
    accounts, papers = zip(*(publisher.portfolios(day, at) for day, at in dated), strict=True)
    curve = [{"timestamp": p["as_of"], **{name: p[name] for name in POINT}} for p in papers[:-1]]
    for some in _batches(curve):
        await feed.import_equity(some, book=PAPER)
    await feed.update_portfolio(papers[-1])
    calls = zip(accounts, dated, strict=True)
    await _all(chain.from_iterable(_calls(feed, account, *day) for account, day in calls))
    await _all(feed.update_agent(name, agent) for name, agent in days[-1].agents.items())
    await _all(feed.resolve_alert(alert) for day in days for alert in day.cleared)
    markers = [marker_point(day.number, at) for day, at in dated]
    await feed.record_metrics(markers)
    return Marker(days[-1].number, times[-1])


def _calls(
    feed: ReplayFeed, account: Record, day: TradingDay, at: datetime
) -> Iterable[Coroutine[Any, Any, Any]]:
    yield feed.update_portfolio(account)
    for alert in day.alerts:
        yield feed.raise_alert({**alert, "created_at": at})
    for sample in day.system:
        yield feed.report_system({**sample, "timestamp": at})


def _batches(records: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (records[start : start + BATCH] for start in range(0, len(records), BATCH))


async def _all(calls: Iterable[Coroutine[Any, Any, Any]]) -> None:
    """Run AT_ONCE calls at a time, so that they share transactions."""
    waiting = iter(calls)
    while some := list(islice(waiting, AT_ONCE)):
        await asyncio.gather(*some)
