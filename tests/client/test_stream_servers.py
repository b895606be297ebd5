"""The client's stream against servers that do what ours does rarely."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import test_utils, web

from alphapulse_api.client import ApiError, DashboardClient, StreamError, StreamGap
from tests.streams import failure, one, take


@asynccontextmanager
async def speaking(
    script: Callable[[web.WebSocketResponse, int], Awaitable[None]], **options: Any
) -> AsyncIterator[tuple[DashboardClient, list[float]]]:
    """A client of a server whose every socket follows the script; and how long it waited."""
    waits: list[float] = []
    numbers = iter(range(1000))

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def handler(request: web.Request) -> web.StreamResponse:
        number = next(numbers)
        if number in options.get("answers", {}):
            return web.Response(**options["answers"][number])
        if number < options.get("full", 0):
            return web.Response(status=503, headers={"Retry-After": "5"})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "welcome", "ping_interval": 30, "auth_timeout": 10})
        assert request.headers["X-API-Key"] == "k"
        await socket.send_json({"type": "authenticated", "expires_at": None})
        asked = await socket.receive_json()
        acks = {name: {"cursor": "c0"} for name in asked["channels"]}
        for name in asked["since"]:
            acks[name] = {"cursor": asked["since"][name], "resumed": True, "replayed": 0}
        await socket.send_json({"type": "subscribed", "id": asked["id"], "channels": acks})
        ping = await socket.receive_json()
        await socket.send_json({"type": "pong", "id": ping["id"]})
        await script(socket, number)
        return socket

    app = web.Application()
    app.router.add_get("/ws", handler)
    async with (
        test_utils.TestServer(app) as server,
        DashboardClient(
            str(server.make_url("")), api_key="k", sleep=sleep, rand=lambda: 1.0
        ) as client,
    ):
        yield client, waits


def event(cursor: str) -> str:
    data = {"id": cursor, "price": "1"}
    return json.dumps({"type": "trade", "channel": "trades", "cursor": cursor, "data": data})


async def test_each_close_has_its_answer(caplog: Any) -> None:
    closes = [(1013, b"slow_consumer"), (1001, b"shutdown"), (1008, b"revoked")]

    async def close(socket: web.WebSocketResponse, number: int) -> None:
        await socket.send_str(event(f"c{number + 1}"))
        code, reason = closes[number]
        await socket.close(code=code, message=reason)

    async with speaking(close) as (client, waits):
        stream = client.stream("trades")
        assert [e.cursor for e in await take(stream, 3)] == ["c1", "c2", "c3"]
        assert (await failure(stream, StreamError)).code == "revoked"
    assert waits == [0, 0.5]
    assert "1001 shutdown" in caplog.text


async def test_a_full_server_is_asked_again_when_it_says() -> None:
    async def send_events(socket: web.WebSocketResponse, number: int) -> None:
        await socket.send_str(event("c1"))
        await socket.receive()

    async with speaking(send_events, full=2) as (client, waits):
        await take(client.stream("trades"), 1)
    assert waits == [5.5, 6.0]


async def test_resync_and_errors_of_the_moment() -> None:
    async def send_events(socket: web.WebSocketResponse, number: int) -> None:
        if number == 0:
            await socket.send_json({"type": "error", "code": "internal", "message": "oh"})
            await socket.receive()
            return
        await socket.send_json({"type": "resync", "channel": "trades"})
        await socket.send_str(event("c1"))
        await socket.receive()

    async with speaking(send_events) as (client, waits):
        stream = client.stream("trades")
        assert await one(stream) == StreamGap("trades", None)
        await take(stream, 1)
    assert waits == [0.5]


async def test_a_lasting_token_that_is_said_to_expire_is_not_shown_again() -> None:
    async def send_events(socket: web.WebSocketResponse, number: int) -> None:
        await socket.send_json({"type": "token_expiring", "expires_in": 1})
        await socket.send_str(event("c1"))
        again = await socket.receive()
        assert again.type is web.WSMsgType.CLOSE, again

    async with speaking(send_events) as (client, _), client.stream("trades") as stream:
        await take(stream, 1)


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 408, 421])
async def test_a_page_of_a_proxy_ends_no_stream_that_has_stood(status: int) -> None:
    async def close(socket: web.WebSocketResponse, number: int) -> None:
        await socket.send_str(event(f"c{number}"))
        await socket.close(code=1001, message=b"shutdown")

    page = {"status": status, "text": "<h1>proxy</h1>", "content_type": "text/html"}
    problem = {"status": 403, "text": "{}", "content_type": "application/problem+json"}
    async with speaking(close, answers={1: page, 2: page, 4: problem}) as (client, waits):
        stream = client.stream("trades")
        assert [e.cursor for e in await take(stream, 2)] == ["c0", "c3"]
        refused = await failure(stream, ApiError)
        assert (refused.status, refused.from_dashboard) == (403, True)
    assert waits[:3] == [0.5, 1.0, 2.0]


async def test_a_page_where_no_stream_has_stood_is_the_wrong_address() -> None:
    async def never(socket: web.WebSocketResponse, number: int) -> None:
        raise AssertionError

    page = {"status": 404, "text": "<h1>proxy</h1>", "content_type": "text/html"}
    async with speaking(never, answers={0: page}) as (client, waits):
        refused = await failure(client.stream("trades"), ApiError)
        assert (refused.status, refused.from_dashboard) == (404, False)
    assert waits == []
