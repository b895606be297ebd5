"""Profit by group, over REST, on either engine."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from alphapulse_api.client import DashboardClient
from tests.asking import PORTFOLIO, ask, places
from tests.conftest import Server

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)  # a Friday
GROUPS = {
    "symbol": ("symbol", ["AAPL", "MSFT"]),
    "strategy": ("strategy", [None, "trend"]),
    "agent": ("agent_id", ["ann", "bob"]),
    "day": ("day", ["2026-03-06", "2026-03-08"]),
    "week": ("week", ["2026-03-02"]),
    "month": ("month", ["2026-03-01"]),
}


def fill(id_: str, hours: float, side: str, price: str, **more: Any) -> dict[str, Any]:
    at = (NOON + timedelta(hours=hours)).isoformat()
    trade = {"id": id_, "symbol": "AAPL", "side": side, "quantity": "10", "price": price}
    return {**trade, "executed_at": at, "agent_id": "ann", "fee": "1", "fee_currency": "USD"} | more


async def sums(server: Server, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await server.json("/api/pnl", await server.key(), **params)
    return found


@pytest.fixture
async def filled(either: Server) -> Server:
    """A win of AAPL on Friday, and a loss of MSFT, sold short, on Sunday."""
    await either.feed.record_trades([
        fill("t1", 0, "buy", "100"),
        fill("t2", 1, "sell", "104.5", fee="0.5", fee_currency="BNB"),
        fill("t3", 2, "sell", "50", symbol="MSFT", agent_id="bob", strategy="trend"),
        fill("t4", 50, "buy", "51.25", symbol="MSFT", agent_id="bob", strategy="trend"),
    ])  # fmt: skip
    return either


async def test_a_row_has_profit_fees_and_rates(filled: Server) -> None:
    await filled.feed.open_book("main", currency="USD")
    won, lost = await sums(filled)
    assert won == {
        "symbol": "AAPL", "mode": "live", "currency": "USD", "book": "main", "round_trips": 1,
        "wins": 1, "losses": 0, "win_rate": 1.0, "profit": "45", "gross_profit": "45",
        "gross_loss": "0", "profit_factor": None, "average_profit": "45", "average_win": "45",
        "average_loss": None, "opening_fees": [{"currency": "USD", "amount": "1"}],
        "closing_fees": [{"currency": "BNB", "amount": "0.5"}], "net_profit": "44",
    }  # fmt: skip
    assert (lost["profit"], lost["net_profit"], lost["win_rate"]) == ("-12.5", "-14.5", 0)
    (both,) = await sums(filled, group_by="month")
    assert (both["profit"], both["profit_factor"]) == ("32.5", 3.6)
    assert both["opening_fees"] == [{"currency": "USD", "amount": "2"}]


@pytest.mark.parametrize("group", GROUPS)
async def test_groups(filled: Server, group: str) -> None:
    field, expected = GROUPS[group]
    assert [row[field] for row in await sums(filled, group_by=group)] == expected


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"symbol": "MSFT"}, ["-12.5"]),
        ({"agent_id": "ann"}, ["45"]),
        ({"strategy": "none"}, []),
        ({"start_time": "2026-03-06T13:00:00Z", "end_time": "2026-03-08T14:00:00Z"}, ["45"]),
        ({"end_time": "2026-03-06T13:00:00Z"}, []),
    ],
)
async def test_filters_choose_closing_trades(
    filled: Server, params: dict[str, str], expected: list[str]
) -> None:
    assert [row["profit"] for row in await sums(filled, **params)] == expected


async def test_days_begin_in_the_time_zone(filled: Server) -> None:
    await filled.feed.record_trade(fill("t5", 60, "buy", "1", symbol="MSFT"))
    await filled.feed.record_trade(fill("t6", 60.5, "sell", "2", symbol="MSFT"))
    rows = await sums(filled, group_by="week", timezone="Asia/Tokyo")
    assert [(row["week"], row["profit"]) for row in rows] == [
        ("2026-03-02", "32.5"),
        ("2026-03-09", "10"),
    ]


async def test_modes_and_currencies_are_never_added(filled: Server) -> None:
    for book, more in (("paper", {"mode": "paper"}), ("euro", {"mode": "live", "currency": "EUR"})):
        await filled.feed.open_book(book, **more)
        for id_, hours, side, price in (("t1", 0, "buy", "1"), ("t2", 1, "sell", "2")):
            await filled.feed.record_trade(fill(id_, hours, side, price, book=book))
    assert [row["profit"] for row in await sums(filled, group_by="month")] == ["32.5"]
    rows = await sums(filled, group_by="month", book="*")
    told = [(row["mode"], row["currency"], row["book"], row["profit"]) for row in rows]
    assert told == [
        ("live", None, "main", "32.5"),
        ("live", "EUR", "euro", "10"),
        ("paper", None, "paper", "10"),
    ]


async def test_a_cached_answer_follows_trades_and_the_book(filled: Server) -> None:
    caller = await filled.key()

    async def rows(state: str, path: str = "/api/pnl?symbol=AAPL") -> list[Any]:
        answer = await ask(filled, "GET", path, caller)
        assert answer.headers["X-Cache"] == state
        found: list[Any] = answer.json
        return found

    async def currency_of_book() -> Any:
        (book,) = (await ask(filled, "GET", "/api/books", caller)).json
        return book["currency"]

    assert await currency_of_book() is None
    assert (await rows("MISS"))[0]["currency"] is None
    assert (await rows("HIT"))[0]["currency"] is None
    await filled.feed.update_portfolio({**PORTFOLIO, "currency": "USD"})
    assert (await rows("MISS"))[0]["currency"] == "USD"
    assert await currency_of_book() == "USD"
    # A late sale, and a correction of the first one.
    await filled.feed.record_trade(fill("late", 0.5, "sell", "101", quantity="4"))
    await filled.feed.record_trade(fill("t2b", 1, "sell", "105", corrects="t2", quantity="6"))
    (row,) = await rows("MISS")
    assert (row["round_trips"], row["profit"]) == (2, "34")
    assert await rows("HIT") == [row]


async def test_every_format_has_the_same_rows(filled: Server) -> None:
    rows = await sums(filled)
    caller = await filled.key()

    async def body(form: str) -> bytes:
        answer = await ask(filled, "GET", f"/api/pnl?format={form}", caller)
        assert answer.status == 200, answer.body
        return answer.body

    assert [json.loads(line) for line in (await body("ndjson")).splitlines()] == rows
    table = list(csv.DictReader(io.StringIO((await body("csv")).decode())))
    assert [line["profit"] for line in table] == [row["profit"] for row in rows]
    assert [line["symbol"] for line in table] == ["AAPL", "MSFT"]
    arrow = pa.ipc.open_stream(await body("arrow")).read_all()
    assert arrow["round_trips"].to_pylist() == [1, 1]
    assert arrow["profit_factor"].to_pylist() == [None, 0.0]


async def test_the_client_reads_decimals(filled: Server) -> None:
    key = (await filled.key())["X-API-Key"]
    async with DashboardClient(filled.url, api_key=key) as client:
        row = (await client.pnl(group_by="agent", agent_id="ann"))[0]
        assert (row["agent_id"], row["profit"]) == ("ann", Decimal(45))
        assert row["closing_fees"] == [{"currency": "BNB", "amount": Decimal("0.5")}]
        days = [row["day"] async for row in client.pnl(group_by="day", limit=1)]
    assert days == ["2026-03-06"]


@pytest.mark.parametrize(
    "query", ["group_by=hour", "timezone=Mars/Base", "cursor=x", "status=filled", "symbol="]
)
async def test_what_cannot_be_answered_is_named(server: Server, query: str) -> None:
    answer = await ask(server, "GET", f"/api/pnl?{query}", await server.key())
    assert places(answer) == [query.partition("=")[0]]
