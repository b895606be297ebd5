"""Concurrent changes of a record are published in the order of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.engines import at
from tests.proxy import Proxy
from tests.record.conftest import Process, process
from tests.record.test_outbox_once import until_stored
from tests.socket_client import alert, portfolio

PAIRS = 300


async def test_of_concurrent_changes_the_newest_state_is_published_last(
    one: Process, database_url: str, redis_url: str
) -> None:
    async with process(database_url, redis_url) as other:
        await asyncio.gather(*(one.feed.raise_alert(alert(id=f"a{n}")) for n in range(PAIRS)))
        for n in range(PAIRS):
            await asyncio.gather(
                one.feed.acknowledge_alert(f"a{n}", "ann"), other.feed.resolve_alert(f"a{n}")
            )
        await one.feed.raise_alert(alert(id="end"))
        for listener in (one, other):
            last = {data["id"]: data for data in await listener.received_until("alerts", id="end")}
            for n in range(PAIRS):
                state = last[f"a{n}"]
                assert (state["status"], state["acknowledged"]) == ("resolved", True), n


@pytest.mark.parametrize("first", ["acknowledge", "resolve"])
async def test_a_change_of_an_alert_that_comes_late_is_published_before_the_later_one(
    one: Process, slow: Process, proxy: Proxy, first: str
) -> None:
    changes: dict[str, Callable[[Process], Awaitable[Any]]] = {
        "acknowledge": lambda process: process.feed.acknowledge_alert("a", "ann"),
        "resolve": lambda process: process.feed.resolve_alert("a"),
    }
    earlier = changes.pop(first)
    (later,) = changes.values()
    before = await one.feed.raise_alert(alert(id="a"))

    async def changed() -> bool:
        return bool(await one.store.alerts.get_alert("a") != before)

    proxy.freeze()
    waiting = asyncio.create_task(earlier(slow))
    await until_stored(changed)
    await later(one)
    proxy.thaw()
    await waiting
    await slow.feed.raise_alert(alert(id="end"))
    for listener in (one, slow):
        received = [
            (data["id"], data["status"], data["acknowledged"])
            for data in await listener.received_until("alerts", id="end")
        ]
        between = ("acknowledged", True) if first == "acknowledge" else ("resolved", False)
        assert received == [
            ("a", "active", False), ("a", *between), ("a", "resolved", True),
            ("end", "active", False),
        ]  # fmt: skip


@pytest.mark.parametrize("later", [0, 1])
async def test_a_portfolio_that_comes_late_is_published_before_the_later_one(
    one: Process, slow: Process, proxy: Proxy, later: int
) -> None:
    proxy.freeze()
    waiting = asyncio.create_task(slow.feed.update_portfolio(portfolio("1", as_of=at(0))))

    async def there() -> bool:
        return bool(await one.store.portfolio.get_portfolio())

    await until_stored(there)
    await one.feed.update_portfolio(portfolio("2", as_of=at(later)))
    proxy.thaw()
    await waiting
    await one.feed.update_portfolio(portfolio("3", as_of=at(2)))
    for listener in (one, slow):
        received = await listener.received_until("portfolio", total_value="3")
        # Of one that was replaced, what replaced it is known.
        assert [data["total_value"] for data in received] == ["1" if later else "2", "2", "3"]


async def test_portfolios_of_one_instant_are_published_in_the_order_of_the_store(
    one: Process, database_url: str, redis_url: str
) -> None:
    async with process(database_url, redis_url) as other:
        for n in range(100):
            puts = [
                process.feed.update_portfolio(portfolio(str(2 * n + i), as_of=at(n)))
                for i, process in enumerate((one, other))
            ]
            await asyncio.gather(*puts)
        await one.feed.update_portfolio(portfolio("1000", as_of=at(100)))
        history = (await one.store.portfolio.get_portfolio(include_history=True))["history"]
        for listener in (one, other):
            received = await listener.received_until("portfolio", total_value="1000")
            last = {data["as_of"]: data["total_value"] for data in received}
            assert list(last.values()) == [str(point["total_value"]) for point in history]
