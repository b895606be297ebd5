"""The credentials of a client's stream: refused, renewed on the open connection, and ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import test_utils, web

from alphapulse_api import Config
from alphapulse_api.client import ApiError, DashboardClient, StreamError
from alphapulse_api.config import WebSocketConfig
from tests.conftest import PASSWORD, Serve, Server
from tests.socket_client import trade
from tests.streams import client_of, failure, one, take
from tests.view import Grant, LoginView
from tests.waiting import SECONDS


async def test_a_revoked_key_ends_the_stream(server: Server) -> None:
    kept, key = await server.dashboard.accounts.create_api_key("bot")
    async with DashboardClient(server.url, api_key=key) as client:
        async with client.stream("trades") as stream:
            await server.feed.record_trade(trade())
            await server.dashboard.accounts.revoke_api_key(kept.id)
            await take(stream, 1)
            assert (await failure(stream, StreamError)).code == "revoked"
            assert (await failure(stream, StreamError)).code == "revoked"
        with pytest.raises(StreamError, match="auth_failed"):
            await one(client.stream("trades"))


async def test_what_may_not_be_had_is_refused(server: Server) -> None:
    key = (await server.key())["X-API-Key"]
    async with DashboardClient(server.url, api_key=key) as client:
        with pytest.raises(StreamError, match="unknown_channel"):
            await client.stream("news").__aenter__()
        wrong = client.stream("trades", filters={"trades": {"colours": ["red"]}})
        error = await failure(wrong, StreamError)
        assert (error.code, error.channel) == ("invalid_filter", "trades")
        with pytest.raises(ApiError, match="404"):
            async with DashboardClient(f"{server.url}/elsewhere", api_key=key) as lost:
                await one(lost.stream("trades"))


async def test_a_wrong_password_ends_the_stream(server: Server) -> None:
    async with DashboardClient(server.url, username="admin", password="wrong") as client:
        assert (await failure(client.stream("trades"), ApiError)).status == 401


async def test_a_short_lived_token_is_renewed_on_the_open_connection(
    serve: Serve, config: Config
) -> None:
    server = await serve(auth=replace(config.auth, token_expiry=3))
    async with (
        DashboardClient(server.url, username="admin", password=PASSWORD) as client,
        client.stream("trades") as stream,
    ):
        login = LoginView(client)
        grants = asyncio.Queue[str]()

        def counted(grant: Grant) -> Grant:
            async def call(form: Mapping[str, str]) -> Mapping[str, Any]:
                granted = await grant(form)
                grants.put_nowait(form["grant_type"])
                return granted

            return call

        login.wrap_grant(counted)
        async with asyncio.timeout(SECONDS):
            for _ in range(3):  # after the third, the first token has ended
                assert await grants.get() == "refresh_token"
        await server.feed.record_trade(trade())
        await take(stream, 1)
        assert stream.connections == 1


async def test_a_revoked_token_is_replaced_by_a_new_login(server: Server) -> None:
    async with DashboardClient(
        server.url, username="admin", password=PASSWORD, rand=lambda: 0.0
    ) as client:
        await client.me()
        login = LoginView(client)
        await server.dashboard.accounts.revoke(login.access_token)
        async with client.stream("trades") as stream:
            assert stream.connections == 1  # the handshake with the revoked token was refused


async def test_an_expired_token_has_its_own_code(serve: Serve, config: Config) -> None:
    server = await serve(auth=replace(config.auth, token_expiry=1, leeway=0))
    token = (await server.login())["Authorization"].removeprefix("Bearer ")
    async with DashboardClient(server.url, token=token, rand=lambda: 0.0) as client:
        async with client.stream("trades") as stream:
            assert (await failure(stream, StreamError)).code == "token_expired"
        assert (await failure(client.stream("trades"), StreamError)).code == "token_expired"


async def test_many_streams_that_start_at_once_all_stand(server: Server, caplog: Any) -> None:
    async with client_of(server) as client, asyncio.timeout(SECONDS):
        streams = [client.stream("trades") for _ in range(300)]
        await asyncio.gather(*(stream.__aenter__() for stream in streams))
        assert {stream.connections for stream in streams} == {1}
    assert "lost the stream's connection" not in caplog.text


async def test_a_redirect_does_not_carry_the_key_elsewhere() -> None:
    keys = []

    async def redirect(_: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(elsewhere.make_url("/ws"))

    async def steal(request: web.Request) -> web.Response:
        keys.append(request.headers.get("X-API-Key"))
        return web.Response(status=404)

    app, other = web.Application(), web.Application()
    app.router.add_get("/ws", redirect)
    other.router.add_get("/ws", steal)
    async with (
        test_utils.TestServer(other) as elsewhere,
        test_utils.TestServer(app) as server,
        DashboardClient(str(server.make_url("")), api_key="apk_secret") as client,
    ):
        assert (await failure(client.stream("trades"), ApiError)).status == 307
    assert keys == []


async def test_a_busy_consumer_is_not_signed_out(serve: Serve, config: Config) -> None:
    server = await serve(
        auth=replace(config.auth, token_expiry=2), websocket=WebSocketConfig(ping_interval=0.2)
    )
    async with (
        DashboardClient(server.url, username="admin", password=PASSWORD) as client,
        client.stream("trades", buffer=1) as stream,
    ):
        login = LoginView(client)
        grants = asyncio.Queue[str]()

        def counted(grant: Grant) -> Grant:
            async def call(form: Mapping[str, str]) -> Mapping[str, Any]:
                granted = await grant(form)
                grants.put_nowait(form["grant_type"])
                return granted

            return call

        login.wrap_grant(counted)
        await server.feed.record_trades([trade(id=f"t{n}") for n in range(5)])
        async with asyncio.timeout(SECONDS):
            for _ in range(3):  # the first token has ended after the third
                assert await grants.get() == "refresh_token"
        await take(stream, 5)
        assert stream.connections == 1
