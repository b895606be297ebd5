"""`"books": ["*"]`: every book that the caller may use, now and later."""

from __future__ import annotations

import pytest

from tests.asking import ALERT, PORTFOLIO, TRADE
from tests.books import limited_key, open_books
from tests.conftest import Server
from tests.socket_client import Client, connect

CHANNELS = ("trades", "portfolio", "alerts")
EVERY = {channel: {"books": ["*"]} for channel in CHANNELS}


async def _write(server: Server, *books: str) -> None:
    for book in books:
        await server.feed.record_trade({**TRADE, "book": book})
        await server.feed.update_portfolio({**PORTFOLIO, "book": book})
        await server.feed.raise_alert({**ALERT, "book": book})


@pytest.mark.parametrize("limited", [False, True], ids=["every-book", "limited"])
async def test_every_book_is_in_the_snapshot_and_live(either: Server, limited: bool) -> None:
    await open_books(either, "beta", "gamma")
    await _write(either, "main", "beta")
    headers = await limited_key(either, "beta", "gamma") if limited else await either.login()
    before, after = ({"beta"}, {"gamma"}) if limited else ({"main", "beta"}, {"gamma", "delta"})
    async with connect(either, headers) as client:
        await client.ask(type="subscribe", channels=CHANNELS, filters=EVERY, snapshot=True)
        assert await _books(client, len(before)) == dict.fromkeys(CHANNELS, before)
        await open_books(either, "delta")
        await _write(either, "delta", "gamma")
        assert await _books(client, len(after)) == dict.fromkeys(CHANNELS, after)
        answer = await client.ask(type="subscriptions")
        assert answer["channels"]["trades"]["filters"] == {"books": ["*"]}


@pytest.mark.parametrize("books", [["*", "main"], ["**"]], ids=["with-another", "no-slug"])
async def test_it_stands_alone(server: Server, books: list[str]) -> None:
    async with connect(server, await server.login()) as client:
        answer = await client.ask(
            type="subscribe", channels=["trades"], filters={"trades": {"books": books}}
        )
    assert answer["code"] == "invalid_filter"


async def _books(client: Client, count: int) -> dict[str, set[str]]:
    """The books of the next records, by channel; so many of each channel."""
    found: dict[str, set[str]] = {}
    while sum(map(len, found.values())) < count * len(CHANNELS):
        frame = await client.receive()
        if frame["type"] != "snapshot_end":
            found.setdefault(frame["channel"], set()).add(frame["data"]["book"])
    return found
