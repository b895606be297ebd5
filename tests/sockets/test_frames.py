"""What RFC 6455 forbids, as a client that does it sees it: at the handshake and in frames."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.asking import ask, problem
from tests.conftest import Server
from tests.socket_client import SECONDS, client_frame, connect, gone, raw

UPGRADE = {
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "WebSocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize("version", ["7", "8", "12", "14", "", "13, 8", None])
async def test_the_refusal_of_another_version_names_the_supported_one(
    server: Server, version: str | None
) -> None:
    headers = {**await server.login("viewer"), **UPGRADE}
    if version is None:
        del headers["Sec-WebSocket-Version"]
    else:
        headers["Sec-WebSocket-Version"] = version
    answer = await ask(server, "GET", "/ws", headers=headers)
    problem(answer, 426)
    assert answer.headers["Sec-WebSocket-Version"] == "13"
    assert answer.headers["Upgrade"] == "websocket"
    assert len(server.backend.connections) == 0


@pytest.mark.parametrize(
    ("header", "value", "word"),
    [
        ("Sec-WebSocket-Key", None, "Sec-WebSocket-Key"),
        ("Sec-WebSocket-Key", "c2hvcnQ=", "Sec-WebSocket-Key"),
        ("Sec-WebSocket-Key", "no base64!", "Sec-WebSocket-Key"),
        ("Upgrade", None, "upgrade request"),
        ("Upgrade", "h2c", "upgrade request"),
        ("Connection", "keep-alive", "upgrade request"),
    ],
)
async def test_the_refusal_of_an_incomplete_handshake_names_what_is_missing(
    server: Server, header: str, value: str | None, word: str
) -> None:
    headers = {name: text for name, text in UPGRADE.items() if name != header}
    if value is not None:
        headers[header] = value
    assert word in problem(await ask(server, "GET", "/ws", headers=headers), 400)["detail"]


async def test_http_1_0_cannot_be_upgraded(server: Server) -> None:
    url = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    lines = [f"{name}: {value}" for name, value in {"Host": url.netloc, **UPGRADE}.items()]
    writer.write("\r\n".join(["GET /ws HTTP/1.0", *lines, "", ""]).encode())
    answer = await asyncio.wait_for(reader.readuntil(b"proxy_http_version 1.1"), SECONDS)
    assert answer.startswith(b"HTTP/1.0 400 ")
    writer.close()


async def until_closed(server: Server, data: bytes) -> tuple[int, str]:
    """How a socket ends that sends it."""
    async with raw(server, await server.login("viewer")) as client:
        await client.write(data)
        async with asyncio.timeout(SECONDS):
            async for message in client.messages():
                assert message["type"] != "pong"
        assert client.closed is not None
        return client.closed


@pytest.mark.parametrize(
    "data",
    [
        client_frame(b'{"type":"ping"}', masked=False),
        b"\x81\xfe\x00\x0f" + bytes(4) + b'{"type":"ping"}',
        b"\x81\xff" + (15).to_bytes(8, "big") + bytes(4) + b'{"type":"ping"}',
        client_frame((5000).to_bytes(2, "big"), 0x88),
        client_frame((1006).to_bytes(2, "big"), 0x88),
    ],
    ids=["unmasked", "16 bits of length", "64 bits of length", "close 5000", "close 1006"],
)
async def test_frames_that_may_not_be_sent_end_the_socket(server: Server, data: bytes) -> None:
    assert await until_closed(server, data) == (1002, "protocol_error")
    await gone(server)
    assert server.backend.connections.closes["protocol_error"] == 1


@pytest.mark.parametrize("head", [0x89, 0x8A, 0x01, 0x00])
async def test_a_flood_of_frames_that_are_no_messages_ends_the_socket(
    server: Server, head: int
) -> None:
    first = client_frame(b"x" * 600, 0x01) if head == 0x00 else b""
    frames = first + client_frame(b"", head) * 1000
    if head == 0x01:  # a text that begins, and continues with nothing
        frames = client_frame(b"", 0x01) + client_frame(b"", 0x00) * 1000
    assert await until_closed(server, frames) == (1008, "rate_limited")
    await gone(server)


async def test_pings_use_up_no_messages(server: Server) -> None:
    async with connect(server, await server.login("viewer")) as client:
        for _ in range(50):
            await client.ws.ping()
        assert (await client.ask(type="ping", id=1))["type"] == "pong"


async def test_what_follows_the_handshake_without_waiting_is_looked_at_too(
    server: Server,
) -> None:
    url = urlsplit(server.url)
    caller = await server.login("viewer")
    lines = [f"{n}: {v}" for n, v in {"Host": url.netloc, **UPGRADE, **caller}.items()]
    handshake = "\r\n".join(["GET /ws HTTP/1.1", *lines, "", ""]).encode()
    for frame, end in (
        (client_frame(b'{"type":"ping"}'), b'"pong"'),
        (client_frame(b'{"type":"ping"}', masked=False), b"protocol_error"),
    ):
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(handshake + frame[:9])
        await asyncio.sleep(0)
        writer.write(frame[9:])
        await asyncio.wait_for(reader.readuntil(end), SECONDS)
        writer.close()
    await gone(server)
