"""Whatever bytes a client sends: the contract's error or a close, and the others never notice."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphapulse_api.config import WebSocketConfig
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.errors import CLOSES, SOCKET_ERRORS
from alphapulse_api.sockets.requests import REQUESTS
from tests.conftest import Serve, Server
from tests.socket_client import SECONDS, client_frame, connect, gone, raw

CODES = {error.code for error in SOCKET_ERRORS}
ANSWERS = {
    "subscribed", "unsubscribed", "subscriptions", "pong", "authenticated", "error", "heartbeat",
    *(channel.type for channel in CHANNELS.values()),
}  # fmt: skip
REASONS = {1002: "protocol_error", 1003: "text_only", 1007: "", 1009: "too_big"}
PROTOCOL_CLOSES = {1000, 1002, 1007}  # RFC 6455: the peer left, broke the framing, sent no UTF-8

fuzz = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
_NAMES = st.sampled_from([*CHANNELS, "agents"])
_FILTERS = st.dictionaries(
    _NAMES,
    st.dictionaries(
        st.sampled_from(["metric_types", "names", "severities", "sources", "symbols", "x"]),
        st.lists(st.text(max_size=5), max_size=3),
        max_size=2,
    ),
    max_size=2,
)
_MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from([*(r for r in REQUESTS if r != "auth"), "nonsense"]) | _JSON},
    optional={
        "id": st.integers() | st.text(max_size=40) | _JSON,
        "channels": st.lists(_NAMES, min_size=1, max_size=3, unique=True) | _JSON,
        "filters": _FILTERS | _JSON,
        "since": st.dictionaries(_NAMES, st.text(max_size=20), max_size=2) | _JSON,
        "snapshot": st.booleans() | _JSON,
    },
)
_TEXTS = st.text(max_size=200) | _JSON.map(json.dumps) | _MESSAGES.map(json.dumps)


def check(message: dict[str, Any]) -> None:
    assert message["type"] in ANSWERS, message
    if message["type"] == "error":
        assert message["code"] in CODES
        assert message["message"]


async def still_serves(server: Server, headers: dict[str, str]) -> None:
    async with connect(server, headers) as client:
        assert (await client.ask(type="ping"))["type"] == "pong"


@given(data=st.data())
@fuzz
async def test_every_text_is_answered_and_ends_nothing(server: Server, data: Any) -> None:
    texts = data.draw(st.lists(_TEXTS, max_size=12))
    async with connect(server, await server.key(name="fuzz")) as client:
        for text in texts:
            await client.ws.send_str(text)
        await client.send(type="ping", id="the end")
        answers = 0
        while (message := await client.receive()).get("id") != "the end":
            check(message)
            answers += message["type"] not in {c.type for c in CHANNELS.values()}
        assert message["type"] == "pong"
        assert answers == len(texts)
    await gone(server)


_FRAMES = st.builds(
    lambda head, payload, masked: client_frame(payload, head, masked=masked),
    st.integers(0, 255) | st.sampled_from([0x81, 0x01, 0x00, 0x80, 0x88, 0x89, 0x8A]),
    st.binary(max_size=150) | _TEXTS.map(lambda t: t.encode("utf-8", "surrogatepass")),
    st.booleans(),
)
_BYTES = st.lists(_FRAMES | st.binary(max_size=60), max_size=8).map(b"".join)


@given(data=_BYTES)
@fuzz
async def test_any_bytes_are_answered_or_closed_and_nobody_else_notices(
    server: Server, data: bytes
) -> None:
    headers = await server.key(name="fuzz")
    async with raw(server, headers) as client:
        try:
            await client.write(data)
            client.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # closed already
        async with asyncio.timeout(SECONDS):
            async for message in client.messages():
                check(message)
        if client.closed is not None:
            code, reason = client.closed
            closes = {(c.code, c.reason) for c in CLOSES}
            # A peer's own code is given back to it (RFC 6455, section 5.5.1).
            assert (code, reason) in closes or code in PROTOCOL_CLOSES or reason == ""
    await gone(server)
    await still_serves(server, headers)


@given(data=st.binary(max_size=300))
@settings(fuzz, max_examples=15)
async def test_garbage_instead_of_a_handshake_is_turned_away(server: Server, data: bytes) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n" + data + b"\r\n\r\n"
    )
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), SECONDS)
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:100]
    writer.close()
    await gone(server)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (client_frame(b"\xff\xfe"), 1007),
        (client_frame(b'{"type":"ping"}', 0xC1), 1002),
        (client_frame(b"", 0x83), 1002),
        (client_frame(b"x" * 126, 0x89), 1002),
        (client_frame(b"x", 0x09), 1002),
        (client_frame(b"more", 0x80), 1002),
        (client_frame(b"a", 0x01) + client_frame(b"b", 0x81), 1002),
        (client_frame(b"", 0x82), 1003),
        (client_frame(b"x" * 65_537), 1009),
        (client_frame(b"x" * 40_000, 0x01) + client_frame(b"x" * 40_000, 0x80), 1009),
        (b"\x81\xff" + b"\x7f" * 8, 1009),
    ],
    ids=[
        "invalid UTF-8", "reserved bit", "reserved opcode", "long control frame",
        "fragmented control frame", "continuation of nothing", "text inside a text", "binary",
        "too big", "too big in parts", "too big by far",
    ],
)  # fmt: skip
async def test_a_broken_frame_closes_with_its_code(server: Server, data: bytes, code: int) -> None:
    headers = await server.login("viewer")
    async with raw(server, headers) as client:
        await client.write(data)
        async with asyncio.timeout(SECONDS):
            async for message in client.messages():
                check(message)
        assert client.closed is not None
        assert client.closed[0] == code
        assert client.closed[1] == REASONS[code]
    await gone(server)
    await still_serves(server, headers)


async def test_a_message_in_fragments_with_a_ping_between_is_one_message(server: Server) -> None:
    async with raw(server, await server.login("viewer")) as client:
        text = json.dumps({"type": "ping", "id": "é"}, ensure_ascii=False).encode()
        cut = text.index("é".encode()) + 1  # in the middle of a character
        await client.write(
            client_frame(text[:cut], 0x01)
            + client_frame(b"are you there", 0x89)
            + client_frame(text[cut:], 0x80)
        )
        (pong,) = await client.until("pong")
        assert pong["id"] == "é"


async def test_a_frame_that_never_ends_is_ended_by_the_ping(serve: Serve) -> None:
    server = await serve(websocket=WebSocketConfig(ping_interval=0.3))
    async with raw(server, await server.login("viewer")) as client:
        await client.write(client_frame(b"x" * 100)[:50])
        await gone(server)
        async for message in client.messages():
            check(message)


async def test_a_client_that_leaves_in_the_middle_of_everything_breaks_nothing(
    server: Server,
) -> None:
    headers = await server.login("viewer")
    for n in range(30):
        async with server.session.ws_connect(f"{server.url}/ws", headers=headers) as ws:
            await ws.send_json(
                {"type": "subscribe", "channels": list(CHANNELS), "snapshot": bool(n % 2)}
            )
            assert ws._response.connection is not None
            transport = ws._response.connection.transport
            assert transport is not None
            if n % 3 == 0:
                transport.abort()
            elif n % 3 == 1:
                transport.close()
        await server.feed.record_metrics({"metric_type": "risk", "name": "a", "value": n})
    await gone(server)
    await still_serves(server, headers)
