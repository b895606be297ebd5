"""Clients that take their time: who is waited for, and for how long."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Awaitable, Iterable

import pytest

from alphapulse_api.config import HttpConfig
from tests.asking import TRADE, Answer, ask, problem
from tests.conftest import Serve, Server
from tests.raw import Connection, connection

SHORT = HttpConfig(header_timeout=0.3, body_timeout=0.3, keepalive_timeout=0.3)
WIDE = {**TRADE, "metadata": {"x": "y" * 800}}
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
LINE = b'{"metric_type":"risk","name":"var","value":1.5,"timestamp":%d}\n'


async def _timed_out(peer: Connection) -> None:
    answer = await peer.answer()
    problem(Answer(answer.status, answer.headers, answer.body), 408)
    assert answer.headers["Connection"] == "close"
    assert await peer.rest() == b""


async def _upload(server: Server, rest: bytes, kind: bytes = b"application/x-ndjson") -> bytes:
    caller = await server.key("publish")
    return (
        b"POST /api/metrics HTTP/1.1\r\nHost: localhost\r\nX-API-Key: "
        + caller["X-API-Key"].encode()
        + b"\r\nContent-Type: "
        + kind
        + b"\r\n"
        + rest
    )


async def test_a_head_that_does_not_end_is_a_408(serve: Serve) -> None:
    server = await serve(http=SHORT)
    async with connection(server.url) as peer:
        await peer.send(HEAD)
        await _timed_out(peer)


async def test_a_head_that_trickles_is_ended_all_the_same(serve: Serve) -> None:
    server = await serve(http=SHORT)
    async with connection(server.url) as peer:
        started = time.monotonic()
        answer = asyncio.create_task(peer.answer())
        await peer.send(HEAD + b"X: ")
        while not answer.done():
            await peer.send(b"x")
            await asyncio.sleep(0.02)
        assert (await answer).status == 408
        assert time.monotonic() - started < 2


async def test_a_second_head_has_its_own_time(serve: Serve) -> None:
    server = await serve(http=HttpConfig(header_timeout=0.4, keepalive_timeout=0.5))
    async with connection(server.url) as peer:
        await peer.send(HEAD + b"\r\n")
        assert (await peer.answer()).status == 200
        await asyncio.sleep(0.3)
        await peer.send(HEAD)
        await asyncio.sleep(0.3)  # longer than the connection may be idle
        await peer.send(b"\r\n")
        assert (await peer.answer()).status == 200
        await peer.send(HEAD)
        await _timed_out(peer)


async def test_part_of_a_head_behind_a_request_is_not_waited_for_long(serve: Serve) -> None:
    server = await serve(http=SHORT)
    async with connection(server.url) as peer:
        await peer.send(HEAD + b"\r\n" + HEAD)
        assert (await peer.answer()).status == 200
        assert await peer.rest() == b""


async def test_who_asks_nothing_is_closed_without_a_word(serve: Serve) -> None:
    server = await serve(http=SHORT)
    async with connection(server.url) as peer:
        assert await peer.rest() == b""
    async with connection(server.url) as peer:
        await peer.send(HEAD + b"\r\n")
        await peer.answer()
        assert await peer.rest() == b""  # idle for keepalive_timeout


@pytest.mark.parametrize("kind", [b"application/json", b"application/x-ndjson", b"text/csv"])
async def test_a_body_that_stops_is_a_408(serve: Serve, kind: bytes) -> None:
    server = await serve(http=SHORT)
    async with connection(server.url) as peer:
        await peer.send(await _upload(server, b"Content-Length: 100\r\n\r\n[", kind))
        await _timed_out(peer)


async def test_a_form_that_stops_is_a_408_of_rfc_6749(serve: Serve) -> None:
    server = await serve(http=SHORT)
    async with connection(server.url) as peer:
        await peer.send(
            b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\ng"
        )
        answer = await peer.answer()
        assert (answer.status, answer.json["error"]) == (408, "invalid_request")


async def test_an_upload_in_lines_goes_on_for_as_long_as_it_progresses(serve: Serve) -> None:
    server = await serve(http=SHORT)
    async with connection(server.url) as peer:
        await peer.send(await _upload(server, b"Transfer-Encoding: chunked\r\n\r\n"))
        for number in range(12):
            line = LINE % (1_700_000_000 + number)
            await peer.send(b"%x\r\n%s\r\n" % (len(line), line))
            await asyncio.sleep(0.05)
        await peer.send(b"0\r\n\r\n")
        answer = await peer.answer()
        assert (answer.status, answer.json) == (201, {"accepted": 12})


async def test_an_upload_that_stops_says_how_much_is_stored(serve: Serve) -> None:
    server = await serve(http=HttpConfig(body_timeout=1))
    async with connection(server.url) as peer:
        await peer.send(await _upload(server, b"Transfer-Encoding: chunked\r\n\r\n"))
        lines = b"".join(LINE % (1_700_000_000 + n) for n in range(10_500))
        await peer.send(b"%x\r\n%s\r\n" % (len(lines), lines))
        answer = await peer.answer()
        assert (answer.status, answer.json["accepted"]) == (408, 10_000)


async def test_who_waits_for_a_slow_answer_is_not_late(serve: Serve) -> None:
    class Slow:
        async def get_trades(self) -> list[object]:
            await asyncio.sleep(1)
            return []

    server = await serve({"trades": Slow()}, http=SHORT)
    answer = await ask(server, "GET", "/api/trades", await server.key())
    assert answer.status == 200


async def test_a_server_that_stores_slowly_does_not_blame_the_client(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve(http=SHORT)
    record = server.feed.record_metrics

    async def slow(*args: object, **kwargs: object) -> int:
        await asyncio.sleep(0.5)
        return await record(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(server.feed, "record_metrics", slow)
    lines = b"".join(LINE % (1_700_000_000 + n) for n in range(25_000))
    headers = {**await server.key("publish"), "Content-Type": "application/x-ndjson"}
    answer = await ask(server, "POST", "/api/metrics", headers, data=io.BytesIO(lines))
    assert (answer.status, answer.json) == (201, {"accepted": 25_000})


async def test_an_open_socket_is_not_a_slow_request(serve: Serve) -> None:
    server = await serve(http=SHORT)
    url = f"{server.url}/ws"
    async with server.session.ws_connect(url, headers=await server.key()) as ws:
        assert (await ws.receive_json())["type"] == "welcome"
        assert (await ws.receive_json())["type"] == "authenticated"
        await asyncio.sleep(0.8)
        await ws.send_json({"type": "ping", "id": 1})
        assert (await ws.receive_json())["type"] == "pong"


@pytest.mark.parametrize("upload", [True, False])
async def test_a_client_that_hangs_up_is_one_line_with_499(
    server: Server, caplog: pytest.LogCaptureFixture, upload: bool
) -> None:
    caplog.set_level(logging.INFO)
    key = (await server.key("publish"))["X-API-Key"].encode()
    if upload:
        data = await _upload(server, b"Content-Length: 100000\r\n\r\n" + LINE % 1_700_000_000)
    else:
        data = (
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"X-API-Key: " + key + b"\r\n\r\n"
        )
    caplog.clear()
    for _ in range(5):
        async with connection(server.url) as peer:
            await peer.send(data)
            if upload:
                await asyncio.sleep(0.02)
            peer.writer.transport.abort()
    async with asyncio.timeout(5):
        while len([r for r in caplog.records if r.name.endswith("access")]) < 5:
            await asyncio.sleep(0.01)
    assert not [record for record in caplog.records if record.exc_info]
    assert {record.levelname for record in caplog.records} == {"INFO"}
    statuses = {record.__dict__["status"] for record in caplog.records}
    assert statuses == {499} if upload else statuses <= {101, 499}


async def _unread(peer: Connection) -> None:
    """Ask for the largest file there is again and again, and read nothing."""
    await peer.send(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]


async def _in_turn(awaitables: Iterable[Awaitable[object]]) -> None:
    for awaitable in awaitables:
        await awaitable


async def test_who_does_not_read_an_answer_is_cut(serve: Serve) -> None:
    server = await serve(http=HttpConfig(send_timeout=0.3))
    async with connection(server.url) as peer:
        await _unread(peer)
        await asyncio.sleep(1)
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        answers = [peer.answer() for _ in range(20)]
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await _in_turn(answers)
        for answer in answers:
            answer.close()


async def test_who_reads_slowly_gets_all(serve: Serve) -> None:
    server = await serve(http=HttpConfig(send_timeout=0.4, header_timeout=0.4))
    async with connection(server.url) as peer:
        await _unread(peer)
        for _ in range(20):
            await asyncio.sleep(0.1)
            peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert (await peer.answer()).status == 200
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(1)  # idle, and no longer watched
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await peer.send(HEAD + b"\r\n")
        assert (await peer.answer()).status == 200


async def test_a_socket_that_does_not_read_has_its_own_limits(serve: Serve) -> None:
    server = await serve(http=HttpConfig(send_timeout=0.2))
    url = f"{server.url}/ws"
    async with server.session.ws_connect(url, headers=await server.key()) as ws:
        await ws.receive_json()
        await ws.receive_json()
        await ws.send_json({"type": "subscribe", "id": 1, "channels": ["trades"]})
        assert (await ws.receive_json())["type"] == "subscribed"
        transport = ws._response.connection.transport
        transport.pause_reading()
        await server.feed.record_trades([{**WIDE, "id": f"t{n}"} for n in range(500)])
        await asyncio.sleep(0.8)
        transport.resume_reading()
        for _ in range(500):
            assert (await ws.receive_json())["type"] == "trade"
