"""Clients that take their time: who is waited for, and for how long."""

from __future__ import annotations

import asyncio
import io
import logging

import pytest

from alphapulse_api.config import HttpConfig
from alphapulse_api.http.server import protocol
from tests.asking import Answer, ask, problem
from tests.clock import LoopClock
from tests.conftest import Serve, Server
from tests.raw import Connection, connection
from tests.waiting import until

LIMITS = HttpConfig(header_timeout=20, body_timeout=20, keepalive_timeout=20)
TOO_LONG = 25.0  # seconds
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
JSON = b"application/json"
LINE = b'{"metric_type":"risk","name":"var","value":1.5,"timestamp":%d}\n'


async def _timed_out(peer: Connection, clock: LoopClock) -> None:
    await clock.advance(TOO_LONG)
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


async def test_a_head_that_does_not_end_is_a_408(serve: Serve, clock: LoopClock) -> None:
    server = await serve(http=LIMITS)
    async with connection(server.url) as peer:
        await peer.send(HEAD)
        await _timed_out(peer, clock)


async def test_a_head_that_trickles_is_ended_all_the_same(serve: Serve, clock: LoopClock) -> None:
    server = await serve(http=LIMITS)
    async with connection(server.url) as peer:
        await peer.send(HEAD + b"X: ")
        for _ in range(19):
            await peer.send(b"x")
            await clock.advance(1)
        await clock.advance(2)
        assert (await peer.answer()).status == 408


async def test_a_second_head_has_its_own_time(serve: Serve, clock: LoopClock) -> None:
    server = await serve(http=LIMITS)
    async with connection(server.url) as peer:
        await peer.send(HEAD + b"\r\n")
        assert (await peer.answer()).status == 200
        await clock.advance(15)
        await peer.send(HEAD)
        await clock.advance(15)  # longer than the connection may be idle
        await peer.send(b"\r\n")
        assert (await peer.answer()).status == 200
        await peer.send(HEAD)
        await _timed_out(peer, clock)


async def test_part_of_a_head_behind_a_request_is_not_waited_for_long(
    serve: Serve, clock: LoopClock
) -> None:
    server = await serve(http=LIMITS)
    async with connection(server.url) as peer:
        await peer.send(HEAD + b"\r\n" + HEAD)
        assert (await peer.answer()).status == 200
        await _timed_out(peer, clock)


async def test_who_asks_nothing_is_closed_without_a_word(serve: Serve, clock: LoopClock) -> None:
    server = await serve(http=LIMITS)
    async with connection(server.url) as peer:
        await clock.advance(TOO_LONG)
        assert await peer.rest() == b""
    async with connection(server.url) as peer:
        await peer.send(HEAD + b"\r\n")
        await peer.answer()
        await clock.advance(TOO_LONG)
        assert await peer.rest() == b""  # idle for keepalive_timeout


@pytest.mark.parametrize("kind", [b"application/json", b"application/x-ndjson", b"text/csv"])
async def test_a_body_that_stops_is_a_408(serve: Serve, clock: LoopClock, kind: bytes) -> None:
    server = await serve(http=LIMITS)
    async with connection(server.url) as peer:
        await peer.send(await _upload(server, b"Content-Length: 100\r\n\r\n[", kind))
        await _timed_out(peer, clock)


@pytest.mark.parametrize("kind", [b"application/json", b"application/x-ndjson", b"text/csv"])
@pytest.mark.parametrize("before", [b"", b"1\r\n[\r\n"])
async def test_a_size_of_a_chunk_that_does_not_end_is_no_progress(
    serve: Serve, clock: LoopClock, kind: bytes, before: bytes
) -> None:
    server = await serve(http=LIMITS)
    async with connection(server.url) as peer:
        head = b"Transfer-Encoding: chunked\r\n\r\n" + before
        await peer.send(await _upload(server, head, kind))
        for _ in range(19):
            await peer.send(b"0")
            await clock.advance(1)
        await clock.advance(2)
        assert (await peer.answer()).status == 408


async def test_who_goes_on_after_a_413_has_the_time_of_any_refused_client(
    serve: Serve, clock: LoopClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LINGER_SECONDS", 14.0)
    server = await serve(http=HttpConfig(body_timeout=300))
    async with connection(server.url) as peer:
        await peer.send(await _upload(server, b"Content-Length: 999999999\r\n\r\n[", JSON))
        assert (await peer.answer()).status == 413
        end = asyncio.ensure_future(peer.rest())
        await clock.advance(12)
        assert not end.done()
        await clock.advance(3)
        assert await end == b""


async def test_a_form_that_stops_is_a_408_of_rfc_6749(serve: Serve, clock: LoopClock) -> None:
    server = await serve(http=LIMITS)
    async with connection(server.url) as peer:
        await peer.send(
            b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\ng"
        )
        await clock.advance(TOO_LONG)
        answer = await peer.answer()
        assert (answer.status, answer.json["error"]) == (408, "invalid_request")


async def test_an_upload_in_lines_goes_on_for_as_long_as_it_progresses(
    serve: Serve, clock: LoopClock
) -> None:
    server = await serve(http=LIMITS)
    async with connection(server.url) as peer:
        await peer.send(await _upload(server, b"Transfer-Encoding: chunked\r\n\r\n"))
        for number in range(12):
            line = LINE % (1_700_000_000 + number)
            await peer.send(b"%x\r\n%s\r\n" % (len(line), line))
            await clock.advance(15)
        await peer.send(b"0\r\n\r\n")
        answer = await peer.answer()
        assert (answer.status, answer.json) == (201, {"accepted": 12})


async def test_an_upload_that_stops_says_how_much_is_stored(serve: Serve, clock: LoopClock) -> None:
    server = await serve(http=LIMITS)
    async with connection(server.url) as peer:
        await peer.send(await _upload(server, b"Transfer-Encoding: chunked\r\n\r\n"))
        lines = b"".join(LINE % (1_700_000_000 + n) for n in range(10_500))
        await peer.send(b"%x\r\n%s\r\n" % (len(lines), lines))
        caller = await server.key()

        async def all_but_the_last() -> bool:
            known = await server.json("/api/metrics", caller)
            return [series["count"] for series in known] == [10_000]

        await until(all_but_the_last)
        await clock.advance(TOO_LONG)
        answer = await peer.answer()
        assert (answer.status, answer.json["accepted"]) == (408, 10_000)


async def test_who_waits_for_a_slow_answer_is_not_late(serve: Serve, clock: LoopClock) -> None:
    class Slow:
        async def get_trades(self) -> list[object]:
            await clock.advance(60)
            return []

    server = await serve({"trades": Slow()}, http=LIMITS)
    answer = await ask(server, "GET", "/api/trades", await server.key())
    assert answer.status == 200


async def test_a_server_that_stores_slowly_does_not_blame_the_client(
    serve: Serve, clock: LoopClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve(http=LIMITS)
    record = server.feed.record_metrics

    async def slow(*args: object, **kwargs: object) -> int:
        await clock.advance(TOO_LONG)
        return await record(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(server.feed, "record_metrics", slow)
    lines = b"".join(LINE % (1_700_000_000 + n) for n in range(25_000))
    headers = {**await server.key("publish"), "Content-Type": "application/x-ndjson"}
    answer = await ask(server, "POST", "/api/metrics", headers, data=io.BytesIO(lines))
    assert (answer.status, answer.json) == (201, {"accepted": 25_000})


async def test_an_open_socket_is_not_a_slow_request(serve: Serve, clock: LoopClock) -> None:
    server = await serve(http=LIMITS)
    url = f"{server.url}/ws"
    async with server.session.ws_connect(url, headers=await server.key()) as ws:
        assert (await ws.receive_json())["type"] == "welcome"
        assert (await ws.receive_json())["type"] == "authenticated"
        await clock.advance(TOO_LONG)
        await ws.send_json({"type": "ping", "id": 1})
        assert (await ws.receive_json())["type"] == "pong"


@pytest.mark.parametrize("upload", [True, False])
async def test_a_client_that_hangs_up_is_one_line_in_the_access_log(
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
            else:
                assert (await peer.answer()).status == 101
            peer.writer.transport.abort()
    await until(lambda: len([r for r in caplog.records if r.name.endswith("access")]) == 5)
    assert not [record for record in caplog.records if record.exc_info]
    assert {record.levelname for record in caplog.records} == {"INFO"}
    statuses = {record.__dict__["status"] for record in caplog.records}
    assert statuses == {499 if upload else 101}
