"""The client's stream when connections are cut, servers restart, and proxies answer for them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import test_utils, web

from alphapulse_api import Config
from alphapulse_api.client import ApiError, DashboardClient, StreamGap
from alphapulse_api.config import WebSocketConfig
from tests.conftest import PASSWORD, Serve, Server
from tests.proxy import proxied
from tests.socket_client import gone, trade
from tests.streams import client_of, one, take
from tests.view import Grant, LoginView
from tests.waiting import SECONDS


async def test_a_cut_stream_resumes_where_it_was(server: Server) -> None:
    async with (
        proxied(server.url) as proxy,
        client_of(server, proxy.url) as client,
        client.stream("trades") as stream,
    ):
        await server.feed.record_trade(trade(id="t0"))
        await take(stream, 1)
        proxy.cut()
        await gone(server)
        await server.feed.record_trades([trade(id="t1"), trade(id="t2")])
        assert [event.data["id"] for event in await take(stream, 2)] == ["t1", "t2"]
        assert stream.connections == 2


async def test_a_cut_before_the_first_event_loses_nothing(server: Server) -> None:
    async with (
        proxied(server.url) as proxy,
        client_of(server, proxy.url) as client,
        client.stream("trades") as stream,
    ):
        proxy.cut()
        await gone(server)
        await server.feed.record_trade(trade(id="t0"))
        (event,) = await take(stream, 1)
    assert event.data["id"] == "t0"


async def test_a_restarted_server_is_a_gap_and_then_goes_on(serve: Serve, config: Config) -> None:
    first = await serve()
    async with (
        proxied(first.url) as proxy,
        client_of(first, proxy.url) as client,
        client.stream("trades", snapshot=True) as stream,
    ):
        await first.feed.record_trade(trade(id="t0"))
        assert (await take(stream, 1))[0].data["id"] == "t0"
        await first.dashboard.__aexit__(None, None, None)
        second = await serve()
        proxy.target = second.url
        gap = await one(stream)
        assert isinstance(gap, StreamGap)
        assert (gap.channel, bool(gap.cursor)) == ("trades", True)
        again = (await take(stream, 1))[0]
        assert (again.snapshot, again.data["id"]) == (True, "t0")
        await second.feed.record_trade(trade(id="t1"))
        assert (await take(stream, 1))[0].data["id"] == "t1"


async def test_silence_is_noticed(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(ping_interval=0.1))
    async with (
        proxied(server.url) as proxy,
        client_of(server, proxy.url) as client,
        client.stream("trades") as stream,
    ):
        proxy.freeze()
        await gone(server)
        await server.feed.record_trade(trade(id="t0"))
        # The old connection stays frozen and open: only the watch can end it.
        async with asyncio.timeout(SECONDS):
            await proxy.connected(2)
        proxy.thaw()
        (event,) = await take(stream, 1)
        assert event.data["id"] == "t0"


async def test_a_proxy_that_answers_for_a_restarting_server_is_waited_out(server: Server) -> None:
    async def page(request: web.Request) -> web.Response:
        asked.set()
        return web.Response(status=404, text="<h1>default backend</h1>", content_type="text/html")

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0.01)

    asked = asyncio.Event()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", page)
    async with (
        test_utils.TestServer(app) as default,
        proxied(server.url) as proxy,
        DashboardClient(proxy.url, username="admin", password=PASSWORD, sleep=sleep) as client,
        client.stream("trades") as stream,
    ):
        login = LoginView(client)
        tokens: list[str] = []

        def lost(grant: Grant) -> Grant:
            async def call(form: Mapping[str, str]) -> Mapping[str, Any]:
                tokens.append(form["grant_type"])
                if len(tokens) == 1:
                    raise ApiError(404, {}, from_dashboard=False)
                return await grant(form)

            return call

        login.wrap_grant(lost)
        login.forget()  # they ended meanwhile
        proxy.target = str(default.make_url("")).rstrip("/")
        proxy.cut()
        async with asyncio.timeout(SECONDS):
            await asked.wait()
        proxy.target = server.url
        proxy.cut()
        await server.feed.record_trade(trade(id="t0"))
        (event,) = await take(stream, 1)
    assert event.data["id"] == "t0"
    assert tokens == ["password", "password"]
