"""Pages of other names do not reach the server: its host names, and origins of sockets."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from alphapulse_api import Config, create_app
from alphapulse_api.config import CorsConfig, DatabaseConfig
from tests.asking import Answer, ask, problem
from tests.conftest import Serve, Server
from tests.raw import connection

EVIL = {"Host": "evil.example", "Origin": "http://evil.example"}
PATHS = [
    ("GET", "/healthz"),
    ("GET", "/api/me"),
    ("POST", "/token"),
    ("GET", "/nowhere"),
    ("OPTIONS", "/api/trades"),
    ("GET", "/ws"),
]


async def handshake(server: Server, **headers: str) -> int:
    """The status that a handshake is answered with."""
    try:
        async with server.session.ws_connect(f"{server.url}/ws", headers=headers):
            return 101
    except aiohttp.WSServerHandshakeError as refusal:
        return refusal.status


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_a_rebound_name_reaches_nothing(serve: Serve, method: str, path: str) -> None:
    server = await serve(cors=CorsConfig(allowed_origins=("*",)))
    refusal = problem(await ask(server, method, path, headers=EVIL), 421)
    assert "evil.example" in refusal["detail"]
    assert "allowed_hosts" in refusal["detail"]
    assert await handshake(server, **EVIL) == 421


async def test_a_loopback_server_answers_for_itself(server: Server) -> None:
    port = server.url.rpartition(":")[2]
    for name in ("localhost", "Desk.LocalHost", "127.0.0.1", "[::1]", "192.168.1.5"):
        for host in (name, f"{name}:{port}"):
            assert (await ask(server, "GET", "/healthz", headers={"Host": host})).status == 200
            assert await handshake(server, Host=host, Origin=f"http://{host}") == 101
    for host in ("", "127.0.0.1.evil.example", "a b", "localhost:99999"):
        problem(await ask(server, "GET", "/healthz", headers={"Host": host}), 421)


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_a_target_that_is_a_whole_url_stands_for_the_host(
    server: Server, method: str, path: str
) -> None:
    port = server.url.rpartition(":")[2]

    async def status(url: str, host: str) -> int:
        async with connection(server.url) as peer:
            await peer.send(f"{method} {url}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            return (await peer.answer()).status

    for ours in ("localhost", f"127.0.0.1:{port}", "[::1]"):
        assert await status(f"http://{ours}", "localhost") != 421
        assert await status(f"http://{ours}", "evil.example") == 421
    for other in ("http://evil.example", "https://evil.example:443", "http://a@evil.example"):
        assert await status(other, "localhost") == 421


async def test_an_answer_that_is_remembered_is_for_hosts_of_ours_too(server: Server) -> None:
    viewer = await server.login("viewer")
    for _ in range(3):
        assert (await ask(server, "GET", "/api/trades", viewer)).status == 200
    problem(await ask(server, "GET", "/api/trades", viewer, headers={"Host": "evil.example"}), 421)


async def test_allowed_hosts_are_answered_and_no_others(serve: Serve, tmp_path: Path) -> None:
    for bind in ("127.0.0.1", "0.0.0.0"):
        server = await serve(
            host=bind,
            allowed_hosts=("dash.example.com", "*.lan.example"),
            database=DatabaseConfig(url=f"sqlite:///{tmp_path}/{bind}.db"),
        )
        for host in ("dash.example.com", "Dash.Example.com:8443", "a.lan.example", "localhost"):
            assert (await ask(server, "GET", "/healthz", headers={"Host": host})).status == 200
        for host in ("example.com", "lan.example", "evil.example"):
            problem(await ask(server, "GET", "/healthz", headers={"Host": host}), 421)
            assert await handshake(server, Host=host) == 421


async def test_a_public_server_answers_for_any_name(serve: Serve) -> None:
    server = await serve(host="0.0.0.0")
    for host in ("dash.example.com", "nas.local:8080"):
        assert (await ask(server, "GET", "/healthz", headers={"Host": host})).status == 200
        assert await handshake(server, Host=host) == 101


async def test_mounted_the_host_is_looked_at_as_well(
    config: Config, aiohttp_client: Any, tmp_path: Path
) -> None:
    outer = web.Application()
    outer.add_subapp("/dashboard/", create_app(config))
    other = DatabaseConfig(url=f"sqlite:///{tmp_path}/other.db")
    outer.add_subapp("/open/", create_app(replace(config, allowed_hosts=("*",), database=other)))
    client = await aiohttp_client(outer)
    for path, status in (("/dashboard/healthz", 421), ("/open/healthz", 200)):
        async with client.get(path, headers=EVIL) as response:
            answer = Answer(response.status, response.headers, await response.read())
        if status == 421:
            problem(answer, status)
        assert answer.status == status


async def test_a_request_without_a_host_is_no_browsers(server: Server) -> None:
    reader, writer = await _connect(server)
    writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.0 200 ")
    writer.close()


async def test_a_host_given_twice_is_refused(server: Server) -> None:
    reader, writer = await _connect(server)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
    assert (await reader.readline()).split()[1] in (b"400", b"421")
    writer.close()


async def test_the_log_says_once_which_name_was_refused(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "alphapulse_api"):
        for n in range(100):
            await ask(server, "GET", "/healthz", headers={"Host": f"evil{n % 50}.example"})
    warnings = [record.getMessage() for record in caplog.records]
    assert len([text for text in warnings if "evil0.example" in text]) == 1
    assert len(warnings) < 10


async def test_origins_are_compared_as_origins(serve: Serve) -> None:
    allowed = CorsConfig(allowed_origins=("https://desk.example.com:443",))
    server = await serve(cors=allowed, allowed_hosts=("*",))
    for host, origin in (
        ("x.example:443", "https://x.example"),
        ("x.example", "https://x.example:443"),
        ("X.example", "HTTPS://x.Example"),
        ("x.example:80", "http://x.example"),
        ("inner:8080", "https://desk.example.com"),
        ("inner:8080", "https://Desk.example.com:443"),
    ):
        assert await handshake(server, Host=host, Origin=origin) == 101, (host, origin)
    for host, origin in (
        ("x.example:443", "http://x.example"),
        ("x.example", "https://x.example:8443"),
        ("x.example", "https://y.example"),
        ("inner:8080", "http://desk.example.com"),
    ):
        assert await handshake(server, Host=host, Origin=origin) == 403, (host, origin)
    cors = await ask(server, "GET", "/healthz", headers={"Origin": "https://desk.example.com"})
    assert cors.headers["Access-Control-Allow-Origin"] == "https://desk.example.com"


async def test_the_log_shows_the_origin_and_the_host_once(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve(allowed_hosts=("*",))
    page = {"Host": "inner:8080", "Origin": "https://dash.example.com"}
    with caplog.at_level(logging.WARNING, "alphapulse_api"):
        for _ in range(5):
            refusal = problem(await ask(server, "GET", "/ws", headers=page), 403)
        for n in range(100):
            await handshake(server, Host="inner:8080", Origin=f"https://evil{n}.example")
    assert "https://dash.example.com" in refusal["detail"]
    assert "inner:8080" in refusal["detail"]
    warnings = [record.getMessage() for record in caplog.records]
    shown = [text for text in warnings if "'https://dash.example.com'" in text]
    assert len(shown) == 1
    assert "'inner:8080'" in shown[0]
    assert "cors.allowed_origins" in shown[0]
    assert len(warnings) < 10


async def _connect(server: Server) -> Any:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))
