"""What one client's requests cost the others: nothing that is not wanted any more, in slices."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest

from alphapulse_api.log import EventLog
from alphapulse_api.sockets import readings, snapshot
from tests.conftest import Server
from tests.lateness import Lateness
from tests.socket_client import alert, client_frame, connect, gone, point, raw, trade
from tests.waiting import SECONDS, until

LONGEST_STALL = 0.010


class Held:
    """Snapshots are read, counted, and held up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        self.cancelled = 0
        self.changed = asyncio.Event()
        self.goes_on = asyncio.Event()
        self._read = snapshot.read_snapshot
        monkeypatch.setattr(snapshot, "read_snapshot", self)

    async def __call__(self, *args: Any) -> Any:
        self.begun += 1
        self.changed.set()
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            self.changed.set()
            raise
        return await self._read(*args)

    async def reaches(self, begun: int, cancelled: int = 0) -> None:
        async with asyncio.timeout(SECONDS):
            while (self.begun, self.cancelled) != (begun, cancelled):
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    return Held(monkeypatch)


def subscribe(number: int, **more: Any) -> bytes:
    """A frame that asks for a snapshot with a filter of its own."""
    filters = {"metrics": {"metric_types": ["risk", f"other{number}"]}}
    message = {"type": "subscribe", "id": number, "channels": ["metrics"], "snapshot": True}
    return client_frame(json.dumps({**message, "filters": filters, **more}).encode())


async def test_what_a_client_that_left_had_asked_for_is_dropped(server: Server, held: Held) -> None:
    headers = await server.login("viewer")
    async with raw(server, headers) as client:
        await client.write(b"".join(map(subscribe, range(20))))
        await held.reaches(begun=1)
    await held.reaches(begun=1, cancelled=1)
    await gone(server)
    assert held.begun == 1


async def test_a_reading_goes_on_for_whoever_still_waits_for_it(server: Server, held: Held) -> None:
    await server.feed.record_metrics([point()])
    headers = await server.login("viewer")
    async with connect(server, headers) as stays:
        async with raw(server, headers) as leaves:
            await leaves.write(subscribe(1))
            await held.reaches(begun=1)
            await stays.send(
                type="subscribe",
                channels=["metrics"],
                snapshot=True,
                filters={"metrics": {"metric_types": ["risk", "other1"]}},
            )
            async with asyncio.timeout(SECONDS):
                fanout = server.backend.connections.fanout
                await until(lambda: len(fanout.subscriptions("metrics")) >= 2)
        await until(lambda: len(server.backend.connections) <= 1)
        held.goes_on.set()
        assert (await stays.receive())["type"] == "subscribed"
        assert (await stays.receive("metric"))["snapshot"] is True
    assert (held.begun, held.cancelled) == (1, 0)


async def test_a_flood_of_snapshots_gets_an_error_and_a_close_while_the_first_is_read(
    server: Server, held: Held
) -> None:
    async with raw(server, await server.login("viewer")) as client:
        await client.write(b"".join(map(subscribe, range(300))))
        async with asyncio.timeout(SECONDS):
            async for message in client.messages():
                assert (message["type"], message["code"]) == ("error", "rate_limited")
        assert client.closed == (1008, "rate_limited")
    await gone(server)
    assert held.begun <= 1


async def test_too_many_rows_are_rate_limited_and_the_subscription_stays(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "ROWS_BURST", 10)
    monkeypatch.setattr(readings, "ROWS_A_SECOND", 10)
    await server.feed.record_metrics([point(f"m{n}") for n in range(40)])
    ann, ben = await server.login("viewer", "ann"), await server.login("viewer", "ben")
    async with connect(server, ann) as client, connect(server, ann) as another:
        await client.ask(type="subscribe", channels=["metrics"], snapshot=True)
        assert len(await client.settled()) == 40
        filters = {"metrics": {"names": ["m1"]}}
        for one in (client, another):
            error = await one.ask(
                type="subscribe", id=7, channels=["metrics"], snapshot=True, filters=filters
            )
            assert (error["type"], error["id"], error["code"]) == ("error", 7, "rate_limited")
            assert "try again in" in error["message"]
        assert (await client.ask(type="subscriptions"))["channels"] == {"metrics": {"filters": {}}}
        await server.feed.record_metrics([point("m2", 2.0)])
        assert (await client.receive("metric"))["data"]["name"] == "m2"
    async with connect(server, ben) as client:
        await client.ask(type="subscribe", channels=["metrics"], snapshot=True, filters=filters)
        assert len(await client.settled()) == 1


async def test_filters_that_nothing_passes_are_rate_limited_also_for_who_does_not_wait(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "ROWS_BURST", 100)
    monkeypatch.setattr(readings, "ROWS_A_SECOND", 1)
    names = [f"n{n}" for n in range(100)]
    filters = {"metrics": {"metric_types": names, "names": names}}
    ask = {"type": "subscribe", "channels": ["metrics"], "snapshot": True, "filters": filters}
    ann, ben = await server.login("viewer", "ann"), await server.login("viewer", "ben")
    async with connect(server, ann) as client:
        assert (await client.ask(**ask))["type"] == "subscribed"
        assert (await client.ask(**ask))["code"] == "rate_limited"

    begun = asyncio.Event()
    latest = server.dashboard.metrics.latest_in_parts

    def noted(metric_type: str, name: str) -> Any:
        if name == names[50]:
            begun.set()
        return latest(metric_type, name)

    monkeypatch.setattr(server.dashboard.metrics, "latest_in_parts", noted)
    async with raw(server, ben) as leaver:
        await leaver.write(client_frame(json.dumps(ask).encode()))
        async with asyncio.timeout(SECONDS):
            await begun.wait()
    async with connect(server, ben) as client:
        assert (await client.ask(**ask))["code"] == "rate_limited"


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No pause of the garbage collector, which looks through all that pytest has."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.stalls
async def test_snapshots_and_replays_of_many_rows_stall_nobody(server: Server) -> None:
    events: EventLog = server.backend.events
    await server.feed.record_metrics([point(f"m{n}") for n in range(4000)])
    await asyncio.gather(*(server.feed.raise_alert(alert(str(n))) for n in range(1000)))
    since = {name: events.cursor(name) for name in ("metrics", "trades")}
    await server.feed.record_metrics([point(f"m{n}", 2.0) for n in range(3000)])
    await server.feed.record_trades([trade() for _ in range(3000)])
    await server.dashboard.metrics.get_latest_metrics("none")  # the catalogue is in memory now
    async with raw(server, await server.key()) as client:
        for request, count in (
            ({"channels": ["metrics"], "snapshot": True}, 4000),
            ({"channels": ["alerts"], "snapshot": True}, 1000),
            ({"channels": ["metrics"], "since": {"metrics": since["metrics"]}}, 3000),
            ({"channels": ["trades"], "since": {"trades": since["trades"]}}, 3000),
        ):
            async with Lateness() as lateness:
                await client.send(type="subscribe", **request)
                await client.send(type="ping", id=1)
                got = bytearray()
                while b'"type":"pong"' not in got[-200:]:
                    assert await client.more()
                    got += client.buffer
                    client.buffer = b""
            assert got.count(b'"data":') == count
            assert lateness.longest < LONGEST_STALL, request
