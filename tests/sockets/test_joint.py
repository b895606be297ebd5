"""Signals and decisions on the channel trades: for who asks, resumable, and apart from trades."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.config import EventsConfig
from tests.asking import DECISION, SIGNAL, ask
from tests.conftest import Serve, Server
from tests.socket_client import Client, connect, trade
from tests.streams import client_of, take

BOTH = ["signal", "decision"]


@pytest.fixture(params=["memory", "redis"])
async def logged(serve: Serve, request: pytest.FixtureRequest) -> Server:
    """A server on each kind of event log."""
    if request.param == "memory":
        return await serve()
    url = request.getfixturevalue("redis_url")
    return await serve(events=EventsConfig(type="redis", redis_url=url))


async def _subscribe(client: Client, *include: str, **message: Any) -> dict[str, Any]:
    options = {"trades": {"include": list(include)}} if include else {}
    answer = await client.ask(type="subscribe", channels=["trades"], options=options, **message)
    assert answer["type"] == "subscribed", answer
    acknowledged: dict[str, Any] = answer["channels"]["trades"]
    return acknowledged


async def _publish(server: Server, number: int) -> None:
    """Some events of each type."""
    await server.feed.record_trade(trade(id=f"t{number}"))
    signal = {**SIGNAL, "id": f"s{number}", "thesis": "Cheap.", "inputs": [{"name": "x"}]}
    await server.feed.record_signal("a1", signal)
    await server.feed.record_decision({**DECISION, "id": f"d{number}"})


def _told(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    assert {m["channel"] for m in messages} <= {"trades"}
    return [(m["type"], m["data"]["id"]) for m in messages]


async def test_signals_and_decisions_are_sent_to_who_includes_them(logged: Server) -> None:
    headers = await logged.login("viewer")
    async with (
        connect(logged, headers) as plain,
        connect(logged, headers) as some,
        connect(logged, headers) as all_,
    ):
        await _subscribe(plain)
        await _subscribe(some, "decision")
        await _subscribe(all_, *BOTH)
        await _publish(logged, 1)
        assert _told(await plain.receive_many(1)) == [("trade", "t1")]
        assert _told(await some.receive_many(2)) == [("trade", "t1"), ("decision", "d1")]
        told = await all_.receive_many(3)
        assert _told(told) == [("trade", "t1"), ("signal", "s1"), ("decision", "d1")]
        assert not {"thesis", "inputs", "reasoning"} & {n for m in told for n in m["data"]}
        await logged.feed.record_signal("a1", {**SIGNAL, "id": "s1", "thesis": "Cheap."})
        assert [*await plain.settled(), *await all_.settled()] == []  # a repeat


async def test_a_socket_resumes_from_every_cursor_with_all_types(logged: Server) -> None:
    headers = await logged.login("viewer")
    async with connect(logged, headers) as client:
        begin = (await _subscribe(client, *BOTH))["cursor"]
        for number in range(3):
            await _publish(logged, number)
        live = await client.receive_many(9)
    everything = _told(live)
    cursors = [begin, *(message["cursor"] for message in live)]
    for seen, cursor in enumerate(cursors):
        async with connect(logged, headers) as client:
            ack = await _subscribe(client, *BOTH, since={"trades": cursor})
            missed = await client.receive_many(9 - seen)
            assert ack["resumed"] is True
            assert ack["replayed"] == 9 - seen
            assert sorted(_told(missed)) == sorted(everything[seen:])
        # A replay may be cut off, too.
        for taken, message in enumerate(missed[:-1], 1):
            async with connect(logged, headers) as client:
                await _subscribe(client, *BOTH, since={"trades": message["cursor"]})
                rest = await client.receive_many(9 - seen - taken)
                assert _told(rest) == _told(missed[taken:])
    async with connect(logged, headers) as client:
        await _subscribe(client, since={"trades": cursors[4]})  # without the other types
        assert _told(await client.settled()) == [("trade", "t2")]
        await _subscribe(client, "decision", since={"trades": cursors[4]})
        told = _told(await client.settled())
    assert told == [("trade", "t2"), ("decision", "d1"), ("decision", "d2")]


async def test_signals_never_evict_trades(serve: Serve) -> None:
    server = await serve(events=EventsConfig(history_size=5))
    headers = await server.login("viewer")
    async with connect(server, headers) as client:
        begin = (await _subscribe(client, *BOTH))["cursor"]
        await _publish(server, 0)
        for number in range(10):
            await server.feed.record_signal("a1", {**SIGNAL, "id": f"more{number}"})
        await client.settled()
        since = {"trades": begin}
        assert (await _subscribe(client, since=since))["resumed"] is True
        assert _told(await client.settled()) == [("trade", "t0")]
        assert (await _subscribe(client, "decision", since=since))["resumed"] is True
        assert len(await client.settled()) == 2
        ack = await _subscribe(client, *BOTH, since=since)
        assert (ack["resumed"], ack["replayed"]) == (False, 0)


async def test_a_cursor_of_trades_alone_does_not_resume_signals(server: Server) -> None:
    headers = await server.login("viewer")
    key = await server.key("view_trades", "view_agents")
    async with connect(server, headers) as client:
        since = {"trades": (await _subscribe(client))["cursor"]}
        await _publish(server, 0)
        await client.settled()
        assert (await _subscribe(client, "signal", since=since))["resumed"] is False
        answer = await ask(server, "GET", "/api/decisions", key)
        since = {"trades": answer.headers["X-Stream-Cursor"]}
        await _publish(server, 1)
        await client.settled()
        ack = await _subscribe(client, *BOTH, since=since)
        assert (ack["resumed"], ack["replayed"]) == (True, 3)


async def test_the_kinds_of_subscription_replace_each_other(server: Server) -> None:
    async with connect(server, await server.login("viewer")) as client:
        for number, include in enumerate((BOTH, [], ["decision"], [], BOTH)):
            await _subscribe(client, *include)
            await _publish(server, number)
            types = [message["type"] for message in await client.settled()]
            assert types == ["trade", *(word for word in BOTH if word in include)]
        listed = await client.ask(type="subscriptions")
        assert listed["channels"]["trades"]["options"] == {"include": BOTH}
        await client.ask(type="unsubscribe", channels=["trades"])
        await _publish(server, 9)
        assert await client.settled() == []


async def test_a_snapshot_has_trades_and_then_events_of_all_types(server: Server) -> None:
    await _publish(server, 0)
    async with connect(server, await server.login("viewer")) as client:
        await _subscribe(client, *BOTH, snapshot=True)
        await _publish(server, 1)
        messages = await client.settled()
    assert _told(messages) == [
        ("trade", "t0"),
        ("trade", "t1"),
        ("signal", "s1"),
        ("decision", "d1"),
    ]
    assert [m.get("snapshot", False) for m in messages] == [True, False, False, False]


async def test_filters_hold_where_a_type_has_the_field(server: Server) -> None:
    async with connect(server, await server.login("viewer")) as client:
        filters = {"trades": {"symbols": ["AAPL", "TSLA"], "strategies": ["momentum"]}}
        await _subscribe(client, *BOTH, filters=filters)
        for symbol in ("AAPL", "MSFT"):
            one = {**trade(symbol, id=symbol), "strategy": "momentum"}
            await server.feed.record_trade(one)
            await server.feed.record_signal("a1", {**SIGNAL, "symbol": symbol, "id": symbol})
            targets = [{"symbol": symbol}, {"symbol": "X"}]
            await server.feed.record_decision({**DECISION, "id": symbol, "targets": targets})
        told = _told(await client.settled())
    assert told == [("trade", "AAPL"), ("signal", "AAPL"), ("decision", "AAPL")]


async def test_signals_need_the_permission_for_agents(server: Server) -> None:
    _, key = await server.dashboard.accounts.create_api_key("narrow", {"view_trades"})
    async with connect(server, {"X-API-Key": key}) as client:
        options = {"trades": {"include": ["signal"]}}
        answer = await client.ask(type="subscribe", channels=["trades"], options=options)
        assert (answer["code"], answer["channel"]) == ("forbidden", "trades")
        await _subscribe(client, "decision")
        await _publish(server, 0)
        assert _told(await client.settled()) == [("trade", "t0"), ("decision", "d0")]
        for wrong in ("signal", ["quote"], [1], {"signal": True}):
            options = {"trades": {"include": wrong}}
            answer = await client.ask(type="subscribe", channels=["trades"], options=options)
            assert (answer["code"], answer["channel"]) == ("invalid_message", "trades")
            assert "'signal', 'decision'" in answer["message"]


async def test_an_import_of_signals_is_a_resync_for_who_includes_them(server: Server) -> None:
    headers = await server.login("viewer")
    async with connect(server, headers) as plain, connect(server, headers) as client:
        await _subscribe(plain)
        begin = (await _subscribe(client, "signal"))["cursor"]
        past = [{**SIGNAL, "timestamp": "2026-01-01T00:00:00Z"}]
        await server.feed.import_signals("a1", past, last=True)
        (message,) = await client.settled()
        assert (message["type"], message["channel"]) == ("resync", "trades")
        assert await plain.settled() == []
        since = {"trades": message["cursor"]}
        assert (await _subscribe(client, "signal", since=since))["resumed"] is True
        ack = await _subscribe(client, "signal", since={"trades": begin})
        assert ack["resumed"] is False


async def test_the_client_streams_typed_signals_and_decisions(server: Server) -> None:
    options: Any = {"trades": {"include": BOTH}}
    async with client_of(server) as client:
        async with client.stream("trades", options=options) as stream:
            await server.feed.record_signal("a1", {**SIGNAL, "size": "1.50"})
            targets = [{"symbol": "AAPL", "quantity": "-2.5"}]
            await server.feed.record_decision({**DECISION, "targets": targets})
            signal, decision = await take(stream, 2)
            cursor = stream.cursors
        assert (signal.type, signal.data["size"]) == ("signal", Decimal("1.50"))
        assert signal.data["received_at"].utcoffset() is not None
        assert (decision.type, decision.channel) == ("decision", "trades")
        assert decision.data["targets"][0]["quantity"] == Decimal("-2.5")
        await server.feed.record_signal("a1", {**SIGNAL, "id": "later"})
        async with client.stream("trades", options=options, since=cursor) as stream:
            (later,) = await take(stream, 1)
    assert later.data["id"] == "later"
