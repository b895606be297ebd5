"""Snapshots are shared by who asks for the same at once, and by nobody else."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import EventsConfig
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.record.relay import Relay
from alphapulse_api.sockets import snapshot as module
from alphapulse_api.sockets.connection import LATE_SECONDS
from tests import view
from tests.clock import LoopClock
from tests.conftest import Serve, Server
from tests.event_logs import behind
from tests.proxy import proxied
from tests.socket_client import Client, alert, connect, point, trade
from tests.waiting import until

CLIENTS = 100
LONGER = 2 * LATE_SECONDS + 1  # seconds, after which no snapshot is kept


class Reading:
    """The reading of snapshots, counted, and held up once it has its rows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.done = asyncio.Semaphore(0)
        self.goes_on = asyncio.Event()
        self.failure: Exception | None = None
        self._read = module.read_snapshot
        monkeypatch.setattr(module, "read_snapshot", self)

    async def __call__(self, *args: Any) -> Any:
        self.count += 1
        rows = await self._read(*args)
        self.done.release()
        await self.goes_on.wait()
        if self.failure is not None:
            raise self.failure
        return rows


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    return Reading(monkeypatch)


def subscriptions(server: Server, channel: str) -> list[Any]:
    return list(server.backend.connections.fanout.subscriptions(channel))


async def crowd(server: Server, stack: AsyncExitStack) -> list[Client]:
    headers = await server.login("viewer")
    return await asyncio.gather(
        *(stack.enter_async_context(connect(server, headers)) for _ in range(CLIENTS))
    )


async def ask(server: Server, clients: list[Client], channel: str, **more: Any) -> None:
    """Ask for a snapshot with each client; returns once the server has them all."""
    before = len(subscriptions(server, channel))
    for client in clients:
        await client.send(type="subscribe", channels=[channel], snapshot=True, **more)
    await until(lambda: len(subscriptions(server, channel)) == before + len(clients))


async def test_a_hundred_who_come_at_once_cost_one_reading(
    server: Server, reading: Reading
) -> None:
    for n in range(30):
        await server.feed.raise_alert(alert(id=f"a{n:02}"))
    async with AsyncExitStack() as stack:
        clients = await crowd(server, stack)
        await ask(server, clients, "alerts")
        await reading.done.acquire()
        # What comes while it is read is held by each of them.
        await server.feed.acknowledge_alert("a03", "ann")
        reading.goes_on.set()
        acks = [await client.receive("subscribed") for client in clients]
        received = [await client.receive_many(31, "alert") for client in clients]
        assert reading.count == 1
        assert len({id(subscription.seen) for subscription in subscriptions(server, "alerts")}) == 1
        assert all(ack["channels"] == acks[0]["channels"] for ack in acks)
        assert all(messages == received[0] for messages in received)
        assert [m["data"]["id"] for m in received[0][:30]] == [f"a{n:02}" for n in range(30)]
        assert [m["data"]["status"] for m in received[0][30:]] == ["acknowledged"]
        await server.feed.resolve_alert("a03")
        for client in clients:
            assert (await client.receive("alert"))["data"]["status"] == "resolved"
            assert await client.settled() == []


async def test_a_reading_that_fails_fails_for_all_of_them_and_is_no_answer_later(
    server: Server, reading: Reading
) -> None:
    await server.feed.raise_alert(alert(id="a"))
    reading.failure = Unavailable("the database is away", 1)
    headers = await server.login("viewer")
    async with connect(server, headers) as one, connect(server, headers) as other:
        await ask(server, [one, other], "alerts")
        reading.goes_on.set()
        for client in (one, other):
            assert (await client.receive("error"))["code"] == "internal"
        assert (reading.count, subscriptions(server, "alerts")) == (1, [])
        reading.failure = None
        await ask(server, [one], "alerts")
        await one.receive("subscribed")
        assert (await one.receive("alert"))["data"]["id"] == "a"


async def test_who_comes_after_an_event_does_not_share_a_reading_from_before_it(
    server: Server, reading: Reading
) -> None:
    headers = await server.login("viewer")
    await server.feed.raise_alert(alert(id="before"))
    async with connect(server, headers) as early, connect(server, headers) as late:
        await ask(server, [early], "alerts")
        await reading.done.acquire()
        await server.feed.raise_alert(alert(id="between"))
        await ask(server, [late], "alerts")
        reading.goes_on.set()
        for client in (early, late):
            await client.receive("subscribed")
            messages = await client.settled()
            assert [m["data"]["id"] for m in messages] == ["before", "between"]
    assert reading.count == 2


@pytest.mark.parametrize("fails", [False, True])
async def test_an_earlier_snapshot_that_is_forgotten_takes_no_later_one_with_it(
    server: Server, clock: LoopClock, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    read = module.read_snapshot

    def seen(channel: str) -> Any:
        (subscription,) = subscriptions(server, channel)
        return subscription.seen

    async def read_late(accessors: Any, channel: Any, *rest: Any) -> Any:
        if channel.name == "metrics":
            # In the snapshot, and in an event that is held until its end.
            await server.feed.record_metrics(point())
        if channel.name == "alerts":
            await clock.advance(LONGER)
            assert seen("trades") is None
            if fails:
                raise Unavailable("the database is away", 1)
        return await read(accessors, channel, *rest)

    monkeypatch.setattr(module, "read_snapshot", read_late)
    async with connect(server, await server.login("viewer")) as client:
        await client.ask(type="subscribe", channels=["trades", "portfolio"], snapshot=True)
        channels = ["portfolio", "metrics", "alerts"]
        answer = await client.ask(type="subscribe", channels=channels, snapshot=True)
        assert answer["type"] == ("error" if fails else "subscribed")
        flags = [m["snapshot"] for m in await client.settled()]
        assert flags == ([] if fails else [True])
        await clock.advance(LONGER)
        assert seen("portfolio") is None


async def test_other_filters_are_another_snapshot(server: Server, reading: Reading) -> None:
    await server.feed.record_trades([trade("A"), trade("B")])
    headers = await server.login("viewer")
    async with connect(server, headers) as one, connect(server, headers) as other:
        await ask(server, [one], "trades", filters={"trades": {"symbols": ["A"]}})
        await ask(server, [other], "trades", filters={"trades": {"symbols": ["B"]}})
        reading.goes_on.set()
        for client, symbol in ((one, "A"), (other, "B")):
            await client.receive("subscribed")
            assert [m["data"]["symbol"] for m in await client.settled()] == [symbol]
    assert reading.count == 2


@pytest.mark.parametrize("who", ["the server", "another process"])
async def test_no_state_goes_back_however_late_an_event_comes(
    serve: Serve,
    redis_url: str,
    clock: LoopClock,
    monkeypatch: pytest.MonkeyPatch,
    config: Config,
    who: str,
) -> None:
    """The log is away for longer than snapshots are remembered in ordinary times."""
    async with proxied(redis_url.replace("redis:", "http:")) as proxy:
        events = EventsConfig(type="redis", redis_url=behind(proxy))
        mine = redis_url if who == "another process" else behind(proxy)
        server = await serve(events=EventsConfig(type="redis", redis_url=mine))
        log, target = server.backend.events, proxy.target
        async with Dashboard(replace(config, events=events), serve=False) as other:
            if who == "another process":
                # It commits, and comes to no append.
                view.backend(other).engine.on_commit(lambda rows: None)
                monkeypatch.setattr(Relay, "relay_left", _never)
            writer = other if who == "another process" else server.dashboard
            proxy.target = "/nowhere"
            proxy.cut()
            await until(lambda: view.backend(writer).links and any(
                link.trouble for link in view.backend(writer).links
            ))  # fmt: skip
            await writer.feed.raise_alert(alert(id="a"))
            await writer.feed.acknowledge_alert("a", "ann")
            async with connect(server, await server.login("viewer")) as client:
                await client.ask(type="subscribe", channels=["alerts"], snapshot=True)
                first = await client.receive("alert")
                assert (first["snapshot"], first["data"]["status"]) == (True, "acknowledged")
                for _ in range(int(LONGER)):
                    await clock.advance(1.0)
                    if who == "another process":
                        await _published(server)
                (subscription,) = subscriptions(server, "alerts")
                assert subscription.seen is not None
                start = log.offset("alerts")
                proxy.target = target
                monkeypatch.undo()
                await until(lambda: not log.waiting and log.offset("alerts") == start + 2)
                await server.feed.raise_alert(alert(id="b"))
                assert (await client.receive("alert"))["data"]["id"] == "b"
                await _published(server)
                for _ in range(int(LONGER)):
                    await clock.advance(1.0)
                    await _published(server)
                assert subscription.seen is None


async def _published(server: Server) -> None:
    """Publish a point: a read that waits for Redis ends, before the moved clock ends it."""
    log = server.backend.events
    offset = log.offset("metrics")
    await server.feed.record_metrics(point())
    await until(lambda: log.offset("metrics") > offset)


async def _never(_: Relay) -> None:
    """Nobody looks."""


async def test_a_socket_that_is_cut_while_its_snapshot_is_read_leaves_nothing_behind(
    server: Server,
    reading: Reading,
    clock: LoopClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with connect(server, await server.login("viewer")) as client:
        await ask(server, [client], "alerts")
        await reading.done.acquire()
    await until(lambda: not len(server.backend.connections))
    reading.goes_on.set()
    await clock.advance(LONGER)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
