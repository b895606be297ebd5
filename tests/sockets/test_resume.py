"""The join of past and present: replays, snapshots and live events, none missing, none twice."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType

from alphapulse_api.config import EventsConfig
from tests.conftest import Serve, Server
from tests.socket_client import Client, alert, connect, point, portfolio, trade


def snapshots(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [m["data"] for m in messages if m.get("snapshot")]


# -- resuming -------------------------------------------------------------------------------------


async def test_since_replays_what_was_missed_across_a_reconnect(server: Server) -> None:
    headers = await server.login("viewer")
    async with connect(server, headers) as client:
        await client.ask(type="subscribe", channels=["trades", "alerts"])
        await server.feed.record_trade(trade("seen"))
        cursor = (await client.receive("trade"))["cursor"]
    await server.feed.record_trades([trade(f"missed {n}") for n in range(12)])
    await server.feed.raise_alert(alert("not asked for"))
    async with connect(server, headers) as client:
        ack = await client.ask(
            type="subscribe", channels=["trades", "alerts"], since={"trades": cursor}
        )
        assert ack["channels"]["trades"]["resumed"] is True
        assert ack["channels"]["trades"]["replayed"] == 12
        assert set(ack["channels"]["alerts"]) == {"cursor"}
        await server.feed.record_trade(trade("live"))
        symbols = [m["data"]["symbol"] for m in await client.settled()]
    assert symbols == [*(f"missed {n}" for n in range(12)), "live"]


@pytest.mark.parametrize("code", [errno.ENOBUFS, errno.EIO, errno.EPIPE])
async def test_an_event_that_cannot_be_sent_is_replayed_after_a_reconnect(
    server: Server, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    headers = await server.login("viewer")
    write, failing = os.write, set[int]()

    def fail(descriptor: int, data: bytes) -> int:
        if descriptor in failing:
            raise OSError(code, os.strerror(code))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", fail)
    async with connect(server, headers) as client, connect(server, headers) as other:
        for one in (client, other):
            ack = await one.ask(type="subscribe", channels=["trades"])
        cursor = ack["channels"]["trades"]["cursor"]
        failing.add(broken_end(server, client))
        await server.feed.record_trade(trade("lost"))
        assert (await client.frame()).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        assert client.ws.close_code == 1006
        failing.clear()
        assert (await other.receive("trade"))["data"]["symbol"] == "lost"
    async with connect(server, headers) as client:
        ack = await client.ask(type="subscribe", channels=["trades"], since={"trades": cursor})
        assert ack["channels"]["trades"]["replayed"] == 1
        assert (await client.receive("trade"))["data"]["symbol"] == "lost"


def broken_end(server: Server, client: Client) -> int:
    """The descriptor of the server's end of the client's socket."""
    port = client.ws.get_extra_info("sockname")[1]
    for connection in server.backend.connections:
        if connection.writer.transport.get_extra_info("peername")[1] == port:
            return int(connection.writer.transport.get_extra_info("socket").fileno())
    raise AssertionError("no such socket")


async def test_every_cursor_a_client_is_given_resumes(server: Server) -> None:
    headers = await server.login("viewer")
    async with connect(server, headers) as client:
        ack = await client.ask(type="subscribe", channels=["trades"])
        await server.feed.record_trades([trade(str(n)) for n in range(5)])
        cursors = [ack["channels"]["trades"]["cursor"]]
        cursors += [m["cursor"] for m in await client.settled()]
        for n, cursor in enumerate(cursors):
            since = {"trades": cursor}
            ack = await client.ask(type="subscribe", channels=["trades"], since=since)
            assert ack["channels"]["trades"]["replayed"] == 5 - n
            again = [m["data"]["symbol"] for m in await client.settled()]
            assert again == [str(i) for i in range(n, 5)]


@pytest.mark.parametrize("cursor", ["", "garbage", "00000000-0", "x" * 256, "{epoch}-99"])
async def test_a_cursor_that_is_no_place_resumes_nothing(server: Server, cursor: str) -> None:
    epoch = server.backend.events.cursor("trades").rpartition("-")[0]
    await server.feed.record_trade(trade("old"))
    async with connect(server, await server.login("viewer")) as client:
        since = {"trades": cursor.replace("{epoch}", epoch)}
        ack = await client.ask(type="subscribe", channels=["trades"], since=since)
        assert ack["channels"]["trades"]["resumed"] is False
        assert ack["channels"]["trades"]["replayed"] == 0
        assert ack["channels"]["trades"]["cursor"] != since["trades"]
        await server.feed.record_trade(trade("new"))
        assert [m["data"]["symbol"] for m in await client.settled()] == ["new"]


async def test_what_the_log_has_lost_is_not_resumed(serve: Serve) -> None:
    server = await serve(events=EventsConfig(history_size=5))
    start = server.backend.events.cursor("trades")
    await server.feed.record_trades([trade(str(n)) for n in range(6)])
    async with connect(server, await server.login("viewer")) as client:
        ack = await client.ask(
            type="subscribe", channels=["trades"], since={"trades": start}, snapshot=True
        )
        assert ack["channels"]["trades"]["resumed"] is False
        assert len(snapshots(await client.settled())) == 6, "the snapshot comes instead"


async def test_a_resumed_channel_needs_no_snapshot(server: Server) -> None:
    await server.feed.record_trade(trade("old"))
    cursor = server.backend.events.cursor("trades")
    await server.feed.record_trade(trade("missed"))
    async with connect(server, await server.login("viewer")) as client:
        since = {"trades": cursor}
        await client.ask(type="subscribe", channels=["trades"], since=since, snapshot=True)
        (event,) = await client.settled()
    assert event["data"]["symbol"] == "missed"
    assert "snapshot" not in event


@pytest.mark.parametrize(
    ("channel", "path"),
    [
        ("trades", "/api/trades"),
        ("alerts", "/api/alerts"),
        ("metrics", "/api/metrics/risk"),
        ("portfolio", "/api/portfolio"),
    ],
)
async def test_a_gets_stream_cursor_is_a_place_in_its_channel(
    server: Server, channel: str, path: str
) -> None:
    headers = await server.login("viewer")
    records: dict[str, Callable[[], Awaitable[Any]]] = {
        "trades": lambda: server.feed.record_trade(trade()),
        "alerts": lambda: server.feed.raise_alert(alert()),
        "metrics": lambda: server.feed.record_metrics(point()),
        "portfolio": lambda: server.feed.update_portfolio(portfolio()),
    }
    await records[channel]()
    for _ in range(2):  # the second from the cache
        async with server.request("GET", path, headers=headers) as response:
            cursor = response.headers["X-Stream-Cursor"]
    await records[channel]()
    async with connect(server, headers) as client:
        ack = await client.ask(type="subscribe", channels=[channel], since={channel: cursor})
        assert ack["channels"][channel]["resumed"] is True
        assert ack["channels"][channel]["replayed"] == 1


# -- nothing missing, nothing twice ---------------------------------------------------------------
