"""Books as a feed opens, checks and closes them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.domain.books import ALL, Books
from alphapulse_api.domain.errors import Conflict, NotFound, Unavailable, ValidationProblem
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine, Transaction
from tests.asking import ALERT, PORTFOLIO, SIGNAL, TRADE
from tests.engines import Fresh
from tests.record.conftest import House
from tests.waiting import until

OPEN_ORDER = {**TRADE, "id": "order", "status": "open"}


@pytest.fixture
def house(engine: Engine) -> House:
    return House(Accessors(engine, 300, {}))


async def refusal(work: Any, kind: type[Exception] = Conflict) -> str:
    with pytest.raises(kind) as refused:
        await work
    return str(refused.value)


async def test_only_main_makes_itself(house: House) -> None:
    feed = house.feed
    assert (await feed.record_trade(TRADE))["book"] == "main"
    beta = {**TRADE, "book": "beta"}
    for work in (
        feed.record_trade(beta),
        feed.record_trades([TRADE, beta]),
        feed.raise_alert({**ALERT, "book": "beta"}),
        feed.record_signal("m1", {**SIGNAL, "book": "beta"}),
        feed.update_portfolio({**PORTFOLIO, "book": "beta"}),
        feed.import_history(trades=[{**TRADE, "executed_at": 0}], book="beta"),
        feed.import_history(equity=[(0, 1)], book="beta"),
    ):
        detail = await refusal(work, ValidationProblem)
        assert "feed.open_book('beta', mode=...)" in detail
    report = await feed.record_trades_batch([TRADE, beta], on_error="continue")
    assert [result["status"] for result in report["results"]] == [201, 422]
    await refusal(feed.open_book("beta"), ValidationProblem)
    assert (await feed.open_book("beta", mode="paper"))["mode"] == "paper"
    assert (await feed.record_trade(beta))["book"] == "beta"
    assert len(await house.accessors.of(Books(("beta",))).trades.get_trades()) == 1


async def test_a_closed_book_takes_late_facts_and_corrections_and_nothing_new(
    house: House,
) -> None:
    feed = house.feed
    await feed.open_book("beta", mode="paper")
    order, done = {**OPEN_ORDER, "book": "beta"}, {**TRADE, "id": "done", "book": "beta"}
    await feed.record_trades([order, done])
    alert = await feed.raise_alert({**ALERT, "book": "beta"})
    assert (await feed.open_book("beta", closed=True))["closed_at"] is not None
    late = [{**order, "status": "filled"}, {**done, "fee": 1}, done]
    assert [trade["book"] for trade in await feed.record_trades(late)] == ["beta"] * 3
    await feed.record_trade({**TRADE, "id": "bust", "corrects": "done", "book": "beta"})
    await feed.resolve_alert(alert["id"])
    new = {**TRADE, "book": "beta"}
    for work in (
        feed.record_trade(new),
        feed.record_trades([done, new]),
        feed.raise_alert({**ALERT, "book": "beta"}),
        feed.report_alerts([{**ALERT, "id": "r", "created_at": 0, "book": "beta"}]),
        feed.record_signal("m1", {**SIGNAL, "book": "beta"}),
        feed.update_portfolio({**PORTFOLIO, "book": "beta"}),
        feed.import_history(equity=[(0, 1)], book="beta"),
    ):
        assert "is closed" in await refusal(work)
    report = await feed.record_trades_batch([done, new, TRADE], on_error="continue")
    assert [result["status"] for result in report["results"]] == [200, 409, 201]
    assert (await feed.open_book("beta", closed=False))["closed_at"] is None
    await feed.record_trade(new)


async def test_the_first_record_fixes_mode_and_currency(house: House) -> None:
    feed = house.feed
    await feed.open_book("beta", mode="paper", currency="EUR")
    await feed.open_book("beta", mode="backtest", currency="USD", title="mistyped before")
    stored = await feed.update_portfolio({**PORTFOLIO, "book": "beta"})
    assert stored["currency"] == "USD"
    assert "it is backtest" in await refusal(feed.open_book("beta", mode="live"))
    assert "it is USD" in await refusal(feed.open_book("beta", currency="EUR"))
    assert "is in USD" in await refusal(
        feed.update_portfolio({**PORTFOLIO, "book": "beta", "currency": "EUR"})
    )
    await feed.update_portfolio({**PORTFOLIO, "currency": "JPY"})
    assert (await house.accessors.books.get_book("main"))["currency"] == "JPY"
    assert (await feed.update_portfolio(PORTFOLIO))["currency"] == "JPY"
    await refusal(feed.import_history(equity=[(0, 1)], currency="USD"))


async def test_a_callers_books_are_its_only_ones(house: House) -> None:
    await house.feed.open_book("beta", mode="paper")
    feed = house.feed.within(Books(("beta",)))
    assert (await feed.record_trade(TRADE))["book"] == "beta"
    for work in (
        feed.record_trade({**TRADE, "book": "main"}),
        feed.raise_alert({**ALERT, "book": ""}),
        feed.open_book("gamma", mode="paper"),
    ):
        await refusal(work, NotFound)
    results = await feed.record_trades_batch([{**TRADE, "book": "main"}], on_error="continue")
    assert results["results"][0]["status"] == 404


async def test_totals_never_add_different_modes_or_currencies(house: House) -> None:
    feed = house.feed
    for book, mode, currency in (
        ("a", "live", "USD"), ("b", "live", "EUR"), ("c", "paper", "USD"), ("d", "live", "USD"),
        ("e", "live", "USD"),
    ):  # fmt: skip
        await feed.open_book(book, mode=mode, currency=currency)
        await feed.update_portfolio({"total_value": "1.10", "cash": 1, "book": book})
    await feed.open_book("e", closed=True)
    shown = await house.accessors.of(ALL).portfolio.get_portfolios()
    assert [(one["book"], one["total_value"], one["stale"]) for one in shown["portfolios"]] == [
        ("a", Decimal("1.10"), False), ("b", Decimal("1.10"), False), ("c", Decimal("1.10"), False),
        ("d", Decimal("1.10"), False), ("e", Decimal("1.10"), False), ("main", None, None),
    ]  # fmt: skip
    assert [
        (total["mode"], total["currency"], total["books"], total["total_value"], total["cash"])
        for total in shown["totals"]
    ] == [
        ("live", "EUR", 1, Decimal("1.10"), 1), ("live", "USD", 2, Decimal("2.20"), 2),
        ("paper", "USD", 1, Decimal("1.10"), 1),
    ]  # fmt: skip
    assert shown.changes_in is not None


async def test_a_book_closes_between_records_and_not_before_earlier_ones(fresh: Fresh) -> None:
    async with fresh() as engine:
        main, other = House(Accessors(engine, 300, {})), House(Accessors(engine, 300, {}))
        await main.feed.open_book("beta", mode="paper")
        batch = [{**TRADE, "book": "beta"} for _ in range(5)]

        async def write() -> None:
            while True:
                try:
                    await other.feed.record_trades(batch)
                except Conflict:
                    return

        writers = [asyncio.create_task(write()) for _ in range(4)]
        beta = main.accessors.of(Books(("beta",))).trades
        await until(lambda: beta.get_trades(limit=100))
        await main.feed.open_book("beta", closed=True)
        before = await engine.fetch("SELECT count(*) FROM trades")
        await asyncio.gather(*writers)
        assert await engine.fetch("SELECT count(*) FROM trades") == before


async def test_no_book_opens_while_an_id_can_be_in_one_book_only(
    house: House, engine: Engine
) -> None:
    async def left(transaction: Transaction) -> None:
        await transaction.execute("INSERT INTO backfills (name) VALUES ('trades')")

    await engine.write(left)
    detail = await refusal(house.feed.open_book("beta", mode="paper"), Unavailable)
    assert "rows of trades are being migrated" in detail
    assert (await house.feed.record_trade(TRADE))["book"] == "main"
