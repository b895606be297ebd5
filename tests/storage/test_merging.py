"""Listings over many books: in order, page by page, each book read by its index."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from alphapulse_api.domain.books import Books
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.query import ALTERNATIVES
from alphapulse_api.storage.tables.alerts import AlertDataAccessor
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests.engines import Fresh
from tests.plans import Recorder, nodes
from tests.records import alert, ids, trade, walked

BOOKS = [f"book-{number}" for number in range(2 * ALTERNATIVES)]
MANY = Books(BOOKS)
ROWS = 600
OTHERS = 9000  # PostgreSQL scans a small table


def _book(number: int) -> str:
    """Half of the records are in one book, and the last books have few."""
    return BOOKS[0] if number % 2 else BOOKS[number * number % len(BOOKS)]


def _symbol(number: int) -> str:
    return "RARE" if number % 50 == 0 else "BTC"


@pytest.fixture
async def filled(fresh: Fresh) -> AsyncIterator[Engine]:
    """Records of many books, some at the same time, and of a book that nobody asks for."""
    async with fresh() as engine:
        trades = [
            trade(f"t{number:03}", number // 3, book=_book(number), symbol=_symbol(number))
            for number in range(ROWS)
        ]
        others = [trade(f"o{number}", number, book="other") for number in range(OTHERS)]
        await TradeDataAccessor(engine).add_trades([*trades, *others])
        alerts = [alert(f"a{number:03}", number, book=_book(number)) for number in range(60)]
        await AlertDataAccessor(engine).add_alerts(alerts)
        yield engine


@pytest.mark.parametrize("sort", [None, "asc"])
@pytest.mark.parametrize("limit", [7, 150])
async def test_pages_have_all_records_in_order(
    filled: Engine, sort: str | None, limit: int
) -> None:
    listing = TradeDataAccessor(filled, MANY).get_trades
    expected = [f"t{number:03}" for number in range(ROWS)]
    found = await walked(listing, limit, sort=sort)
    assert found == (expected if sort else expected[::-1])


async def test_filters_apply_within_each_book(filled: Engine) -> None:
    listing = TradeDataAccessor(filled, MANY).get_trades
    rare = [f"t{number:03}" for number in reversed(range(0, ROWS, 50))]
    assert await walked(listing, 4, symbol="RARE") == rare
    assert await walked(listing, 4, symbol=["RARE", "NONE"]) == rare
    assert ids(await listing(symbol="NONE")) == []


async def test_alerts_of_many_books_are_in_order(filled: Engine) -> None:
    listing = AlertDataAccessor(filled, MANY).get_alerts
    expected = [f"a{number:03}" for number in reversed(range(60))]
    assert await walked(listing, 9) == expected
    assert await walked(listing, 9, acknowledged=False) == expected


async def test_each_book_is_read_by_its_index(filled: Engine) -> None:
    if filled.takes_arrays:
        await filled.write(lambda transaction: transaction.fetch("ANALYZE"))
    recorder = Recorder(filled)
    accessor: Any = recorder
    page = await TradeDataAccessor(accessor, MANY).get_trades(limit=20)
    assert len(page) == 20
    for sql, args in recorder.asked:
        if filled.takes_arrays:
            ((plan,),) = await filled.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *args)
            for node in nodes(json.loads(plan)[0]["Plan"]):
                assert node["Node Type"] != "Seq Scan", plan
                assert node["Actual Rows"] * node["Actual Loops"] < ROWS / 2, plan
        else:
            steps = [row[3] for row in await filled.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)]
            tables = [step for step in steps if " trades" in step]
            assert tables
            assert all(step.startswith("SEARCH") for step in tables), steps
