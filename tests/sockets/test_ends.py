"""How long a socket lives, every way it ends, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from alphapulse_api.auth import authenticator
from alphapulse_api.auth.permissions import VIEWS
from alphapulse_api.config import AuthConfig, WebSocketConfig
from alphapulse_api.domain.times import now
from alphapulse_api.http.handlers.websocket import Socket
from alphapulse_api.sockets.connection import Connection
from alphapulse_api.sockets.writer import SocketWriter
from tests import view
from tests.conftest import Serve, Server
from tests.socket_client import Client, connect, gone, trade
from tests.waiting import SECONDS, until


def token_of(headers: dict[str, str]) -> str:
    return headers["Authorization"].removeprefix("Bearer ")


async def no_tasks_left(before: set[asyncio.Task[Any]]) -> None:
    """Every task begun since has ended."""
    left = asyncio.all_tasks() - before
    if left:
        _, left = await asyncio.wait(left, timeout=SECONDS)
    assert not left


async def test_an_expiring_token_is_announced_and_then_closes(serve: Serve) -> None:
    server = await serve(auth=AuthConfig(token_expiry=2))
    async with connect(server, await server.login("viewer")) as client:
        notice = await client.receive("token_expiring")
        assert 0 <= notice["expires_in"] <= 2
        assert await client.until_closed() == (1008, "token_expired", [])
    await gone(server)


async def test_an_expired_token_by_message_gets_its_own_error(serve: Serve) -> None:
    server = await serve(auth=AuthConfig(token_expiry=1, leeway=0))
    headers = await server.login("viewer")
    async with connect(server, headers) as client:
        await client.receive("token_expiring")
        await client.until_closed()
    async with connect(server) as client:
        error = await client.ask(type="auth", id=1, token=token_of(headers))
        assert error["code"] == "token_expired"
        assert (await client.until_closed())[:2] == (1008, "token_expired")


async def test_a_new_token_in_time_keeps_the_subscriptions(serve: Serve) -> None:
    server = await serve(auth=AuthConfig(token_expiry=2))
    key = (await server.key())["X-API-Key"]
    async with connect(server, await server.login("viewer")) as client:
        await client.receive("token_expiring")
        assert (await client.ask(type="subscribe", channels=["trades"]))["type"] == "subscribed"
        answer = await client.ask(type="auth", id=2, api_key=key)
        assert (answer["type"], answer["expires_at"]) == ("authenticated", None)
        await asyncio.sleep(2.1)  # past the first token's end
        await server.feed.record_trade(trade())
        await client.receive("trade")


async def test_a_caller_who_may_less_loses_what_it_may_not_have(server: Server) -> None:
    accounts = server.dashboard.accounts
    _, narrow = await accounts.create_api_key("narrow", {"view_metrics"})
    async with connect(server, await server.login("viewer")) as client:
        await client.ask(type="subscribe", channels=["metrics", "trades"])
        assert (await client.ask(type="auth", api_key=narrow))["type"] == "authenticated"
        assert await client.receive() == {"type": "unsubscribed", "channels": ["trades"]}
        await server.feed.record_trade(trade())
        assert await client.settled() == []


async def test_a_revoked_key_closes_its_socket(server: Server) -> None:
    accounts = server.dashboard.accounts
    stored, key = await accounts.create_api_key("bot", set(VIEWS))
    async with connect(server, {"X-API-Key": key}) as client:
        await accounts.revoke_api_key(stored.id)
        async with asyncio.timeout(SECONDS):
            assert await client.until_closed() == (1008, "revoked", [])
    await gone(server)


@pytest.mark.parametrize("change", ["disable", "role", "password"])
async def test_a_changed_user_closes_the_users_sockets_only(server: Server, change: str) -> None:
    accounts = server.dashboard.accounts
    other = await server.login("viewer", "ben")
    async with (
        connect(server, await server.login("viewer", "ann")) as ann,
        connect(server, other) as ben,
    ):
        if change == "disable":
            await accounts.disable_user("ann")
        elif change == "role":
            await accounts.set_user("ann", "operator", "another good password")
        else:
            await accounts.set_password("ann", "another good password")
        async with asyncio.timeout(SECONDS):
            assert (await ann.until_closed())[:2] == (1008, "revoked")
        assert await ben.settled() == []


async def test_a_heartbeat_has_the_time_and_the_cursors(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(ping_interval=0.2))
    async with connect(server, await server.login("viewer")) as client:
        assert (await client.receive("heartbeat"))["cursors"] == {}
        ack = await client.ask(type="subscribe", channels=["trades"])
        heartbeat = await client.receive("heartbeat")
        assert heartbeat["timestamp"].endswith("Z")
        assert heartbeat["cursors"] == {"trades": ack["channels"]["trades"]["cursor"]}
        await server.feed.record_trade(trade())
        event = await client.receive("trade")
        assert (await client.receive("heartbeat"))["cursors"] == {"trades": event["cursor"]}


async def test_a_token_that_ends_while_the_machine_sleeps_ends_its_socket(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve(websocket=WebSocketConfig(ping_interval=0.2))
    viewer = await server.login("viewer")
    async with connect(server, viewer) as client:
        await client.receive("heartbeat")
        # Two hours pass that no timer of the loop knows of.
        monkeypatch.setattr(authenticator, "now", lambda: now() + timedelta(hours=2))
        code, reason, messages = await client.until_closed()
        assert (code, reason) == (1008, "token_expired")
        assert len(messages) <= 1
        async with server.request("GET", "/api/me", headers=viewer) as response:
            assert response.status == 401
    async with connect(server, await server.key()) as client:  # one that has no end
        await client.receive("heartbeat")
        await client.receive("heartbeat")


async def test_a_peer_that_does_not_answer_pings_is_let_go(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(ping_interval=0.2))
    async with server.session.ws_connect(f"{server.url}/ws", autoping=False):
        await gone(server)


async def test_shutdown_closes_every_socket_with_going_away(server: Server) -> None:
    headers = await server.login("viewer")
    async with connect(server, headers) as one, connect(server, headers) as two:
        await one.ask(type="subscribe", channels=["trades"])
        await server.feed.record_trades([trade(str(n)) for n in range(300)])
        leaving = asyncio.ensure_future(server.dashboard.__aexit__(None, None, None))
        code, reason, messages = await one.until_closed()
        assert (code, reason) == (1001, "shutdown")
        assert [m["data"]["symbol"] for m in messages] == [str(n) for n in range(300)]
        assert await two.until_closed() == (1001, "shutdown", [])
        await asyncio.wait_for(leaving, SECONDS)


async def test_shutdown_does_not_wait_for_a_peer_that_reads_nothing(serve: Serve) -> None:
    server = await serve(shutdown_timeout=2 * SECONDS)
    headers = await server.login("viewer")
    async with server.session.ws_connect(
        f"{server.url}/ws", headers=headers, autoclose=False
    ) as ws:
        await ws.receive()
        # Nothing is read any more: the close frame is never answered.
        await asyncio.wait_for(server.dashboard.__aexit__(None, None, None), SECONDS)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Nothing is freed that is part of a ring, and `gc` lists only what is made from now on."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("how", ["close", "abort", "half a frame", "text_only"])
async def test_a_socket_that_goes_leaves_nothing_behind(server: Server, how: str) -> None:
    headers = await server.login("viewer")
    before = asyncio.all_tasks()
    async with connect(server, headers) as client:
        await client.ask(
            type="subscribe", channels=["metrics", "alerts", "trades", "portfolio"], snapshot=True
        )
        connection = next(iter(server.backend.connections))
        transport = client.ws._response.connection.transport  # type: ignore[union-attr]
        if how == "close":
            await client.ws.close()
        elif how == "abort":
            transport.abort()  # type: ignore[union-attr]
        elif how == "text_only":
            await client.ws.send_bytes(b"binary")
            await client.until_closed()
        else:
            transport.write(b"\x81\xfe\x10")  # type: ignore[union-attr]
            transport.close()  # type: ignore[union-attr]
        await gone(server)
    assert view.timers(connection) == "<Timers >"
    assert not view.has_timer(connection.writer)
    await no_tasks_left(before)
    del connection
    # It takes 24 KiB, with the transport and the request.
    ended = (Connection, SocketWriter, Socket)
    await until(lambda: not any(isinstance(found, ended) for found in gc.get_objects()))


async def test_no_data_follows_a_close_frame(server: Server) -> None:
    headers = await server.login("viewer")
    async with server.session.ws_connect(
        f"{server.url}/ws", headers=headers, autoclose=False
    ) as ws:
        client = Client(ws)
        await client.receive_many(2)
        await client.ask(type="subscribe", channels=["trades"])
        await ws.send_bytes(b"binary")
        while (await client.frame()).type is not aiohttp.WSMsgType.CLOSE:
            pass
        await server.feed.record_trade(trade())
        raw = ws._reader  # type: ignore[attr-defined]
        with pytest.raises((TimeoutError, aiohttp.EofStream)):
            await asyncio.wait_for(raw.read(), 0.3)


async def test_an_accessor_that_fails_is_an_internal_error_and_no_more(serve: Serve) -> None:
    class GapCallback:
        async def get_trades(self, **_: Any) -> Any:
            raise RuntimeError("secret detail")

        async def add_trades(self, records: Any, *, one: bool = False) -> Any:
            return [({"id": "1", "symbol": record["symbol"]}, True) for record in records]

    server = await serve({"trades": GapCallback()})
    async with connect(server, await server.login("viewer")) as client:
        await client.ask(
            type="subscribe", channels=["trades"], filters={"trades": {"symbols": ["A"]}}
        )
        error = await client.ask(type="subscribe", id=4, channels=["trades"], snapshot=True)
        assert (error["code"], error["id"]) == ("internal", 4)
        assert "secret" not in json.dumps(error)
        listed = await client.ask(type="subscriptions")
        assert listed["channels"] == {"trades": {"filters": {"symbols": ["A"]}}}
        await server.feed.record_trades([trade("A"), trade("B")])
        (event,) = await client.settled()
        assert event["data"]["symbol"] == "A"


async def test_a_record_that_breaks_the_fan_out_closes_its_readers_and_no_more(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd:
        async def add_trades(self, records: Any, *, one: bool = False) -> Any:
            return [({"symbol": "A"}, True) for _ in records]

        async def get_trades(self, **_: Any) -> Any:
            return []

    server = await serve({"trades": Odd()})
    headers = await server.login("viewer")
    async with connect(server, headers) as reader, connect(server, headers) as other:
        # A record without an id cannot be looked up in the snapshot.
        await reader.ask(type="subscribe", channels=["trades"], snapshot=True)
        await other.ask(type="subscribe", channels=["metrics"])
        await server.feed.record_trade(trade())
        assert (await reader.until_closed())[:2] == (1011, "internal")
        await server.feed.record_metrics({"metric_type": "risk", "name": "a", "value": 1})
        await other.receive("metric")
    assert "failed to deliver an event" in caplog.text
