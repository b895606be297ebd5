"""History in one call: an equity curve and trades, by each way of embedding, on either engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.config import DatabaseConfig
from alphapulse_api.domain.errors import Conflict, ValidationProblem
from alphapulse_api.embed.feed import HostFeed
from alphapulse_api.log import Event, Gap
from alphapulse_api.log.memory import MemoryEventLog
from alphapulse_api.record import importing
from alphapulse_api.record.feed import Feed
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from tests.engines import relay_of
from tests.event_logs import LogFollower
from tests.socket_client import alert, point, portfolio, trade

START = datetime(2024, 1, 1, tzinfo=UTC)
CURVE = [(START + timedelta(hours=n), 1000 + n) for n in range(25)]
TIMES = [time for time, _ in CURVE]
VALUES = [value for _, value in CURVE]


class Store:
    """A feed on an engine, and what its subscribers get."""

    def __init__(self, engine: Engine) -> None:
        log = MemoryEventLog()
        self.accessors = Accessors(engine, 300, {})
        self.feed = Feed(self.accessors, relay_of(self.accessors, MemoryCache(10**6), log))
        self.follower = LogFollower(log)

    async def curve(self) -> list[tuple[datetime, Decimal]]:
        """The stored history of the portfolio."""
        stored = await self.accessors.portfolio.get_portfolio(include_history=True)
        return [(point["timestamp"], point["total_value"]) for point in stored["history"]]

    async def trades(self) -> list[dict[str, Any]]:
        return list(await self.accessors.trades.get_trades(limit=1000))

    def portfolios(self) -> list[Event]:
        """The events of the portfolio."""
        return [item for item in self.follower.items if isinstance(item, Event)
                and item.channel.name == "portfolio"]  # fmt: skip


@pytest.fixture
async def store(engine: Engine) -> Store:
    return Store(engine)


def past_trade(number: int, **fields: Any) -> dict[str, Any]:
    executed_at = (START + timedelta(seconds=number)).isoformat()
    return {
        "symbol": "BTC/USD", "side": "buy", "quantity": 1, "price": 100 + number,
        "executed_at": executed_at, **fields,
    }  # fmt: skip


@pytest.fixture
def batches_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 10)


@pytest.mark.parametrize(
    "equity",
    [
        CURVE,
        lambda: (pair for pair in CURVE),
        dict(CURVE),
        pd.Series(VALUES, index=pd.DatetimeIndex(TIMES)),
        pd.DataFrame({"total_value": VALUES}, index=pd.DatetimeIndex(TIMES)),
        pd.DataFrame({"timestamp": TIMES, "total_value": VALUES}),
        pl.DataFrame({"timestamp": TIMES, "total_value": VALUES}),
        [{"timestamp": time.isoformat(), "total_value": value} for time, value in CURVE],
    ],
    ids=["pairs", "generator", "mapping", "series", "indexed", "frame", "polars", "records"],
)
async def test_an_equity_curve_is_the_history_of_the_portfolio(
    store: Store, equity: Any, batches_of_ten: None
) -> None:
    given = equity() if callable(equity) else equity
    assert await store.feed.import_history(equity=given) == (len(CURVE), 0)
    assert await store.curve() == CURVE


async def test_what_the_api_returned_as_history_is_imported_with_its_cash(store: Store) -> None:
    point: dict[str, Any] = {
        "timestamp": START,
        "total_value": "10.5",
        "cash": "4",
        "positions_value": "6.5",
    }
    await store.feed.import_history(equity=[point], currency="EUR")
    stored = await store.accessors.portfolio.get_portfolio(include_history=True)
    amounts = {name: Decimal(point[name]) for name in ("total_value", "cash", "positions_value")}
    assert stored["history"] == [{"timestamp": START, **amounts}]
    assert stored["currency"] == "EUR"


async def test_points_without_a_value_are_left_out(store: Store) -> None:
    curve = [(TIMES[0], float("nan")), (TIMES[1], None), (TIMES[2], 5.0)]
    assert (await store.feed.import_history(equity=curve)).equity == 1
    assert await store.curve() == [(TIMES[2], Decimal(5))]


async def test_a_repeat_changes_nothing(store: Store, batches_of_ten: None) -> None:
    trades = [past_trade(n) for n in range(25)]
    first = await store.feed.import_history(equity=CURVE, trades=trades)
    before = (await store.curve(), await store.trades())
    events = store.portfolios()
    second = await store.feed.import_history(equity=CURVE, trades=trades)
    assert (first, second) == ((25, 25), (0, 0))
    assert (await store.curve(), await store.trades()) == before
    assert len(events) == 1
    assert store.portfolios() == events


async def test_fills_that_look_the_same_are_kept_apart(store: Store) -> None:
    trades = [past_trade(0), past_trade(0), past_trade(1)]
    for new in (3, 0):
        assert (await store.feed.import_history(trades=trades)).trades == new
    assert len({stored["id"] for stored in await store.trades()}) == 3


async def test_subscribers_read_the_trades_again_instead_of_getting_each(
    store: Store, batches_of_ten: None
) -> None:
    await store.feed.record_trade(trade(id="live"))
    await store.feed.import_history(trades=[past_trade(n) for n in range(25)])
    await store.feed.record_trade(trade(id="later"))
    await store.follower.expect("live", "gap", "later")


async def test_other_records_of_the_past_are_stored_once_and_not_published(store: Store) -> None:
    feed, times = store.feed, [START + timedelta(seconds=n) for n in range(3)]
    alerts = [{**alert(id=f"a{n}"), "created_at": at} for n, at in enumerate(times)]
    signal = {"symbol": "A", "direction": "buy"}
    signals = [{**signal, "id": f"s{n}", "timestamp": at} for n, at in enumerate(times)]
    samples = [{"component": "db", "status": "healthy", "timestamp": at} for at in times]
    points = [{**point(), "timestamp": at} for at in times]
    for new in (3, 0):
        assert await feed.import_alerts(alerts, last=True) == new
        assert await feed.import_signals("m1", signals, last=True) == new
        assert await feed.import_system(samples, last=True) == new
        assert await feed.import_metrics(points, last=True) == new
    assert store.follower.received("alerts") == ["gap"] * 2
    assert store.follower.received("metrics") == ["gap"] * 2
    since = {"start_time": START, "limit": 10}
    stored = store.accessors
    assert len(await stored.alerts.get_alerts(**since)) == 3
    assert len(await stored.agents.get_signals("m1", **since)) == 3
    assert len(await stored.system.get_system(**since)) == 3
    assert len(await stored.metrics.get_metrics("risk", **since)) == 3
    with pytest.raises(Conflict) as raised:
        await feed.import_alerts([{**alerts[0], "title": "another"}])
    assert [error["pointer"] for error in raised.value.extra["errors"]] == ["/0/id"]


async def test_batches_store_what_can_be_stored(store: Store) -> None:
    feed, at = store.feed, START
    good, signal = alert(id="a"), {"id": "s", "symbol": "A", "direction": "buy"}
    sample = {"component": "db", "status": "healthy", "timestamp": at}
    for result, other in (
        (await feed.raise_alerts_batch(
            [good, good, {**good, "title": "x"}, {}], on_error="continue"), 409),
        (await feed.record_signals_batch(
            "m1", [signal, signal, {**signal, "symbol": "B"}, {}], on_error="continue"), 409),
        (await feed.report_system_batch(
            [sample, sample, {**sample, "status": "error"}, {}], on_error="continue"), 200),
    ):  # fmt: skip
        assert [one["status"] for one in result["results"]] == [201, 200, other, 422]
    assert store.follower.received("alerts") == ["a"]
    (last,) = await store.accessors.system.get_system(start_time=START)
    assert last["status"] == "error"


async def test_the_newest_point_becomes_the_portfolio_and_is_published(
    store: Store, batches_of_ten: None
) -> None:
    await store.feed.import_history(equity=CURVE)
    event, gap = store.follower.items
    assert event.data["as_of"] == TIMES[-1]  # type: ignore[union-attr]
    assert isinstance(gap, Gap)
    assert (await store.accessors.portfolio.get_portfolio())["total_value"] == VALUES[-1]


async def test_a_newer_portfolio_stays(store: Store) -> None:
    now = await store.feed.update_portfolio(portfolio("7"))
    await store.feed.import_history(equity=CURVE)
    assert await store.accessors.portfolio.get_portfolio() == now
    assert len(store.portfolios()) == 1
    assert (await store.curve())[:-1] == CURVE


async def test_a_snapshot_that_is_there_is_not_replaced(store: Store) -> None:
    position = {"symbol": "A", "quantity": 1, "current_price": 3}
    held = portfolio("7", as_of=TIMES[3].isoformat(), positions=[position])
    await store.feed.update_portfolio(held)
    assert (await store.feed.import_history(equity=CURVE)).equity == len(CURVE) - 1
    assert (await store.curve())[3] == (TIMES[3], Decimal(7))


async def test_an_error_names_its_place_in_the_whole_history(
    store: Store, batches_of_ten: None
) -> None:
    trades = [past_trade(n) for n in range(25)]
    trades[17]["price"] = "much"
    with pytest.raises(ValidationProblem) as raised:
        await store.feed.import_history(trades=trades)
    assert [error["pointer"] for error in raised.value.errors] == ["/trades/17/price"]
    assert len(await store.trades()) == 10  # the batch before

    curve = [*CURVE[:12], ("yesterday", 1)]
    with pytest.raises(ValidationProblem) as raised:
        await store.feed.import_history(equity=curve)
    assert [error["pointer"] for error in raised.value.errors] == ["/equity/12/timestamp"]


async def test_a_conflict_names_its_place(store: Store, batches_of_ten: None) -> None:
    await store.feed.record_trade(trade(id="known", quantity="77"))
    trades = [*(past_trade(n) for n in range(15)), past_trade(15, id="known")]
    with pytest.raises(Conflict) as raised:
        await store.feed.import_history(trades=trades)
    assert [error["pointer"] for error in raised.value.extra["errors"]] == ["/trades/15/id"]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"trades": [{**past_trade(0), "executed_at": None}]}, "/trades/0/executed_at"),
        ({"trades": past_trade(0)}, "/trades"),
        ({"trades": "many"}, "/trades"),
        ({"equity": 5}, "/equity"),
        ({"equity": [5]}, "/equity/0"),
        ({"equity": [{"timestamp": START}]}, "/equity/0/total_value"),
        ({"equity": CURVE, "currency": ""}, "/currency"),
        ({"equity": [(datetime(2024, 1, 1), 1)]}, "/equity/0/timestamp"),  # noqa: DTZ001
    ],
)
async def test_what_is_no_history_is_refused(
    store: Store, given: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(ValidationProblem) as raised:
        await store.feed.import_history(**given)
    assert raised.value.errors[0]["pointer"] == pointer


async def test_unknown_columns_of_trades_go_into_the_metadata_where_that_is_asked(
    store: Store,
) -> None:
    frame = pd.DataFrame([past_trade(n, commission_paid=n) for n in range(3)])
    with pytest.raises(ValidationProblem):
        await store.feed.import_history(trades=frame)
    await store.feed.import_history(trades=frame, extras="metadata")
    assert [t["metadata"] for t in await store.trades()] == [
        {"commission_paid": n} for n in (2, 1, 0)
    ]


WAYS: dict[str, Callable[..., Any]] = {
    "process": Dashboard.in_process,
    "thread": Dashboard.in_thread,
}


@pytest.fixture(params=list(WAYS))
def hosted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HostFeed]:
    config = Config(port=0, database=DatabaseConfig(url=f"sqlite:///{tmp_path}/test.db"))
    with WAYS[request.param](config, serve=False) as feed:
        yield feed


def test_a_host_that_does_not_await_imports_too(hosted: HostFeed) -> None:
    count = importing.BATCH + 5
    curve = pd.Series(1.5, index=pd.date_range(START, periods=count, freq="h"))
    trades = pd.DataFrame([past_trade(n) for n in range(count)])
    for new in (count, 0):
        assert hosted.import_history(equity=curve, trades=trades) == (new, new)
    with pytest.raises(ValidationProblem) as raised:
        hosted.import_history(trades=[*(past_trade(n) for n in range(count)), {}])
    assert raised.value.errors[0]["pointer"].startswith(f"/trades/{count}/")
