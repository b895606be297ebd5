"""The loop that feeds the simulation's days to a dashboard, each exactly once.

The number of a day is stored before its records, as the metric ``system/replay_day``: a marker.
After a crash, the day of the newest marker is published again with the marker's timestamp. Records
that are already stored have the same id and content, so they do not change. The days before the
first live day are written together (`alphapulse_api.demo.opening`).
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from alphapulse_api.demo.checkpoint import EVERY, Checkpoint
from alphapulse_api.demo.opening import Opening, write_opening
from alphapulse_api.demo.paper import PAPER, PAPER_TITLE
from alphapulse_api.demo.prices import load_prices
from alphapulse_api.demo.publisher import Marker, Publisher, ReplayFeed
from alphapulse_api.demo.simulation import Place, Simulation, TradingDay

__all__ = ["replay"]

TICK = timedelta(microseconds=1)


async def replay(
    feed: ReplayFeed,
    *,
    speed: float = 2.0,
    start: Marker | None = None,
    checkpoint: Checkpoint | None = None,
    opening: int = 0,
    begun: Opening | None = None,
    on_open: Callable[[Place], None] | None = None,
    on_day: Callable[[TradingDay], None] | None = None,
    days: int | None = None,
    trading: asyncio.Event | None = None,
) -> None:
    """Publish trading days at the current time, as one account.

    Args:
        feed: the feed to publish to.
        speed: trading days per second.
        start: the newest marker of an earlier replay into the same database. Its day is published
            again, unless the checkpoint says that it is stored. The replay continues from there.
        checkpoint: stores the position, and restores it.
        opening: without a `start`, this many days are written first, at times before now.
        begun: the opening of an earlier process that stored no marker.
        on_open: called with the place of the next day, once the opening is stored.
        on_day: called with every day once its records are stored.
        days: stop after this many days, not counting the opening.
        trading: no day begins while it is not set.
    """
    simulation, published = await asyncio.to_thread(_resumed, checkpoint, start)
    publisher = Publisher(feed, published)
    await feed.open_book(PAPER, mode="paper", currency="USD", title=PAPER_TITLE)
    if start is None and opening:
        start = await write_opening(publisher, simulation, opening, 1 / speed, begun)
        if checkpoint is not None:
            checkpoint.save(simulation, publisher.published)
    if on_open:
        on_open(simulation.place)
    timestamp = start.timestamp if start else datetime.fromtimestamp(0, UTC)
    pace = _Pace(1 / speed)
    left = days
    while left is None or left > 0:
        if trading is not None:
            await trading.wait()
        lag = await pace.wait()
        day = next(simulation)
        if start is None or day.number > start.day:
            # A clock that was set back must not give two days the same time.
            timestamp = max(datetime.now(UTC), timestamp + TICK)
        await publisher.publish(day, timestamp)
        await publisher.report_lag(lag, pace.period, day.place)
        if checkpoint is not None and simulation.number % EVERY == 0:
            checkpoint.save(simulation, publisher.published)
        if on_day:
            on_day(day)
        left = None if left is None else left - 1


def _resumed(
    checkpoint: Checkpoint | None, start: Marker | None
) -> tuple[Simulation, dict[int, datetime]]:
    """The simulation before the marker's day, or after it if the day is known to be stored."""
    prices = load_prices()
    simulation, published = Simulation(prices), dict[int, datetime]()
    if start is None:
        return simulation, published
    saved = checkpoint.load(prices) if checkpoint is not None else None
    if saved is not None and saved[0].number <= start.day + 1:
        simulation, published = saved
    while simulation.number < start.day:
        next(simulation)
    return simulation, published


class _Pace:
    """Starts one day every `period` seconds by the loop's clock, without accumulating delays."""

    __slots__ = ("_due", "period")

    def __init__(self, period: float) -> None:
        self.period = period
        self._due = asyncio.get_running_loop().time()

    async def wait(self) -> float:
        """Wait for the next day's time; return how many seconds late it is."""
        loop = asyncio.get_running_loop()
        lag = max(0.0, loop.time() - self._due)
        await asyncio.sleep(self._due - loop.time())
        # After a long pause (a sleeping laptop), catch up at most one day.
        self._due = max(self._due, loop.time() - self.period) + self.period
        return lag
