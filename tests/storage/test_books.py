"""Books in the store: the same ids may be in several, and no book is read or changed by another."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.errors import NotFound
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.retention import forget
from alphapulse_api.storage.tables.agents import AgentDataAccessor
from alphapulse_api.storage.tables.alerts import AlertDataAccessor
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests.engines import at
from tests.records import alert, ids, signal, trade

DAY = 86_400


async def test_trades_of_two_books_do_not_meet(engine: Engine) -> None:
    main, beta = TradeDataAccessor(engine), TradeDataAccessor(engine, "beta")
    order = {"status": "open", "filled_quantity": Decimal(0)}
    await main.add_trades([trade("t1", **order), trade("t2")])
    ((_, new),) = await beta.add_trades([trade("t1", symbol="ETH", **order)])
    assert new
    await beta.add_trades([trade("t1", symbol="ETH")])
    assert (await main.get_trade("t1"))["status"] == "open"
    assert [state["status"] for state in (await main.get_trade("t1"))["history"]] == ["open"]
    there = await beta.get_trade("t1")
    assert [state["status"] for state in there["history"]] == ["open", "filled"]
    assert (ids(await main.get_trades()), ids(await beta.get_trades())) == (["t2", "t1"], ["t1"])
    assert not await main.get_trades("ETH")
    with pytest.raises(NotFound):
        await beta.get_trade("t2")
    rows = await engine.fetch("SELECT book, record_id FROM outbox WHERE record_id IS NOT NULL")
    assert sorted(rows) == [("beta", "t1"), ("beta", "t1")]


async def test_alerts_may_belong_to_no_book(engine: Engine) -> None:
    books: list[str | None] = ["main", "beta", None]
    stores = [AlertDataAccessor(engine, book) for book in books]
    for number, store in enumerate(stores):
        for _ in range(2):  # the second is a repeat
            _, new = await store.add_alert(alert("a1", source=str(number)))
        assert not new
    await stores[2].acknowledge_alert("a1", "ann")
    await stores[1].resolve_alert("a1")
    report: dict[str, Any] = {**alert("a1", 5, source="0"), "resolved_at": at(9)}
    await stores[0].report_alerts([report])
    found = [(await store.get_alerts())[0] for store in stores]
    assert [(one["status"], one["source"]) for one in found] == [
        ("resolved", "0"), ("resolved", "1"), ("acknowledged", "2"),
    ]  # fmt: skip
    assert [one["acknowledged"] for one in found] == [False, False, True]


async def test_signals_of_two_books_do_not_meet(engine: Engine) -> None:
    main, beta = AgentDataAccessor(engine), AgentDataAccessor(engine, book="beta")
    await main.add_signal(signal("s1", 1))
    assert (await beta.add_signal(signal("s1", 2, direction="sell")))[1]
    (one,) = await main.get_signals("m1")
    assert one["direction"] == "buy"
    (agent,) = await beta.get_agents(end_time=at(60))
    assert [found["direction"] for found in agent["signals"]] == ["sell"]


async def test_retention_deletes_the_old_records_of_every_book(engine: Engine) -> None:
    for book in ("main", "beta", "zeta"):
        trades = TradeDataAccessor(engine, book)
        order = {"status": "open", "filled_quantity": Decimal(0)}
        await trades.add_trades([trade(f"t{n}", n, **order) for n in range(3)])
        await trades.add_trades([trade("t0", 0), trade("t2", DAY)])
    kept = RetentionConfig(*[60.0] * 7)
    assert (await forget(engine, kept, at(DAY)))["trades"] == 6
    rows = await engine.fetch("SELECT book, id FROM trades ORDER BY book")
    assert rows == [("beta", "t2"), ("main", "t2"), ("zeta", "t2")]
    rows = await engine.fetch("SELECT DISTINCT trade_id FROM trade_states")
    assert rows == [("t2",)]
