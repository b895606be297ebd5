"""Addresses to listen on."""

from __future__ import annotations

import logging
import socket

import pytest

from tests.conftest import Serve
from tests.raw import exchange

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
PROXIED = GET + b"X-Forwarded-For: 203.0.113.8\r\n\r\n"

needs_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")


@needs_ipv6
async def test_every_interface_listens_on_ipv6_and_on_ipv4(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = await serve(host="::")
    port = server.url.rpartition(":")[2]
    for host in ("127.0.0.1", "[::1]"):
        assert (await exchange(f"http://{host}:{port}", GET + b"\r\n")).status == 200
    assert [record.__dict__["remote"] for record in caplog.records] == ["127.0.0.1", "::1"]
    await exchange(f"http://127.0.0.1:{port}", b"nonsense\r\n\r\n")
    assert caplog.records[-1].__dict__["remote"] == "127.0.0.1"


@needs_ipv6
async def test_a_trusted_proxy_of_ipv4_is_trusted_there(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = await serve(host="::", trusted_proxies=("127.0.0.1",))
    port = server.url.rpartition(":")[2]
    for host, client in (("127.0.0.1", "203.0.113.8"), ("[::1]", "::1")):
        await exchange(f"http://{host}:{port}", PROXIED)
        assert caplog.records[-1].__dict__["remote"] == client
