"""Books in the store: the same ids may be in several, and no book is read or changed by another."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.config import RetentionConfig
from alphapulse_api.domain.books import ALL, HOME, NO_BOOK, Books
from alphapulse_api.domain.errors import Conflict, NotFound
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.portfolio.accessor import PortfolioDataAccessor
from alphapulse_api.storage.portfolio.portfolios import Portfolios
from alphapulse_api.storage.retention import forget
from alphapulse_api.storage.tables.agents import AgentDataAccessor
from alphapulse_api.storage.tables.alerts import AlertDataAccessor
from alphapulse_api.storage.tables.book_directory import BookDirectory
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests.engines import at
from tests.records import alert, ids, signal, snapshot, trade, walked

DAY = 86_400
BETA = Books(("beta",))
BOTH = Books(("main", "beta"))


async def test_trades_of_two_books_do_not_meet(engine: Engine) -> None:
    main, beta = TradeDataAccessor(engine), TradeDataAccessor(engine, BETA)
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
    stores = [AlertDataAccessor(engine, Books((book,))) for book in ("main", "beta", NO_BOOK)]
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
    main, beta = AgentDataAccessor(engine), AgentDataAccessor(engine, books=BETA)
    await main.add_signal(signal("s1", 1))
    assert (await beta.add_signal(signal("s1", 2, direction="sell")))[1]
    (one,) = await main.get_signals("m1")
    assert one["direction"] == "buy"
    (agent,) = await beta.get_agents(end_time=at(60))
    assert [found["direction"] for found in agent["signals"]] == ["sell"]


async def test_retention_deletes_the_old_records_of_every_book(engine: Engine) -> None:
    for book in ("main", "beta", "zeta"):
        trades = TradeDataAccessor(engine, Books((book,)))
        order = {"status": "open", "filled_quantity": Decimal(0)}
        await trades.add_trades([trade(f"t{n}", n, **order) for n in range(3)])
        await trades.add_trades([trade("t0", 0), trade("t2", DAY)])
    kept = RetentionConfig(*[60.0] * 7)
    assert (await forget(engine, kept, at(DAY)))["trades"] == 6
    rows = await engine.fetch("SELECT book, id FROM trades ORDER BY book")
    assert rows == [("beta", "t2"), ("main", "t2"), ("zeta", "t2")]
    rows = await engine.fetch("SELECT DISTINCT trade_id FROM trade_states")
    assert rows == [("t2",)]


async def test_one_batch_may_have_trades_of_several_books(engine: Engine) -> None:
    both, main = TradeDataAccessor(engine, BOTH), TradeDataAccessor(engine)
    batch = [trade(f"t{n}", n, book=book) for n in range(3) for book in ("main", "beta")]
    assert [new for _, new in await both.add_trades([*batch, trade("t0", 0)])] == [True] * 6 + [
        False
    ]
    assert await walked(both.get_trades, 2) == ["t2", "t2", "t1", "t1", "t0", "t0"]
    assert [t["book"] for t in await both.get_trades("BTC", sort="asc")] == ["beta", "main"] * 3
    assert ids(await main.get_trades()) == ["t2", "t1", "t0"]
    assert (await TradeDataAccessor(engine, BETA).get_trade("t0"))["book"] == "beta"
    with pytest.raises(Conflict, match="several books: beta, main"):
        await both.get_trade("t0")
    rows = await engine.fetch("SELECT book, revision FROM outbox WHERE channel = 'trades'")
    assert sorted(rows) == [("beta", 3), ("main", 3)]


async def test_all_books_are_read_together_with_alerts_of_none(engine: Engine) -> None:
    everything = AlertDataAccessor(engine, ALL)
    records = [alert(f"a{n}", n, book=book) for n, book in enumerate(("main", None, "main"))]
    assert [stored["book"] for stored, _ in await everything.add_alerts(records)] == [
        "main", None, "main",
    ]  # fmt: skip
    assert [one["book"] for one in await everything.get_alerts()] == ["main", None, "main"]
    assert (await everything.acknowledge_alert("a1", "ann"))["book"] is None
    assert (await everything.get_alert("a1"))["acknowledged"]
    assert ids(await AlertDataAccessor(engine).get_alerts()) == ["a2", "a0"]


async def test_an_agents_newest_signals_are_those_of_all_its_books(engine: Engine) -> None:
    both = AgentDataAccessor(engine, books=BOTH)
    await both.add_signals([signal(f"s{n}", n, book=("main", "beta")[n % 2]) for n in range(30)])
    (agent,) = await both.get_agents(end_time=at(60))
    assert ids(agent["signals"]) == [f"s{n}" for n in range(29, 9, -1)]
    shown = await both.get_agent("m1", end_time=at(60))
    assert ids(shown["signals"]) == ids(agent["signals"])


async def test_each_book_has_a_portfolio_of_its_own(engine: Engine) -> None:
    main = PortfolioDataAccessor(engine)
    beta = PortfolioDataAccessor(engine, books=BETA, portfolios=main.portfolios)
    await main.set_portfolio(snapshot(1, 10))
    with pytest.raises(NotFound):
        await beta.get_portfolio()
    stored, revision = await main.set_portfolio(snapshot(1, 20, book="beta"))
    assert (stored["book"], revision) == ("beta", 1)
    await beta.add_history([{**snapshot(0, 5), "positions_value": Decimal(0)}], last=False)
    assert [(await one.get_portfolio())["total_value"] for one in (main, beta)] == [10, 20]
    assert [len(await one.get_history()) for one in (main, beta)] == [1, 2]
    rows = await engine.fetch("SELECT book FROM outbox WHERE channel = 'portfolio'")
    assert sorted(rows) == [("beta",), ("main",)]


async def test_the_portfolios_of_books_used_long_ago_are_forgotten(engine: Engine) -> None:
    position = {"symbol": "X", "side": "long", "quantity": 1, "opened_at": None}
    portfolios = Portfolios(engine, 300, 0, BookDirectory(engine), most_bytes=1000)
    store = PortfolioDataAccessor(engine, portfolios=portfolios)
    names = [f"b{n}" for n in range(9)]
    for name in [*names, *names]:
        await store.set_portfolio(snapshot(1, book=name, positions=[position]))
    assert len(portfolios) < 9
    reader = PortfolioDataAccessor(engine, books=Books(names[:1]), portfolios=portfolios)
    assert (await reader.get_portfolio())["positions"][0]["symbol"] == "X"


async def test_retention_deletes_the_old_snapshots_of_every_book(engine: Engine) -> None:
    store = PortfolioDataAccessor(engine)
    position = {"symbol": "X", "side": "long", "quantity": 1, "opened_at": None}
    for book in ("main", "beta"):
        for second in (0, 1, DAY):
            held = [{**position, "quantity": second}]
            await store.set_portfolio(snapshot(second, book=book, positions=held))
    assert (await forget(engine, RetentionConfig(portfolio=60.0), at(DAY)))["portfolio"] == 4
    for books in (HOME, BETA):
        one = PortfolioDataAccessor(engine, books=books)
        assert (await one.get_portfolio())["positions"][0]["quantity"] == DAY
        assert len(await one.get_history()) == 1
