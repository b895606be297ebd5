"""The join of past and present under load: no event is missing, and none comes twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.record.feed import Feed
from alphapulse_api.sockets import snapshot
from tests.conftest import Server
from tests.socket_client import alert, connect, point, trade
from tests.waiting import until

T0 = datetime(2026, 1, 1, tzinfo=UTC)


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
