"""The loop that feeds the simulation's days to a dashboard, each exactly once.

Before anything else of a day, its number is stored as the metric ``system/replay_day``: a marker.
After a crash, the day of the newest marker is published again with the marker's timestamp. Whatever
of it was stored before has the same id and the same content, so it changes nothing. The days before
the first marker are written in one go (`alphapulse_api.demo.opening`).
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from alphapulse_api.demo.checkpoint import EVERY, Checkpoint
from alphapulse_api.demo.opening import Opening, write_opening
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
) -> None:
    """Publish trading days at the present time, one account for as long as it runs.

    Args:
        feed: the feed to publish to.
        speed: trading days a second.
        start: the newest marker of an earlier replay into the same database. Its day is published
            again, unless the checkpoint knows it to be stored, and the replay goes on from there.
        checkpoint: stores the position, and restores it.
        opening: without a `start`, this many days are written first, at times before now.
        begun: the opening of an earlier process that stored no marker.
        on_open: called with the place of the first day to come, once the opening is stored.
        on_day: called with every day once all of it is stored.
        days: stop after this many days, without those of the opening.
    """
    simulation, published = await asyncio.to_thread(_resumed, checkpoint, start)
    publisher = Publisher(feed, published)
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
    """The simulation before the marker's day, or behind it where that is known to be stored."""
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
        # After a long stop (a laptop asleep) at most one day is caught up.
        self._due = max(self._due, loop.time() - self.period) + self.period
        return lag
