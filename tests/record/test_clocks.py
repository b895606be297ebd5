"""A clock that was wrong: what it stamped never hides what is received after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from alphapulse_api.domain import newest, times
from alphapulse_api.domain.times import to_micros
from alphapulse_api.storage import query
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.rollups import write
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.portfolio import accessor, reading, writing
from alphapulse_api.storage.portfolio.history import history
from tests.asking import POINT, PORTFOLIO, SAMPLE, ask
from tests.conftest import Server
from tests.engines import point
from tests.records import snapshot
from tests.socket_client import connect

Clock = Callable[[timedelta], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the wall clock that the process reads, by how far it is off."""

    def set_off(by: timedelta) -> None:
        def now() -> datetime:
            return times.now() + by

        for module in (accessor, reading, writing, query, write):
            monkeypatch.setattr(module, "now", now)
        for path in ("record.feed", "sockets.snapshot"):
            monkeypatch.setattr(f"alphapulse_api.{path}.now", now)

    return set_off


@pytest.fixture
def store(engine: Engine) -> Accessors:
    return Accessors(engine, 300, {})


def _ahead(seconds: float) -> datetime:
    return times.now() + timedelta(seconds=seconds)


async def _current(store: Accessors) -> int:
    return int((await store.portfolio.get_portfolio())["total_value"])


async def test_a_snapshot_of_a_clock_that_ran_ahead_gives_way_to_the_next(
    store: Accessors, clock: Clock
) -> None:
    clock(timedelta(hours=2))
    _, first = await store.portfolio.set_portfolio(snapshot(0, 1, as_of=_ahead(7200)))
    clock(timedelta())
    assert (await store.portfolio.get_portfolio())["stale"] is True, "its age is not known"
    for value in (2, 3):
        state, revision = await store.portfolio.set_portfolio(snapshot(0, value, as_of=_ahead(-1)))
        assert revision == first + value - 1
        assert state["stale"] is False
        assert await _current(store) == value
    points = (await store.portfolio.get_portfolio(include_history=True))["history"]
    assert [int(point["total_value"]) for point in points] == [2, 3], "the past ends now"
    # From here on it is as ever.
    assert (await store.portfolio.set_portfolio(snapshot(0, 9, as_of=_ahead(-60))))[1] is None
    assert await _current(store) == 3


async def test_an_update_during_a_read_makes_no_portfolio_older_than_its_history(
    store: Accessors, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.portfolio.set_portfolio(snapshot(0, 1, as_of=_ahead(-60)))

    async def updated_meanwhile(*args: Any) -> Page:
        await store.portfolio.set_portfolio(snapshot(0, 2, as_of=_ahead(-30)))
        points = await history(*args)
        await store.portfolio.set_portfolio(snapshot(0, 3, as_of=_ahead(-10)))
        return points

    monkeypatch.setattr(accessor, "history", updated_meanwhile)
    shown = await store.portfolio.get_portfolio(include_history=True)
    assert [int(point["total_value"]) for point in shown["history"]] == [1, 2]
    assert int(shown["total_value"]) == 3


async def test_a_sender_whose_clock_is_seconds_ahead_is_not_stale_at_once(engine: Engine) -> None:
    portfolio = Accessors(engine, 2, {}, ahead=60).portfolio
    for ahead, stale in ((30, False), (90, True), (-1, False), (-5, True)):
        state, _ = await portfolio.set_portfolio(snapshot(0, as_of=_ahead(ahead)))
        assert state["stale"] is stale, ahead


async def test_a_late_snapshot_does_not_hide_one_whose_sender_is_seconds_ahead(
    store: Accessors,
) -> None:
    await store.portfolio.set_portfolio(snapshot(0, 1, as_of=_ahead(4)))
    assert (await store.portfolio.set_portfolio(snapshot(0, 2, as_of=_ahead(-3600))))[1] is None
    assert await _current(store) == 1
    await store.portfolio.set_portfolio(snapshot(0, 3, as_of=_ahead(1)))
    assert await _current(store) == 3


async def test_a_snapshot_sent_again_does_not_come_back(store: Accessors) -> None:
    before, after = (snapshot(0, n, as_of=_ahead(n)) for n in (100, 101))
    await store.portfolio.set_portfolio(before)
    _, revision = await store.portfolio.set_portfolio(after)
    assert (await store.portfolio.set_portfolio(before))[1] is None
    assert (await store.portfolio.set_portfolio(after))[1] == revision
    assert await _current(store) == 101


async def test_of_snapshots_without_a_time_the_last_received_is_current(
    store: Accessors, clock: Clock
) -> None:
    """Two workers take turns, and the clock of one is a minute ahead."""
    revisions = []
    for value in range(6):
        off = timedelta(seconds=60 * (value % 2))
        clock(off)
        record = snapshot(0, value, as_of=times.now() + off)
        server_set = frozenset({"as_of"})
        shown, revision = await store.portfolio.set_portfolio(record, server_set=server_set)
        revisions.append(revision)
        assert "server_set" not in shown
        assert await _current(store) == value
    assert revisions == [1, 2, 3, 4, 5, 6]


async def test_the_portfolio_of_a_wrong_clock_gives_way_on_every_way_out(
    server: Server, clock: Clock
) -> None:
    caller = await server.key("publish")
    async with connect(server, caller) as early, connect(server, caller) as late:
        await early.ask(type="subscribe", channels=["portfolio"])
        for value, off in (("1", 7200), ("2", 0), ("3", 0)):
            clock(timedelta(seconds=off))
            body = {**PORTFOLIO, "total_value": value}
            assert (await ask(server, "PUT", "/api/portfolio", caller, json=body)).status == 200
            message = await early.receive("portfolio")
            assert message["data"]["total_value"] == value
            assert (await server.json("/api/portfolio", caller))["total_value"] == value
            if value == "1":
                await late.ask(type="subscribe", channels=["portfolio"], snapshot=True)
            assert (await late.receive("portfolio"))["data"]["total_value"] == value


@pytest.mark.parametrize("ahead", [7200, 60, 4])
async def test_a_point_of_a_clock_that_ran_ahead_gives_way_to_the_next(
    store: Accessors, ahead: float
) -> None:
    async def latest() -> list[float]:
        return [row["value"] for row in await store.metrics.get_latest_metrics("risk")]

    async def record(value: float, seconds: float) -> None:
        given = {**point("var", 0, value), "timestamp": _ahead(seconds)}
        await store.metrics.add_points([given])

    await record(1, ahead)
    assert await latest() == [1]
    for value in (2, 3):
        await record(value, -5 + value)
        assert await latest() == [value]
    await record(4, -3600)
    assert await latest() == [3], "a late point is no news"
    await record(5, ahead + 1)
    assert await latest() == [5]
    (series,) = await store.metrics.list_series()
    assert series["count"] == 5


def test_what_is_ahead_of_now_is_overtaken() -> None:
    at, second = to_micros(times.now()), 1_000_000
    ahead = 300 * second
    cases = {
        (0, -1): True,  # a later time
        (0, 0): True,  # the same time
        (-10, -5): False,  # a late record
        (-10, 5): True,  # the known one is ahead of now
        (-3600, 5): False,  # a late record, and the known one by no more than clocks differ
        (-3600, 3600): True,  # the known one is of no clock that there is
    }
    for (received, known), wanted in cases.items():
        overtakes = newest.overtakes(at + received * second, at + known * second, at, ahead)
        assert overtakes is wanted, (received, known)


@pytest.mark.parametrize(
    ("path", "record"),
    [
        ("/api/metrics/risk", {**POINT}),
        ("/api/metrics/risk?max_points=10&aggregation=count", {**POINT}),
        ("/api/system?component=feed", {**SAMPLE}),
    ],
)
async def test_a_list_that_ends_now_has_what_is_seconds_ahead_when_it_is_asked_again(
    server: Server, path: str, record: dict[str, Any]
) -> None:
    caller = await server.key("publish")
    resource = path.partition("?")[0].removesuffix("/risk")
    for n in range(3):
        body = {**record, "timestamp": (_ahead(30 * n + 4)).isoformat()}
        assert (await ask(server, "POST", resource, caller, json=body)).status == 201
        for state in ("MISS", "HIT"):
            answer = await ask(server, "GET", path, caller)
            assert answer.headers["X-Cache"] == state
            rows = answer.json
            # The points may lie on both sides of a bucket's edge.
            counted = sum(row["value"] for row in rows) if "count" in path else len(rows)
            assert counted == n + 1
