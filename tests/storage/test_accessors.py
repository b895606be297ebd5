"""Alerts, trades, agents and system samples: filters, half-open ranges, pages, ids sent twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphapulse_api.domain.errors import Conflict, NotFound, ValidationProblem
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.query import Listing as Cursors
from tests.engines import Fresh, at, point
from tests.records import Listing, alert, ids, sample, signal, trade, walked

# -- trades --------------------------------------------------------------------------------------


async def test_trades_are_filtered_by_every_field_that_the_contract_names(store: Accessors) -> None:
    unlike = {
        "symbol": "ETH", "side": "sell", "status": "open", "strategy": "grid", "agent_id": "m2",
    }  # fmt: skip
    await store.trades.add_trades(
        [trade(name, n, **{name: value}) for n, (name, value) in enumerate(unlike.items())]
    )
    for name, value in unlike.items():
        assert ids(await store.trades.get_trades(**{name: value})) == [name]
    assert ids(await store.trades.get_trades(symbol=["ETH", "BTC"], side="sell")) == ["side"]
    assert ids(await store.trades.get_trades(strategy=["grid", "x"])) == ["strategy"]
    assert ids(await store.trades.get_trades(symbol=[])) == []


async def test_a_range_holds_its_start_and_not_its_end(store: Accessors) -> None:
    await store.trades.add_trades([trade(f"t{n}", n) for n in range(4)])
    await store.alerts.add_alert(alert("a1", 1))
    await store.agents.add_signal(signal("s1", 1))
    await store.system.add_sample(sample("db", 1))
    ranged = {"start_time": at(1), "end_time": at(3)}
    assert ids(await store.trades.get_trades(**ranged)) == ["t2", "t1"]
    before, after = {"end_time": at(1)}, {"start_time": at(1.000001)}
    for listing in (store.alerts.get_alerts, lambda **q: store.agents.get_signals("m1", **q)):
        assert ids(await listing(**before)) == ids(await listing(**after)) == []
        assert len(await listing(**ranged)) == 1
    assert await store.system.get_system(**before) == []
    assert len(await store.system.get_system(**ranged)) == 1
    lists = (
        store.trades.get_trades, store.alerts.get_alerts, store.system.get_system,
        store.agents.get_agents, store.portfolio.get_portfolio,
    )  # fmt: skip
    for listing in lists:
        with pytest.raises(ValidationProblem, match="start_time"):
            await listing(start_time=at(1), end_time=at(1))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seconds=st.lists(st.integers(0, 5), min_size=1, max_size=30),
    limit=st.integers(1, 12),
)
async def test_pages_join_to_the_whole_even_where_times_are_equal(
    fresh: Fresh, seconds: list[int], limit: int
) -> None:
    async with fresh() as engine:
        store = Accessors(engine, 300, {})
        for n, second in enumerate(seconds):
            name = f"x{n:02}"
            await store.trades.add_trades([trade(name, second)])
            await store.alerts.add_alert(alert(name, second))
            await store.agents.add_signal(signal(name, second))
            await store.system.add_sample(sample(name, second))
        oldest_first = [f"x{n:02}" for _, n in sorted((s, n) for n, s in enumerate(seconds))]
        newest_first = oldest_first[::-1]
        assert await walked(store.trades.get_trades, limit) == newest_first
        assert await walked(store.alerts.get_alerts, limit) == newest_first
        assert await walked(store.agents.get_signals, limit, agent_id="m1") == newest_first
        ranged = {"start_time": at(0), "end_time": at(9)}
        assert await walked(store.system.get_system, limit, **ranged) == oldest_first


async def test_what_is_written_between_two_pages_moves_nothing(store: Accessors) -> None:
    await store.trades.add_trades([trade(f"t{n}", n) for n in range(4)])
    first = await store.trades.get_trades(limit=2)
    await store.trades.add_trades([trade("new", 9)])
    second = await store.trades.get_trades(limit=2, cursor=first.next_cursor)
    assert ids(first) + ids(second) == ["t3", "t2", "t1", "t0"]
    assert second.next_cursor is None


MADE_UP = ((1,), ("a", 1), (True, "a"), (1, "a", 2), (2**63, "a"), (1.5, "a"), (1, "a\x00"))


@pytest.mark.parametrize("cursor", ["", "x", "é", "AAAA", "W10", *MADE_UP], ids=str)
async def test_a_made_up_cursor_is_refused(
    store: Accessors, cursor: str | tuple[object, ...]
) -> None:
    listings = {
        "trades": store.trades.get_trades,
        "alerts": store.alerts.get_alerts,
        "system": store.system.get_system,
    }
    for resource, listing in listings.items():
        given = cursor if isinstance(cursor, str) else Cursors(resource).cursor(*cursor)
        with pytest.raises(ValidationProblem, match="cursor"):
            await listing(cursor=given)


async def test_a_cursor_passes_only_in_its_own_listing(store: Accessors) -> None:
    await store.trades.add_trades([trade(f"t{n}", n, strategy="trend") for n in range(3)])
    for n in range(3):
        await store.alerts.add_alert(alert(f"a{n}", n))
        for agent in ("m1", "m2"):
            await store.agents.add_signal(signal(f"{agent}{n}", n, agent_id=agent))
        await store.system.add_sample(sample("db", n))
    await store.metrics.add_points([point(name, n, 1.0) for name in ("a", "b") for n in range(3)])
    ranged = {"start_time": at(0), "end_time": at(9)}
    listings: list[tuple[Listing, dict[str, Any]]] = [
        (store.trades.get_trades, {}),
        (store.trades.get_trades, {"symbol": "BTC"}),
        (store.trades.get_trades, {"strategy": ["trend", "grid"]}),
        (store.trades.get_trades, {"side": "buy"}),
        (store.alerts.get_alerts, {}),
        (store.alerts.get_alerts, {"severity": ["critical", "warning"]}),
        (store.alerts.get_alerts, {"acknowledged": False}),
        (store.alerts.get_alerts, {"status": "active"}),
        (store.agents.get_signals, {"agent_id": "m1"}),
        (store.agents.get_signals, {"agent_id": "m2"}),
        (store.agents.get_signals, {"agent_id": "m1", "symbol": "BTC"}),
        (store.system.get_system, ranged),
        (store.system.get_system, {**ranged, "component": "db"}),
        (store.metrics.get_metrics, {**ranged, "metric_type": "risk"}),
        (store.metrics.get_metrics, {**ranged, "metric_type": "risk", "name": "a"}),
        (store.metrics.get_metrics, {**ranged, "metric_type": "risk", "interval": "1s"}),
    ]
    cursors = [(await listing(**query, limit=1)).next_cursor for listing, query in listings]
    for index, (listing, query) in enumerate(listings):
        for other, cursor in enumerate(cursors):
            if other == index:
                assert len(await listing(**query, limit=1, cursor=cursor)) == (cursor is not None)
            elif cursor is not None:
                with pytest.raises(ValidationProblem, match="cursor"):
                    await listing(**query, cursor=cursor)


async def test_a_cursor_passes_in_another_range_and_order_of_filters(store: Accessors) -> None:
    await store.trades.add_trades([trade(f"t{n}", n, symbol=f"S{n % 2}") for n in range(4)])
    page = await store.trades.get_trades(symbol=["S0", "S1"], end_time=at(9), limit=2)
    rest = await store.trades.get_trades(symbol=["S1", "S0"], cursor=page.next_cursor)
    assert ids(rest) == ["t1", "t0"]


async def test_decimals_survive_digit_for_digit(store: Accessors) -> None:
    exact = {
        "quantity": Decimal("0." + "0" * 37 + "1"),
        "price": Decimal("9" * 38),
        "value": Decimal("100.00"),
        "fee": Decimal("-0.10"),
    }
    await store.trades.add_trades([trade("t1", **exact)])
    kept = await store.trades.get_trade("t1")
    assert {name: format(kept[name], "f") for name in exact} == {
        name: format(value, "f") for name, value in exact.items()
    }


OTHERS = {
    "order_id": "o2", "client_order_id": "c2", "symbol": "ETH", "side": "sell",
    "quantity": Decimal(2), "price": Decimal(1), "value": Decimal(1), "fee": Decimal(1),
    "fee_currency": "USD", "order_type": "limit", "agent_id": "m2", "strategy": "grid",
    "executed_at": at(1), "metadata": {"a": 1},
}  # fmt: skip
# What may become known after the trade.
KNOWN = {
    "order_id": "o1", "client_order_id": "c1", "fee": Decimal(2), "fee_currency": "EUR",
    "metadata": {"b": 1},
}  # fmt: skip


async def test_a_trade_sent_again_is_one_trade_and_other_content_is_named(store: Accessors) -> None:
    ((first, new),) = await store.trades.add_trades([trade("t1", **KNOWN)])
    assert new
    same = trade("t1", price=Decimal("67123.5"), fee=None)
    assert await store.trades.add_trades([same]) == [(first, False)]
    for name, value in OTHERS.items():
        with pytest.raises(Conflict, match=f"another {name}") as refused:
            await store.trades.add_trades([trade("t1", **{name: value})], one=True)
        assert refused.value.extra["errors"][0]["pointer"] == "/id"
    with pytest.raises(Conflict, match="is filled, which is final"):
        await store.trades.add_trades([trade("t1", status="open")], one=True)
    with pytest.raises(Conflict) as refused:
        await store.trades.add_trades([trade("t0"), trade("t2"), trade("t2", price=Decimal(1))])
    assert refused.value.extra["errors"][0]["pointer"] == "/2/id"
    assert await store.trades.get_trades() == [first]
    with pytest.raises(NotFound, match="t0"):
        await store.trades.get_trade("t0")


# -- alerts --------------------------------------------------------------------------------------


# -- agents --------------------------------------------------------------------------------------


# -- system --------------------------------------------------------------------------------------


# -- all together --------------------------------------------------------------------------------
