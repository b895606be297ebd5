"""The replay: pace, times and ids, and nothing twice after a crash."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.demo.checkpoint import Checkpoint
from alphapulse_api.demo.opening import newest_opening
from alphapulse_api.demo.prices import load_prices
from alphapulse_api.demo.publisher import Marker, newest_marker
from alphapulse_api.demo.replay import replay
from alphapulse_api.demo.simulation import Simulation, TradingDay
from tests.clock import LoopClock
from tests.waiting import until

FAST = 10_000.0
HOUR = 3600.0
Record = Mapping[str, Any]


class Killed(Exception):
    """The process died here."""


class RecordingFeed:
    """Keeps what it is given as a store would: by id, or by series and time."""

    def __init__(self, writes: float = float("inf")) -> None:
        self.writes = writes
        self.stored: dict[tuple[Any, ...], Record] = {}
        self.agents: dict[str, Record] = {}

    def keep(self, *key: Any, record: Record) -> None:
        if not self.writes:
            raise Killed
        self.writes -= 1
        # A position's opening is not known of what another process published.
        content = {name: value for name, value in record.items() if name != "positions"}
        assert self.stored.setdefault(key, content) == content

    def of(self, kind: str) -> list[Record]:
        return [record for key, record in self.stored.items() if key[0] == kind]

    async def record_metrics(self, points: Sequence[Record]) -> None:
        for p in points:
            series = (p["metric_type"], p["name"], *p["labels"].items())
            self.keep("metric", *series, p["timestamp"], record=p)

    async def record_trade(self, trade: Record) -> None:
        self.keep("trade", trade["book"], trade["id"], record=trade)

    async def record_trades(self, trades: Sequence[Record]) -> None:
        for trade in trades:
            await self.record_trade(trade)

    async def raise_alert(self, alert: Record) -> None:
        self.keep("alert", alert["id"], record=alert)

    async def resolve_alert(self, alert_id: str) -> None:
        assert ("alert", alert_id) in self.stored
        self.keep("resolved", alert_id, record={})

    async def update_portfolio(self, portfolio: Record) -> None:
        self.keep("portfolio", portfolio["book"], portfolio["as_of"], record=portfolio)

    async def open_book(self, book: str, **settings: str) -> None:
        assert (book, settings["mode"]) == ("paper", "paper")

    async def record_decision(self, decision: Record) -> None:
        key = decision["book"], decision["id"]
        self.keep("decision", *key, record=decision)
        for signal in decision["signals"]:
            self.stored["signal", decision["book"], signal["id"]] = signal

    async def import_equity(self, points: Sequence[Record], *, book: str) -> None:
        for point in points:
            record = {**point, "book": book, "as_of": point["timestamp"]}
            self.keep("portfolio", book, point["timestamp"], record=record)

    async def import_decisions(self, decisions: Sequence[Record]) -> None:
        for decision in decisions:
            await self.record_decision(decision)

    async def update_agent(self, agent_id: str, agent: Record) -> None:
        self.agents[agent_id] = agent

    async def report_system(self, sample: Record) -> None:
        if sample["component"] != "replay":
            self.keep("system", sample["component"], sample["timestamp"], record=sample)

    def markers(self) -> list[Record]:
        return [point for point in self.of("metric") if point["name"] == "replay_day"]


async def test_days_come_at_the_present_time() -> None:
    feed, before = RecordingFeed(), datetime.now(UTC)
    await replay(feed, speed=FAST, days=3)
    times = [marker["timestamp"] for marker in feed.markers()]
    assert [marker["value"] for marker in feed.markers()] == [0, 1, 2]
    assert before <= times[0] < times[1] < times[2] <= datetime.now(UTC)
    assert [p["as_of"] for p in feed.of("portfolio") if p["book"] == "main"] == times
    assert {trade["executed_at"] for trade in feed.of("trade")} == {times[1]}
    assert {decision["made_at"] for decision in feed.of("decision")} <= set(times)
    assert {signal["timestamp"] for signal in feed.of("signal")} <= set(times)
    assert [alert["created_at"] for alert in feed.of("alert")] == [times[0]]
    assert len(feed.agents) == 6


async def test_ids_begin_with_the_pass() -> None:
    feed = RecordingFeed()
    await replay(feed, speed=FAST, days=2)
    trade = next(t for t in reversed(feed.of("trade")) if t["book"] == "main")
    assert trade["id"] == "demo-0-2007-09-27-momentum-IBM"
    assert trade["order_id"] == "demo-0-2007-09-26-momentum-IBM-order"
    assert trade["metadata"]["replayed_date"] == "2007-09-27"
    assert trade["decision_id"] == "demo-0-2007-09-26-IBM"
    assert ("decision", "main", trade["decision_id"]) in feed.stored


async def test_pace_follows_the_schedule() -> None:
    clock, seen = LoopClock(), list[TradingDay]()
    # A day an hour, the first one at once.
    replaying = asyncio.create_task(
        replay(RecordingFeed(), speed=1 / HOUR, days=11, on_day=seen.append)
    )
    await until(lambda: seen)  # the prices are loaded
    await clock.advance(9.5 * HOUR)
    assert len(seen) == 10
    await clock.advance(HOUR)
    assert len(seen) == 11
    await replaying


async def test_at_the_data_s_end_the_account_goes_on_backwards() -> None:
    feed, seen = RecordingFeed(), list[TradingDay]()
    await replay(feed, speed=FAST, days=699, on_day=seen.append)
    dates = [str(day.place.date) for day in seen[-4:]]
    assert dates == ["2010-06-30", "2010-06-29", "2010-06-28", "2010-06-25"]
    assert [marker["value"] for marker in feed.markers()] == list(range(699))
    values = [float(day.portfolio["total_value"]) for day in seen[-4:]]
    assert max(values) / min(values) < 1.05


async def test_the_replay_says_where_in_history_it_is() -> None:
    reported: list[Record] = []

    class Reporting(RecordingFeed):
        async def report_system(self, sample: Record) -> None:
            reported.append(sample)

    await replay(Reporting(), speed=FAST, days=1)
    assert reported[-1]["component"] == "replay"
    assert reported[-1]["message"] == "2007-09-26, pass 1, forwards in time"


async def test_the_opening_lies_before_now_and_the_replay_goes_on_behind_it() -> None:
    feed, before, opened = RecordingFeed(), datetime.now(UTC), list[datetime]()
    await replay(
        feed, speed=100, opening=60, days=2, on_open=lambda _: opened.append(datetime.now(UTC))
    )
    times = [marker["timestamp"] for marker in feed.markers()]
    assert [marker["value"] for marker in feed.markers()] == list(range(62))
    assert [p["as_of"] for p in feed.of("portfolio") if p["book"] == "main"] == times
    assert before - timedelta(seconds=0.61) < times[0] < before
    assert times[59] < opened[0] <= times[60] < times[61]
    steps = {later - earlier for earlier, later in pairwise(times[:60])}
    assert steps == {timedelta(seconds=0.01)}
    assert {trade["executed_at"] for trade in feed.of("trade")} <= set(times)
    assert len(feed.agents) == 6


@pytest.mark.parametrize("writes", [1, 300, 2500, 2700, 3100])
async def test_an_opening_that_was_killed_is_written_again_as_it_was(writes: int) -> None:
    feed = RecordingFeed(writes)
    with pytest.raises(Killed):
        await replay(feed, speed=FAST, opening=60, days=10)
    feed.writes = float("inf")
    begun = newest_opening(p for p in feed.of("metric") if p["name"] == "replay_opening")
    start = newest_marker(feed.markers()[-1:])
    left = 10 - (start.day - 60 if start else 0)
    await replay(feed, speed=FAST, opening=60, begun=begun, start=start, days=left)
    whole = RecordingFeed()
    await replay(whole, speed=FAST, opening=60, days=10)
    for kind in ("metric", "trade", "alert", "resolved", "portfolio", "decision", "system"):
        assert len(feed.of(kind)) == len(whole.of(kind)), kind


async def test_a_restart_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    checkpoint, feed = Checkpoint(tmp_path / "place"), RecordingFeed()
    await replay(feed, speed=FAST, opening=100, checkpoint=checkpoint, days=20)
    seen: list[TradingDay] = []
    for _ in range(2):
        start = newest_marker(feed.markers()[-1:])
        await replay(
            feed, speed=FAST, start=start, checkpoint=checkpoint, days=30, on_day=seen.append
        )
    assert [marker["value"] for marker in feed.markers()] == list(range(len(feed.markers())))
    known = {day.number: day for day in islice(Simulation(load_prices()), len(feed.markers()))}
    assert all(known[day.number] == day for day in seen)


@pytest.mark.parametrize("writes", [1, 2, 36, 45, 60, 80, 111, 150])
async def test_killed_anywhere_nothing_is_lost_or_doubled(writes: int) -> None:
    feed = RecordingFeed(writes)
    with pytest.raises(Killed):
        await replay(feed, speed=FAST, days=8)

    feed.writes = float("inf")
    start = newest_marker(feed.markers()[-1:])
    assert start is not None
    await replay(feed, speed=FAST, start=start, days=8 - start.day)

    whole = RecordingFeed()
    await replay(whole, speed=FAST, days=8)
    for kind in ("metric", "trade", "alert", "resolved", "portfolio", "decision", "system"):
        assert len(feed.of(kind)) == len(whole.of(kind)), kind
    assert [marker["value"] for marker in feed.markers()] == list(range(8))


async def test_a_clock_set_back_gives_no_time_twice() -> None:
    feed = RecordingFeed()
    start = Marker(4, datetime.now(UTC) + timedelta(hours=1))
    await replay(feed, speed=FAST, start=start, days=3)
    times = [marker["timestamp"] for marker in feed.markers()]
    assert times[0] == start.timestamp
    assert times[0] < times[1] < times[2]


def test_newest_marker_is_the_latest_point() -> None:
    at = datetime(2025, 1, 1, tzinfo=UTC)
    assert newest_marker([]) is None
    assert newest_marker([{"value": 7.0, "timestamp": at}]) == Marker(7, at)
