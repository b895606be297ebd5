"""What a call of the feed leaves behind when it is cancelled, handed over, or loses its answer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig
from alphapulse_api.domain.errors import Unavailable, ValidationProblem
from alphapulse_api.record.feed import MAX_BATCH, Feed
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine.group import Outcome
from tests import view
from tests.engines import T0, at, opened
from tests.record.conftest import House
from tests.record.test_feed import TRADE
from tests.waiting import until


async def test_cancelling_a_caller_leaves_nothing_stored_but_unpublished(
    house: House,
) -> None:
    calls = {
        "trades": house.feed.record_trade(TRADE),
        "alerts": house.feed.raise_alert({"title": "t"}),
        "metrics": house.feed.record_metrics(
            [{"metric_type": "risk", "name": "var", "value": 1, "timestamp": T0}]
        ),
        "portfolio": house.feed.update_portfolio({"total_value": 1, "cash": 1, "as_of": T0}),
    }
    versions = {name: (await house.cache.look(name, ("key",)))[0] for name in calls}
    tasks = [asyncio.create_task(call) for call in calls.values()]
    await asyncio.sleep(0)  # they begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.cancelled() for task in tasks)
    await until(lambda: {channel for channel, _ in house.published} == calls.keys())
    assert len(await house.accessors.trades.get_trades()) == 1
    for name, version in versions.items():
        assert (await house.cache.look(name, ("key",)))[0] != version


async def test_a_trading_loop_need_not_wait(tmp_path: Path) -> None:
    config = Config(port=0, database=DatabaseConfig(url=f"sqlite:///{tmp_path}/store.db"))
    async with Dashboard(config, serve=False) as dashboard:
        feed = dashboard.feed
        for number in range(100):
            given = {"metric_type": "risk", "name": "var", "value": number, "timestamp": at(number)}
            assert await feed.record_metrics(given, wait=False) == 1
        assert feed.hand_over([{"metric_type": "risk", "name": "var", "value": "x"}]) == 1
        with pytest.raises(ValidationProblem):
            feed.hand_over([{}] * (MAX_BATCH + 1))
        await until(lambda: not feed.queue.waiting)
        assert feed.queue.refused == {"invalid": 1}
        stored = await dashboard.metrics.get_metrics("risk", at(0), at(1000))
        assert [row["value"] for row in stored] == list(range(100))
        feed.hand_over({"metric_type": "risk", "name": "late", "value": 1, "timestamp": at(0)})
    # Leaving stores what was handed over.
    async with Dashboard(config, serve=False) as dashboard:
        assert len(await dashboard.metrics.get_metrics("risk", at(0), at(1), name="late")) == 1


def test_a_trading_thread_need_not_wait(tmp_path: Path) -> None:
    config = Config(port=0, database=DatabaseConfig(url=f"sqlite:///{tmp_path}/store.db"))
    with Dashboard.in_thread(config, serve=False) as feed:
        for number in range(100):
            point = {"metric_type": "risk", "name": "var", "value": number, "timestamp": at(number)}
            assert feed.record_metrics([point], wait=False) == 1
    with closing(sqlite3.connect(tmp_path / "store.db")) as file:
        assert file.execute("SELECT count(*) FROM metric_points").fetchall() == [(100,)]


WRITES: dict[str, Callable[[Feed], Awaitable[Any]]] = {
    "trades": lambda feed: feed.record_trade(TRADE),
    "alerts": lambda feed: feed.raise_alert({"id": "a1", "title": "t"}),
    "portfolio": lambda feed: feed.update_portfolio({"total_value": 1, "cash": 1, "as_of": T0}),
    "metrics": lambda feed: feed.record_metrics(
        {"metric_type": "risk", "name": "v", "value": 1, "timestamp": T0}
    ),
    "metrics:risk": lambda feed: feed.record_metrics(
        {"metric_type": "risk", "name": "v", "value": 2, "timestamp": T0}
    ),
    "agents": lambda feed: feed.record_signal("m1", {"symbol": "BTC", "direction": "buy"}),
    "system": lambda feed: feed.report_system({"component": "db", "status": "healthy"}),
}


@pytest.mark.parametrize("tag", list(WRITES))
async def test_a_write_whose_commit_gave_no_answer_is_published_and_shown(
    house: House, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was carried out is not known when the call fails."""
    engine, relay = house.accessors.engine, house.relay
    version = (await house.cache.look(tag, ("key",)))[0]
    with monkeypatch.context() as lost:
        away = Unavailable("The database is unavailable.")
        answer = getattr(engine, view.ENGINE_ANSWER)
        lost.setattr(
            engine,
            view.ENGINE_ANSWER,
            lambda outcomes, *_: answer([Outcome(o.job, None, away) for o in outcomes]),
        )
        with pytest.raises(Unavailable):
            await WRITES[tag](house.feed)
    # What is cached may lack a record that is stored.
    at_once = (await house.cache.look(tag, ("key",)))[0]
    assert at_once != version
    assert house.published == []
    for _ in range(3):
        await relay.relay_left()
    # It may have been carried out later.
    assert (await house.cache.look(tag, ("key",)))[0] != at_once
    if tag in ("trades", "alerts", "portfolio"):
        for _ in range(2):
            await WRITES[tag](house.feed)
        assert [channel for channel, _ in house.published] == [tag]


async def test_what_no_point_is_takes_nothing_with_it(house: House) -> None:
    assert house.feed.hand_over([None, {"metric_type": "risk", "name": "a", "value": 1}, 7]) == 3  # type: ignore[list-item]
    storing = asyncio.create_task(house.feed.queue.store_forever())
    await house.feed.queue.close()
    storing.cancel()
    assert house.feed.queue.refused == {"invalid": 2}
    assert [channel for channel, _ in house.published] == ["metrics"]


async def test_of_a_hosts_own_store_what_it_calls_new_is_published(tmp_path: Path) -> None:
    class Portfolio:
        async def set_portfolio(self, portfolio: dict[str, Any]) -> tuple[dict[str, Any], bool]:
            return portfolio, portfolio["cash"] > 0

    class Trades:
        async def add_trades(self, trades: list[Any], *, one: bool = False) -> list[Any]:
            return [(trade, trade["side"] == "buy") for trade in trades]

    replaced = {"portfolio": Portfolio(), "trades": Trades()}
    async with opened(tmp_path / "store.db") as engine:
        house = House(Accessors(engine, 300, replaced))
        for cash in (1, 0, 1):
            await house.feed.update_portfolio({"total_value": 1, "cash": cash, "as_of": T0})
        for side in ("buy", "sell", "buy"):
            await house.feed.record_trades([{**TRADE, "side": side}])
    assert [(channel, data.get("cash", data.get("side"))) for channel, data in house.published] == [
        ("portfolio", 1), ("portfolio", 1), ("trades", "buy"), ("trades", "buy"),
    ]  # fmt: skip
