"""Headers that every answer has, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from aiohttp import web

from alphapulse_api import create_app
from alphapulse_api.config import Config
from tests.asking import ask
from tests.conftest import Server


def _common(headers: Mapping[str, str]) -> None:
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "alphapulse_api"
    assert headers["X-Request-ID"]


async def test_every_answer_forbids_sniffing_and_reveals_no_version(server: Server) -> None:
    caller = await server.key("publish")
    csv = {**caller, "Accept": "text/csv"}
    etag = (await ask(server, "GET", "/api/trades", caller)).headers["ETag"]
    for status, method, path, headers in (
        (200, "GET", "/healthz", {}),
        (200, "GET", "/readyz", {}),
        (200, "GET", "/metrics", caller),
        (200, "GET", "/api/me", caller),
        (200, "GET", "/api/trades", caller),
        (200, "GET", "/api/trades", caller),  # from the cache, by the fast path
        (304, "GET", "/api/trades", {**caller, "If-None-Match": etag}),
        (200, "HEAD", "/api/trades", caller),
        (200, "GET", "/api/trades", csv),  # a stream
        (302, "GET", "/", {}),
        (200, "GET", "/console/", {}),
        (200, "GET", "/console/main.js", {}),
        (200, "GET", "/docs", {}),
        (200, "GET", "/docs/swagger-ui.css", {}),
        (401, "GET", "/api/trades", {}),
        (404, "GET", "/nowhere", {}),
        (405, "DELETE", "/api/trades", {}),
        (415, "POST", "/api/trades", caller),
        (422, "GET", "/api/trades?x=1", caller),
    ):
        answer = await ask(server, method, path, headers, allow_redirects=False)
        assert answer.status == status, (method, path)
        _common(answer.headers)
    async with server.session.ws_connect(f"{server.url}/ws") as ws:
        _common(ws._response.headers)


async def test_mounted_in_a_host_they_are_there_too(config: Config) -> None:
    parent = web.Application()
    parent.add_subapp("/dashboard/", create_app(config))
    runner = web.AppRunner(parent)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/dashboard"
        async with aiohttp.ClientSession() as session:
            for path in ("/healthz", "/api/me", "/nowhere"):
                async with session.get(url + path) as response:
                    _common(response.headers)
    finally:
        await runner.cleanup()
