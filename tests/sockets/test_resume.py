"""The join of past and present: replays, snapshots and live events, none missing, none twice."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import WSMsgType

from alphapulse_api.config import EventsConfig
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.record.feed import Feed
from alphapulse_api.sockets import snapshot
from tests.conftest import Serve, Server
from tests.socket_client import Client, alert, connect, point, portfolio, trade
from tests.waiting import until

T0 = datetime(2026, 1, 1, tzinfo=UTC)


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


class Writer:
    """Writes to the feed until it is stopped; knows what it wrote, in order."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.count = 0
        self._task: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()

    async def __aenter__(self) -> Writer:
        self._task = asyncio.create_task(self._write())
        await self._begun.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _write(self) -> None:
        while True:
            size = 1 + self.count % 150
            numbers = range(self.count, self.count + size)
            self.count += size
            await self.feed.record_trades(
                [
                    trade("AB"[n % 2], id=f"{n:08}", executed_at=T0 + timedelta(seconds=n))
                    for n in numbers
                ]
            )
            self._begun.set()


def numbers(messages: list[dict[str, Any]]) -> list[int]:
    return [int(m["data"]["id"]) for m in messages]


async def test_a_snapshot_under_fire_joins_live_events_without_a_seam(server: Server) -> None:
    headers = await server.login("viewer")
    async with Writer(server.feed):
        for _ in range(12):
            async with connect(server, headers) as client:
                await client.ask(type="subscribe", channels=["trades"], snapshot=True)
                messages = await client.receive_many(400, "trade")
            snapshot = numbers([m for m in messages if "snapshot" in m])
            live = numbers([m for m in messages if "snapshot" not in m])
            assert snapshot == list(range(snapshot[0], snapshot[0] + len(snapshot)))
            assert live == sorted(live)
            # What was traded while the snapshot was read may be older than its fifty.
            assert sorted(snapshot + live) == list(
                range(min(snapshot + live), min(snapshot + live) + 400)
            )


async def test_a_resume_under_fire_joins_live_events_without_a_seam(server: Server) -> None:
    headers = await server.login("viewer")
    async with Writer(server.feed) as writer:
        got: list[int] = []
        cursor = server.backend.events.cursor("trades")
        for _ in range(12):
            async with connect(server, headers) as client:
                ack = await client.ask(
                    type="subscribe", channels=["trades"], since={"trades": cursor}
                )
                assert ack["channels"]["trades"]["resumed"] is True
                messages = await client.receive_many(150, "trade")
                got += numbers(messages)
                cursor = messages[-1]["cursor"]
        assert got == list(range(got[0], got[0] + len(got)))
        assert writer.count > len(got)


async def test_a_get_under_fire_joins_its_stream_without_a_gap(server: Server) -> None:
    headers = await server.login("viewer")
    async with Writer(server.feed):
        for _ in range(8):
            path = "/api/trades?limit=1"
            async with server.request("GET", path, headers=headers) as response:
                ((newest,), cursor) = (
                    await response.json() or [{"id": "-1"}],
                    response.headers["X-Stream-Cursor"],
                )
            async with connect(server, headers) as client:
                await client.ask(type="subscribe", channels=["trades"], since={"trades": cursor})
                got = numbers(await client.receive_many(100, "trade"))
            assert got == list(range(got[0], got[0] + 100))
            assert got[0] <= int(newest["id"]) + 1


async def test_a_change_of_filters_under_fire_loses_and_repeats_nothing(server: Server) -> None:
    async with connect(server, await server.login("viewer")) as client:
        await client.ask(type="subscribe", channels=["trades"])
        got: list[int] = []
        async with Writer(server.feed):
            for round_ in range(10):
                both = {"trades": {"symbols": ["A", "B"]}} if round_ % 2 else {}
                await client.send(type="subscribe", channels=["trades"], filters=both)
                while (message := await client.receive())["type"] == "trade":
                    got += numbers([message])
                assert message["type"] == "subscribed", message
                got += numbers(await client.receive_many(200, "trade"))
        assert got == list(range(len(got)))


async def test_a_refused_subscribe_leaves_the_one_before_without_a_gap(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*args: Any) -> Any:
        raise Unavailable("the database is away", 1)

    monkeypatch.setattr(snapshot, "read_snapshot", fail)
    async with connect(server, await server.login("viewer")) as client:
        ack = await client.ask(type="subscribe", channels=["trades"])
        since = {"trades": ack["channels"]["trades"]["cursor"]}
        recorded = [trade(str(n)) for n in range(3000)]
        feeding = asyncio.create_task(server.feed.record_trades(recorded))
        messages = [await client.receive("trade")]
        # Most of them still wait for their dispatch.
        channels = ["trades", "alerts"]
        await client.send(type="subscribe", channels=channels, since=since, snapshot=True)
        await feeding
        await until(lambda: not server.backend.connections.fanout.pending)
        messages += await client.settled()
    assert [m["code"] for m in messages if m["type"] == "error"] == ["internal"]
    got = [m["data"]["symbol"] for m in messages if m["type"] == "trade"]
    assert got == [one["symbol"] for one in recorded]


async def test_changes_of_an_alert_under_fire_end_in_its_last_state(server: Server) -> None:
    headers = await server.login("viewer")
    feed = server.feed

    async def live(n: int) -> None:
        await feed.raise_alert(alert(id=str(n)))
        await feed.acknowledge_alert(str(n), "ann")
        await feed.resolve_alert(str(n))

    stages = ["active", "acknowledged", "resolved"]
    for first in range(0, 60, 20):
        lives = asyncio.gather(*(live(n) for n in range(first, first + 20)))
        async with connect(server, headers) as client:
            await client.ask(type="subscribe", channels=["alerts"], snapshot=True)
            await lives
            states_of: dict[str, list[str]] = {}
            for m in await client.settled():
                states_of.setdefault(m["data"]["id"], []).append(m["data"]["status"])
        for states in states_of.values():
            assert states == stages[stages.index(states[0]) :]


async def test_points_under_load_are_published_once(server: Server) -> None:
    headers = await server.login("viewer")

    async def write(first: int) -> None:
        for n in range(first, first + 50):
            await server.feed.record_metrics(
                [point(str(s), n, timestamp=T0 + timedelta(seconds=n)) for s in range(4)]
            )

    for first in range(0, 200, 50):
        writing = asyncio.create_task(write(first))
        async with connect(server, headers) as client:
            await client.ask(type="subscribe", channels=["metrics"], snapshot=True)
            await writing
            messages = await client.settled()
        for series in "0123":
            values = [m["data"]["value"] for m in messages if m["data"]["name"] == series]
            new = [v for v in values if v >= first]
            assert sorted(new) == [float(n) for n in range(first + 50 - len(new), first + 50)]


async def test_cursors_grow_with_the_channel(server: Server) -> None:
    events = server.backend.events
    async with connect(server, await server.login("viewer")) as client:
        ack = await client.ask(type="subscribe", channels=["trades"])
        await server.feed.record_trades([trade(str(n)) for n in range(300)])
        cursors = [ack["channels"]["trades"]["cursor"]]
        cursors += [m["cursor"] for m in await client.receive_many(300, "trade")]
    left = [len(events.since("trades", cursor) or ()) for cursor in cursors]
    assert left == list(range(300, -1, -1))


async def test_many_clients_get_the_same_events(server: Server) -> None:
    headers = await server.login("viewer")

    async def watch(ready: asyncio.Event, count: int) -> list[int]:
        async with connect(server, headers) as client:
            await client.ask(type="subscribe", channels=["trades"])
            ready.set()
            return numbers(await client.receive_many(count, "trade"))

    ready = [asyncio.Event() for _ in range(20)]
    watching = asyncio.gather(*(watch(event, 500) for event in ready))
    for event in ready:
        await event.wait()
    await server.feed.record_trades([trade(id=str(n)) for n in range(500)])
    assert await watching == [list(range(500))] * 20
