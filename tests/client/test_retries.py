"""When the client tries a request again, for how long, and where it never sends its key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import test_utils, web

from alphapulse_api.client import ApiError, DashboardClient, Unreachable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def asking(
    handler: Handler, **options: Any
) -> AsyncIterator[tuple[DashboardClient, list[float]]]:
    """A client of a server that answers everything so, and how long it waited between tries."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    options = {"api_key": "k", "sleep": sleep, "rand": lambda: 1.0, **options}
    async with (
        test_utils.TestServer(app) as server,
        DashboardClient(str(server.make_url("")), **options) as client,
    ):
        yield client, waits


async def test_a_server_that_is_away_is_asked_again_when_it_says() -> None:
    bodies: list[bytes] = []

    async def away(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        if len(bodies) == 1:
            return web.json_response({"title": "away"}, status=503, headers={"Retry-After": "7"})
        if len(bodies) == 2:
            return web.Response(status=502, text="<html>")
        return web.json_response({"accepted": 1}, status=201)

    async with asking(away) as (client, waits):
        point = {"metric_type": "risk", "name": "var", "value": 1}
        assert await client.record_metrics(point) == 1
    assert waits == [7, 0.5]
    assert len(set(bodies)) == 1
    assert b'"timestamp"' in bodies[0]


async def test_patience_is_bounded() -> None:
    async def busy(request: web.Request) -> web.Response:
        return web.json_response({}, status=503, headers={"Retry-After": "3600"})

    async def broken(request: web.Request) -> web.Response:
        return web.Response(status=500, text="oh")

    async def silent(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with asking(busy) as (client, waits):
        with pytest.raises(ApiError) as caught:
            await client.me()
        assert (caught.value.retry_after, waits) == (3600, [])
    async with asking(broken) as (client, waits):
        with pytest.raises(ApiError, match="500") as caught:
            await client.me()
        assert (caught.value.type, waits) == ("about:blank", [])
    async with asking(silent) as (client, waits):
        with pytest.raises(Unreachable, match="/api/me"):
            await client.me()
        assert waits == [0.5, 1, 2, 4]


async def test_a_key_is_not_carried_to_where_a_redirect_points() -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPFound("/other")

    async with asking(elsewhere) as (client, _):
        with pytest.raises(ApiError, match="302"):
            await client.me()
    assert asked == ["/api/me"]


async def test_a_lost_refresh_is_a_login_at_the_next_call() -> None:
    grants: list[str] = []

    async def tokens(request: web.Request) -> web.StreamResponse:
        if request.path != "/token":
            return web.json_response({"username": "ann"})
        grants.append((await request.post())["grant_type"])  # type: ignore[arg-type]
        if grants[-1] == "refresh_token":
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"access_token": "a", "refresh_token": "r", "expires_in": 0})

    async with asking(tokens, api_key=None, username="ann", password="pw") as (client, _):
        await client.me()
        with pytest.raises(Unreachable):
            await client.me()
        await client.me()
    assert grants == ["password", "refresh_token", "password"]
