"""One socket's life: greeting, who may come in, and what is refused."""

from __future__ import annotations

import aiohttp
import pytest

from alphapulse_api.config import CorsConfig, WebSocketConfig
from tests.conftest import Serve, Server
from tests.socket_client import connect, gone, trade


def token_of(headers: dict[str, str]) -> str:
    return headers["Authorization"].removeprefix("Bearer ")


async def test_the_welcome_says_what_the_client_must_know(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(auth_timeout=7, ping_interval=11))
    async with server.session.ws_connect(f"{server.url}/ws") as ws:
        welcome = await ws.receive_json()
    assert welcome.pop("connection_id")
    assert welcome == {"type": "welcome", "protocol": 1, "auth_timeout": 7, "ping_interval": 11}


async def test_a_token_by_message_authenticates(server: Server) -> None:
    headers = await server.login("viewer", "ann")
    async with connect(server) as client:
        answer = await client.ask(type="auth", id=1, token=token_of(headers))
    assert answer.pop("expires_at").endswith("Z")
    assert answer == {"type": "authenticated", "id": 1, "username": "ann", "role": "viewer"}


async def test_an_api_key_by_message_authenticates(server: Server) -> None:
    headers = await server.key(name="bot")
    async with connect(server) as client:
        answer = await client.ask(type="auth", id="k", api_key=headers["X-API-Key"])
    assert answer == {
        "type": "authenticated", "id": "k", "username": "bot", "role": "api", "expires_at": None,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["token", "api_key"])
async def test_headers_at_the_handshake_authenticate(server: Server, kind: str) -> None:
    headers = await (server.login("viewer") if kind == "token" else server.key())
    async with server.session.ws_connect(f"{server.url}/ws", headers=headers) as ws:
        assert (await ws.receive_json())["type"] == "welcome"
        answer = await ws.receive_json()
        assert answer["type"] == "authenticated"
        assert "id" not in answer


async def test_bad_headers_are_refused_before_the_upgrade(server: Server) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await server.session.ws_connect(
            f"{server.url}/ws", headers={"Authorization": "Bearer nonsense"}
        )
    assert refused.value.status == 401


@pytest.mark.parametrize("field", ["token", "api_key"])
async def test_bad_credentials_get_an_error_and_a_close(server: Server, field: str) -> None:
    async with connect(server) as client:
        error = await client.ask(type="auth", id=8, **{field: "nonsense"})
        assert (error["type"], error["id"], error["code"]) == ("error", 8, "auth_failed")
        assert (await client.until_closed())[:2] == (1008, "auth_failed")
    await gone(server)


async def test_who_does_not_authenticate_in_time_is_closed(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(auth_timeout=0.1))
    async with connect(server) as client:
        assert await client.until_closed() == (1008, "auth_timeout", [])
    await gone(server)


async def test_who_authenticated_is_not_timed_out(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(auth_timeout=0.1, ping_interval=0.3))
    async with connect(server, await server.login("viewer")) as client:
        await client.receive("heartbeat")


async def test_errors_do_not_end_the_connection(server: Server) -> None:
    async with connect(server, await server.login("viewer")) as client:
        for text, code in (
            ("no json", "invalid_json"),
            ("[1]", "invalid_message"),
            ("{}", "invalid_message"),
            ('{"type": "dance"}', "unknown_type"),
            ('{"type": "subscribe", "channels": ["news"]}', "unknown_channel"),
            (
                '{"type": "subscribe", "channels": ["trades"], "filters": {"trades": {"x": []}}}',
                "invalid_filter",
            ),
        ):
            await client.ws.send_str(text)
            assert (await client.receive("error"))["code"] == code
        assert (await client.ask(type="ping", id=1))["type"] == "pong"


async def test_before_authentication_nothing_is_to_be_had(server: Server) -> None:
    async with connect(server) as client:
        error = await client.ask(type="subscribe", id=1, channels=["trades"])
        assert error["code"] == "unauthenticated"
        await server.feed.record_trade(trade())
        assert await client.settled() == []


async def test_a_binary_frame_is_refused(server: Server) -> None:
    async with connect(server, await server.login("viewer")) as client:
        await client.ws.send_bytes(b"{}")
        assert (await client.until_closed())[:2] == (1003, "text_only")
    await gone(server)


@pytest.mark.parametrize("size", [65_537, 2_000_000])
async def test_a_message_over_the_limit_is_refused(server: Server, size: int) -> None:
    async with connect(server, await server.login("viewer")) as client:
        await client.ws.send_str("x" * size)
        assert (await client.until_closed())[:2] == (1009, "too_big")
    await gone(server)


async def test_a_message_of_the_limit_passes(server: Server) -> None:
    async with connect(server, await server.login("viewer")) as client:
        await client.ws.send_str('{"type":"ping"}'.ljust(65_536))
        await client.receive("pong")


async def test_a_flood_gets_an_error_and_then_a_close(server: Server) -> None:
    async with connect(server, await server.login("viewer")) as client:
        for _ in range(200):
            await client.ws.send_str('{"type":"ping"}')
        code, reason, messages = await client.until_closed()
    assert (code, reason) == (1008, "rate_limited")
    assert [m["type"] for m in messages[:20]] == ["pong"] * 20
    assert {m["code"] for m in messages if m["type"] == "error"} == {"rate_limited"}
    await gone(server)


async def test_too_many_connections_are_turned_away_before_the_upgrade(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(max_connections=2))
    headers = await server.login("viewer")
    async with connect(server, headers), connect(server, headers):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await server.session.ws_connect(f"{server.url}/ws", headers=headers)
        assert refused.value.status == 503
        assert refused.value.headers
        assert int(refused.value.headers["Retry-After"]) > 0
    await gone(server)
    async with connect(server, headers):
        pass


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://dashboard.example.com", True),
        ("{same}", True),
        ("https://evil.example.com", False),
        ("null", False),
        ("http://[::1", False),
        ("https://dashboard.example.com.evil.com", False),
    ],
)
async def test_only_known_origins_may_open_a_socket(
    serve: Serve, origin: str, allowed: bool
) -> None:
    server = await serve(cors=CorsConfig(allowed_origins=("https://dashboard.example.com",)))
    headers = {"Origin": origin.replace("{same}", server.url)}
    if allowed:
        async with server.session.ws_connect(f"{server.url}/ws", headers=headers) as ws:
            assert (await ws.receive_json())["type"] == "welcome"
        return
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await server.session.ws_connect(f"{server.url}/ws", headers=headers)
    assert refused.value.status == 403


async def test_a_plain_get_is_a_problem(server: Server) -> None:
    headers = await server.login("viewer")
    async with server.request("GET", "/ws", headers=headers) as response:
        assert 400 <= response.status < 500
        assert response.content_type == "application/problem+json"
        assert "WebSocket" in (await response.json())["detail"]
