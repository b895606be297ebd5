"""How many sockets there may be: of one user, from one address, and all of them at a shutdown."""

from __future__ import annotations

from contextlib import AsyncExitStack

from alphapulse_api.config import WebSocketConfig
from tests import view
from tests.conftest import Serve, Server
from tests.socket_client import connect, gone
from tests.waiting import until


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
        await until(lambda: len(server.backend.connections) <= 2)
        async with connect(server, ann):
            pass
    assert server.backend.connections.closes["rate_limited"] == 1


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


async def refused(server: Server, headers: dict[str, str] | None = None) -> tuple[int, int]:
    """The status and Retry-After of a handshake that is refused."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with server.request("GET", "/ws", headers={**upgrade, **(headers or {})}) as response:
        assert response.content_type == "application/problem+json"
        return response.status, int(response.headers["Retry-After"])


async def test_sockets_without_credentials_leave_room_for_those_with_them(serve: Serve) -> None:
    limits = WebSocketConfig(max_unauthenticated=3, max_connections=5)
    server = await serve(websocket=limits)
    viewer = await server.login("viewer")
    async with AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(connect(server)) for _ in range(3)]
        assert await refused(server) == (503, 5)
        one = await stack.enter_async_context(connect(server, viewer))
        # Whoever authenticates makes room for another that has not yet.
        token = viewer["Authorization"].removeprefix("Bearer ")
        assert (await idle[0].ask(type="auth", token=token))["type"] == "authenticated"
        await stack.enter_async_context(connect(server))
        # All five are taken; one with credentials gets the place of the oldest without.
        assert await refused(server) == (503, 5)
        for waiting in idle[1:]:
            await stack.enter_async_context(connect(server, viewer))
            assert await waiting.until_closed() == (1008, "rate_limited", [])
        assert (await one.ask(type="ping"))["type"] == "pong"
        assert (await idle[0].ask(type="ping"))["type"] == "pong"
    await gone(server)
    admission = server.backend.admission
    assert admission.unauthenticated == 0
    assert view.places(admission) == (0, 0, 0)


async def test_only_those_with_credentials_fill_all_places(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(max_connections=2))
    viewer = await server.login("viewer")
    async with connect(server, viewer), connect(server, viewer):
        assert await refused(server, viewer) == (503, 5)
        assert await refused(server) == (503, 5)


async def test_one_address_has_few_sockets_without_credentials(serve: Serve) -> None:
    limits = WebSocketConfig(max_unauthenticated_per_address=2)
    server = await serve(websocket=limits, trusted_proxies=("127.0.0.1",))
    viewer = await server.login("viewer")

    def through(address: str) -> dict[str, str]:
        return {"X-Forwarded-For": address}

    async with AsyncExitStack() as stack:
        for address in ("2001:db8:0:1::1", "[2001:DB8:0:1::2]:443", "203.0.113.8", "203.0.113.9:1"):
            url = f"{server.url}/ws"
            opening = server.session.ws_connect(url, headers=through(address))
            await stack.enter_async_context(opening)
        assert await refused(server, through("2001:db8:0:1:ffff::")) == (429, 5)
        for address in ("2001:db8:0:2::1", "::ffff:203.0.113.8", "203.0.113.9:2"):
            opening = server.session.ws_connect(url, headers=through(address))
            await stack.enter_async_context(opening)
        assert await refused(server, through("203.0.113.8:40000")) == (429, 5)
        await stack.enter_async_context(connect(server, {**viewer, **through("203.0.113.8")}))


async def test_a_socket_that_ends_before_it_authenticates_frees_its_place(serve: Serve) -> None:
    limits = WebSocketConfig(max_unauthenticated_per_address=1, auth_timeout=0.01)
    server = await serve(websocket=limits)
    async with connect(server) as late:
        assert await late.until_closed() == (1008, "auth_timeout", [])
    await gone(server)
    async with connect(server) as wrong:
        await wrong.send(type="auth", token="nonsense")
        assert (await wrong.until_closed())[:2] == (1008, "auth_failed")
    await gone(server)
    async with connect(server) as cut:
        cut.ws._response.connection.transport.abort()  # type: ignore[union-attr]
    await gone(server)
    async with connect(server):
        pass
