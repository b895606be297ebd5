"""Subscriptions to the portfolio as changes: folded, they are always the portfolio itself."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.config import EventsConfig, WebSocketConfig
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.derived import valued
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.log import Event
from alphapulse_api.runtime.slices import finish
from alphapulse_api.sockets.change import compared
from tests.asking import ask
from tests.books import open_books
from tests.conftest import Serve, Server
from tests.portfolio_changes import Desk, Folded
from tests.socket_client import Client, connect, portfolio, raw
from tests.sockets.test_slow_clients import small_kernel_buffers

CHANGES = {"portfolio": {"positions": "changes"}}


@pytest.fixture(params=["memory", "redis"])
async def served(request: pytest.FixtureRequest, serve: Serve) -> Server:
    """A server on each log."""
    if request.param == "memory":
        return await serve()
    url = request.getfixturevalue("redis_url")
    return await serve(events=EventsConfig(type="redis", redis_url=url))


async def subscribe(client: Client, **members: Any) -> dict[str, Any]:
    answer = await client.ask(type="subscribe", channels=["portfolio"], options=CHANGES, **members)
    assert answer["type"] == "subscribed"
    ack: dict[str, Any] = answer["channels"]["portfolio"]
    return ack


async def shown(server: Server) -> Any:
    return (await ask(server, "GET", "/api/portfolio", await server.key())).json


async def updated(server: Server, desk: Desk) -> Any:
    await server.feed.update_portfolio(desk.next())
    return await shown(server)


@pytest.mark.parametrize("seed", [1, 2])
async def test_folded_frames_are_the_portfolio(served: Server, seed: int) -> None:
    desk, headers = Desk(seed, positions=40), await served.login("viewer")
    folded = Folded()
    async with connect(served, headers) as client:
        await subscribe(client)
        for _ in range(60):
            expected = await updated(served, desk)
            folded.take(await client.receive())
            assert folded.portfolio == expected
    assert folded.kinds[0] == "portfolio"
    assert folded.kinds.count("portfolio_changes") > 40


async def test_changes_follow_the_snapshot(served: Server) -> None:
    desk, headers = Desk(3, positions=40), await served.login("viewer")
    await updated(served, desk)
    async with connect(served, headers) as client, connect(served, headers) as later:
        for one in (client, later):
            folded = Folded()
            await subscribe(one, snapshot=True)
            folded.take(await one.receive("portfolio"))
            await one.receive("snapshot_end")
            for _ in range(3):
                expected = await updated(served, desk)
                folded.take(await one.receive("portfolio_changes"))
                assert folded.portfolio == expected
            assert folded.kinds == ["portfolio", *["portfolio_changes"] * 3]


async def test_one_key_frame_stands_for_what_was_missed(served: Server) -> None:
    desk, headers = Desk(4, positions=40), await served.login("viewer")
    async with connect(served, headers) as stays, connect(served, headers) as client:
        since = (await subscribe(stays))["cursor"]
        for _ in range(5):
            expected = await updated(served, desk)
        await stays.receive_many(5)
        folded = Folded()
        ack = await subscribe(client, since={"portfolio": since})
        assert ack["replayed"] == 1
        key = await client.receive("portfolio")
        assert key["skipped"] == 4
        folded.take(key)
        assert folded.portfolio == expected
        expected = await updated(served, desk)
        folded.take(await client.receive("portfolio_changes"))
        assert folded.portfolio == expected


async def test_a_gap_is_followed_by_a_key_frame(served: Server) -> None:
    desk, headers = Desk(5, positions=40), await served.login("viewer")
    async with connect(served, headers) as client:
        await subscribe(client)
        for _ in range(2):
            await updated(served, desk)
        assert (await client.receive_many(2))[1]["type"] == "portfolio_changes"
        await served.backend.events.gap("portfolio")
        await client.receive("resync")
        await updated(served, desk)
        await client.receive("portfolio")


async def test_what_waits_for_a_slow_client_becomes_a_key_frame(served: Server) -> None:
    """Changes wait until they are longer than the portfolio."""
    desk, headers = Desk(6, positions=300), await served.login("viewer")
    async with raw(served, headers) as client:
        small_kernel_buffers(served)
        await client.send(type="subscribe", channels=["portfolio"], options=CHANGES)
        await client.until("subscribed")
        (connection,) = served.backend.connections
        folded, waited = Folded(), 0
        for _ in range(150):
            await served.feed.update_portfolio(desk.next())
            waited = max(waited, connection.writer.waiting)
        expected = await shown(served)
        frames = []
        async for message in client.messages():
            frames.append(message)
            folded.take(message)
            if folded.portfolio["as_of"] == expected["as_of"]:
                break
        assert folded.portfolio == expected
        assert len(frames) + sum(frame.get("skipped", 0) for frame in frames) == 150
        assert any("skipped" in frame for frame in frames)
        await served.feed.update_portfolio(desk.next())
        folded.take((await client.until("portfolio_changes"))[-1])
        assert folded.portfolio == await shown(served)
    assert waited < WebSocketConfig().max_buffer


async def test_a_subscription_that_changes_its_option_misses_nothing(served: Server) -> None:
    desk, headers = Desk(7, positions=40), await served.login("viewer")
    async with connect(served, headers) as client:
        for _ in range(4):
            for options in (CHANGES, {}):
                await client.send(type="subscribe", channels=["portfolio"], options=options)
                for _ in range(3):
                    await served.feed.update_portfolio(desk.next())
        kinds = [message["type"] for message in await client.settled()]
        received = len(kinds) - kinds.count("subscribed")
        while received < 24:
            assert (await client.receive())["type"].startswith("portfolio")
            received += 1
        assert await client.settled() == []


async def test_an_update_of_ten_of_2000_positions_is_a_few_kilobytes(server: Server) -> None:
    def wide(update: int) -> dict[str, Any]:
        prices = [100 + n % 50 + (update if n < 10 else 0) for n in range(2000)]
        positions = [
            {"symbol": f"S{n}", "quantity": "1.5", "entry_price": "9", "current_price": str(price)}
            for n, price in enumerate(prices)
        ]
        return portfolio(f"{10**6 + update}.25", positions=positions)

    headers = await server.login("viewer")
    async with connect(server, headers, max_msg_size=1 << 24) as client:
        await subscribe(client)
        folded = Folded()
        sizes = []
        for update in range(2):
            await server.feed.update_portfolio(wide(update))
            text = (await client.frame()).data
            sizes.append(len(text))
            folded.take(json.loads(text))
        assert sizes[1] < 0.02 * sizes[0]
        assert folded.portfolio == await shown(server)


async def test_a_subscription_that_is_refused_leaves_the_changes_as_they_were(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any) -> Any:
        raise RuntimeError("the store is away")

    desk, headers = Desk(8, positions=40), await served.login("viewer")
    async with connect(served, headers) as client:
        await subscribe(client)
        folded = Folded()
        await updated(served, desk)
        folded.take(await client.receive("portfolio"))
        monkeypatch.setattr("alphapulse_api.sockets.snapshot.read_snapshot", fails)
        for options in ({}, CHANGES):
            answer = await client.ask(
                type="subscribe", channels=["portfolio"], options=options, snapshot=True
            )
            assert answer["code"] == "internal"
            expected = await updated(served, desk)
            folded.take(await client.receive())
            assert folded.portfolio == expected


async def test_each_book_is_compared_with_itself(served: Server) -> None:
    desks = {book: Desk(seed, positions=20) for seed, book in enumerate(("main", "beta"))}
    folded = {book: Folded() for book in desks}
    await open_books(served, "beta")
    both = {"portfolio": {"books": [*desks]}}
    async with connect(served, await served.login()) as client:
        ack = await subscribe(client, filters=both)
        for number in range(24):
            book = ("main", "beta", "beta")[number % 3]
            record = {**desks[book].next(), "book": book, "as_of": f"2026-01-01T00:00:{number}Z"}
            record = json.loads(dumps({**record, "positions": complete(record)}))
            await served.backend.events.append("portfolio", [record])
            message = await client.receive()
            folded[message["data"]["book"]].take(message)
            assert folded[book].portfolio == record
        assert all(one.kinds.count("portfolio") < len(one.kinds) / 2 for one in folded.values())
        await subscribe(client, filters=both, since={"portfolio": ack["cursor"]})
        keys = await client.receive_many(2, "portfolio")
    assert {m["data"]["book"]: m["skipped"] for m in keys} == {"main": 7, "beta": 15}
    assert [m["data"] for m in keys] == [folded["main"].portfolio, folded["beta"].portfolio]


@given(st.integers(0, 2**32))
def test_a_portfolio_of_a_hosts_own_store_folds_too(seed: int) -> None:
    desk = Desk(seed, positions=12)
    folded, base = Folded(), None
    for offset in range(12):
        record = desk.next()
        record["positions"] = complete(record)
        change = finish(compared(Event(CHANNELS["portfolio"], offset, "c", record), base, 0))
        base = change.holdings
        folded.take(json.loads(change.text))
        assert folded.portfolio == json.loads(dumps(record))


def complete(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The positions of a portfolio with their derived fields."""
    total = Decimal(record["total_value"])
    return [valued({n: decimal(v) for n, v in p.items()}, total) for p in record["positions"]]


def decimal(value: Any) -> Any:
    return Decimal(value) if isinstance(value, str) and value[0].isdigit() else value
