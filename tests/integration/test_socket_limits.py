"""How many sockets there may be: of one user, from one address, and all of them at a shutdown."""

from __future__ import annotations

import asyncio

from alphapulse_api.config import WebSocketConfig
from tests.conftest import Serve
from tests.sockets import connect


async def test_one_user_has_so_many_sockets_and_no_more(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(max_user_connections=2))
    ann, bob = await server.login("viewer", "ann"), await server.login("viewer", "bob")
    async with connect(server, ann), connect(server, bob):
        third = server.session.ws_connect(f"{server.url}/ws", headers=ann)
        async with connect(server, ann), third as refused:
            assert (await refused.receive_json())["type"] == "welcome"
            error = await refused.receive_json()
            assert (error["type"], error["code"]) == ("error", "rate_limited")
            closed = await refused.receive()
            assert (closed.data, closed.extra) == (1008, "rate_limited")
        # One has gone: there is room for another.
        while server.dashboard._backend.hub.connections > 2:
            await asyncio.sleep(0)
        async with connect(server, ann):
            pass
    assert server.dashboard._backend.hub.closes["rate_limited"] == 1


async def test_one_address_opens_so_many_sockets_a_minute(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(connects_per_minute=3))
    headers = await server.login("viewer")
    for _ in range(3):
        async with connect(server, headers):
            pass
    async with server.request("GET", "/ws", headers=headers) as response:
        assert response.status == 429
        assert 1 <= int(response.headers["Retry-After"]) <= 20


async def test_the_caller_is_counted_anew_after_a_change_of_user(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(max_user_connections=1))
    ann, bob = await server.login("viewer", "ann"), await server.login("viewer", "bob")
    async with connect(server, ann) as socket:
        token = bob["Authorization"].removeprefix("Bearer ")
        await socket.ask(type="auth", token=token)
        async with connect(server, ann):
            pass
