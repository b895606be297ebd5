"""The books of a question, a change and a stream of the client."""

from __future__ import annotations

import pytest

from alphapulse_api.client import DashboardClient
from alphapulse_api.client.errors import ApiError
from tests.asking import ALERT, POINT, PORTFOLIO, SIGNAL, TRADE
from tests.books import limited_key, open_books
from tests.conftest import PASSWORD, Server


async def test_questions_are_about_the_books_that_are_named(server: Server) -> None:
    await open_books(server, "beta")
    for book in ("main", "beta"):
        await server.feed.record_trade({**TRADE, "id": "x1", "book": book})
        await server.feed.raise_alert({**ALERT, "id": "x1", "book": book})
        await server.feed.record_signal("x1", {**SIGNAL, "id": "x1", "book": book})
        await server.feed.update_portfolio({**PORTFOLIO, "book": book})
        await server.feed.record_metrics({**POINT, "labels": {"book": book}})
    await server.dashboard.accounts.set_user("ann", "operator", PASSWORD, ["main", "beta"])
    async with DashboardClient(server.url, username="ann", password=PASSWORD) as client:
        assert (await client.me())["books"] == ["main", "beta"]
        assert [t["book"] async for t in client.trades()] == ["main"]
        for books in (["beta", "main"], "*"):
            assert {t["book"] async for t in client.trades(book=books)} == {"main", "beta"}
        assert len([a async for a in client.alerts()]) == 2
        assert [s["book"] async for s in client.signals("x1", book="beta")] == ["beta"]
        assert [p["labels"] async for p in client.metrics("risk", book="beta")] == [
            {"book": "beta"}
        ]
        assert (await client.portfolio(book="beta"))["book"] == "beta"
        with pytest.raises(ApiError, match="several books: beta, main"):
            await client.trade("x1")
        assert (await client.trade("x1", book="beta"))["book"] == "beta"
        assert (await client.acknowledge_alert("x1", book="beta"))["book"] == "beta"
        with pytest.raises(ApiError, match="no book 'nope'"):
            await client.portfolio(book="nope")


async def test_a_stream_is_about_the_books_that_its_filters_name(server: Server) -> None:
    await open_books(server, "beta")
    key = (await limited_key(server, "main", "beta"))["X-API-Key"]
    filters = {"trades": {"books": ["beta"]}}
    async with (
        DashboardClient(server.url, api_key=key) as client,
        client.stream("trades", filters=filters) as stream,
    ):
        for book in ("main", "beta"):
            await server.feed.record_trade({**TRADE, "id": "x1", "book": book})
        async for event in stream:
            assert event.data["book"] == "beta"  # type: ignore[union-attr]
            break
