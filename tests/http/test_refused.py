"""What the HTTP parser refuses: the same problems as everywhere, on every way in."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from pathlib import Path

import pytest

from alphapulse_api.config import CorsConfig, HttpConfig
from tests.asking import Answer, problem
from tests.commands import one_worker, serving
from tests.conftest import Serve, Server
from tests.raw import RawAnswer, connection, exchange

OURS = b"https://dashboard.example.com"
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
MARK = b"<script>mark</script>"
# Which status, and bytes that earn it; each holds a mark that no answer may repeat.
REFUSED = (
    (400, b"GET /\r\n\r\n"),
    (400, b"GET /healthz?" + MARK + b" HTTP/0.9\r\n\r\n"),
    (400, b"GET /healthz HTTP/2.0\r\nHost: localhost\r\nX: " + MARK + b"\r\n\r\n"),
    (400, b"POST /token HTTP/2.0\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab"),
    (
        400,
        b"GET /ws HTTP/2.0\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ),
    (400, b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n" + HEAD + b"\r\n"),
    (431, HEAD + b"Cookie: " + MARK + b"a" * 40_000 + b"\r\n\r\n"),
    (431, HEAD + b"".join(b"X-%d: %s\r\n" % (n, MARK) for n in range(200)) + b"\r\n"),
    (431, HEAD + b"".join(b"X-%d: %s\r\n" % (n, MARK * 900) for n in range(5)) + b"\r\n"),
    (414, b"GET /" + MARK + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (414, b"GET /healthz?" + MARK * 50_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (400, MARK + b"\r\n\r\n"),
    (400, b"GET " + MARK + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (400, b"GET /healthz HTTP/9.9" + MARK + b"\r\nHost: localhost\r\n\r\n"),
    (400, b"GET /healthz HTTP/1.1\r\nX: " + MARK + b"\r\n\r\n"),
    (400, HEAD + MARK + b"\x00: x\r\n\r\n"),
    (400, HEAD + b"Content-Length: " + MARK + b"\r\n\r\n"),
    (400, HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\nX: " + MARK + b"\r\n\r\n"),
    (400, b"\x16\x03\x01\x02\x00\x01\x00\x01" + MARK),
    (400, b"GET /healthz RTSP/1.0\r\nHost: localhost\r\nX: " + MARK + b"\r\n\r\n"),
    (400, b"OPTIONS * RTSP/1.1\r\nHost: localhost\r\n\r\n"),
    (400, b"SOURCE /" + MARK + b" ICE/1.0\r\nHost: localhost\r\n\r\n"),
    (400, b"GET ftp://localhost/" + MARK + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (400, b"GET localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + MARK),
)


def refusal(answer: RawAnswer, status: int) -> str:
    """What a refusal says, once it is seen to be a problem that closes the connection."""
    assert answer.line.startswith(f"HTTP/1.1 {status} ")
    content = problem(Answer(answer.status, answer.headers, answer.body), status)
    assert answer.headers["Connection"] == "close"
    assert answer.headers["Server"] == "alphapulse_api"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b"mark" not in answer.body
    detail: str = content["detail"]
    return detail


@pytest.mark.parametrize(("status", "data"), REFUSED)
async def test_what_cannot_be_parsed_is_a_problem(server: Server, status: int, data: bytes) -> None:
    refusal(await exchange(server.url, data), status)


async def test_it_is_the_same_in_single_bytes(server: Server) -> None:
    for status, data in ((400, b"GET /\r\n\r\n"), (400, MARK + b"\r\n\r\n")):
        async with connection(server.url) as peer:
            for byte in data:
                await peer.send(bytes([byte]))
                await asyncio.sleep(0)
            refusal(await peer.answer(), status)


async def test_a_head_that_grows_in_pieces_is_bounded(server: Server) -> None:
    async with connection(server.url) as peer:
        await peer.send(HEAD)
        for number in range(60):
            await peer.send(b"X-%d: %s\r\n" % (number, b"x" * 2000))
            await asyncio.sleep(0.001)
        assert "65536" in refusal(await peer.answer(), 431)


async def test_a_head_that_is_too_large_by_its_last_piece_is_refused(server: Server) -> None:
    lines = [b"X-%d: %s\r\n" % (number, b"x" * 20_000) for number in range(4)]
    async with connection(server.url) as peer:
        await peer.send(HEAD + lines[0] + lines[1] + lines[2])
        await asyncio.sleep(0.05)
        await peer.send(lines[3] + b"\r\n")
        refusal(await peer.answer(), 431)


async def test_a_refusal_behind_a_good_request_comes_second(server: Server) -> None:
    async with connection(server.url) as peer:
        await peer.send(HEAD + b"\r\n")
        assert (await peer.answer()).status == 200
        await peer.send(b"nonsense\r\n\r\n")
        refusal(await peer.answer(), 400)


async def test_an_unknown_version_behind_a_good_request_comes_second(server: Server) -> None:
    async with connection(server.url) as peer:
        await peer.send(HEAD + b"\r\nGET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n")
        assert (await peer.answer()).status == 200
        refusal(await peer.answer(), 400)


async def test_a_refused_client_that_goes_on_sending_still_reads_why(server: Server) -> None:
    async with connection(server.url) as peer:
        await peer.send(b"GET /" + b"a" * 3_000_000)
        refusal(await peer.answer(), 414)


async def test_a_cookie_of_9000_bytes_passes(server: Server) -> None:
    cookie = HEAD + b"Connection: close\r\nCookie: " + b"a" * 9000 + b"\r\n\r\n"
    assert (await exchange(server.url, cookie)).status == 200
    path = (
        b"GET /healthz?"
        + b"a" * 9000
        + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert (await exchange(server.url, path)).status == 422


async def test_the_limits_are_configured(serve: Serve) -> None:
    server = await serve(
        http=HttpConfig(max_url_size=1024, max_header_size=1024, max_head_size=4096, max_headers=16)
    )
    long = b"a" * 1100
    url = b"GET /" + long + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert "1024" in refusal(await exchange(server.url, url), 414)
    assert "1024" in refusal(await exchange(server.url, HEAD + b"X: " + long + b"\r\n\r\n"), 431)
    many = HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(20)) + b"\r\n"
    assert "16" in refusal(await exchange(server.url, many), 431)
    large = HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 900) for n in range(6)) + b"\r\n"
    assert "4096" in refusal(await exchange(server.url, large), 431)


async def test_an_allowed_page_may_read_a_refusal_and_another_may_not(serve: Serve) -> None:
    cors = CorsConfig(allowed_origins=(OURS.decode(),), allow_credentials=True)
    server = await serve(cors=cors)
    cookie = b"Cookie: " + b"a" * 40_000 + b"\r\n\r\n"
    answer = await exchange(server.url, HEAD + b"Origin: " + OURS + b"\r\n" + cookie)
    refusal(answer, 431)
    assert answer.headers["Access-Control-Allow-Origin"] == OURS.decode()
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Vary"] == "Origin"
    other = await exchange(server.url, HEAD + b"Origin: https://evil.example\r\n" + cookie)
    assert "Access-Control-Allow-Origin" not in other.headers
    assert other.headers["Vary"] == "Origin"


async def test_a_refusal_keeps_a_sane_request_id_and_is_one_line_of_the_log(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    data = HEAD + b"X-Request-ID: abc-1\r\nCookie: " + b"a" * 40_000 + b"\r\n\r\n"
    answer = await exchange(server.url, data)
    assert answer.headers["X-Request-ID"] == "abc-1"
    data = data.replace(b"abc-1", b"<not sane>")
    assert re.fullmatch("[0-9a-f]{32}", (await exchange(server.url, data)).headers["X-Request-ID"])
    lines = [record for record in caplog.records if record.name != "asyncio"]
    assert [record.getMessage() for record in lines] == ["- - 431", "- - 431"]
    assert lines[0].__dict__["remote"] == "127.0.0.1"
    assert lines[0].__dict__["request_id"] == "abc-1"


async def test_a_body_that_is_wrongly_chunked_is_answered(server: Server) -> None:
    caller = await server.key("publish")
    async with connection(server.url) as peer:
        await peer.send(
            b"POST /api/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"X-API-Key: "
            + caller["X-API-Key"].encode()
            + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        await asyncio.sleep(0.05)
        await peer.send(b"nonsense\r\n")
        answer = await peer.answer()
        assert problem(Answer(answer.status, answer.headers, answer.body), 400)
        assert await peer.rest() == b""


@pytest.mark.parametrize("path", [b"/token", b"/token/revoke"])
async def test_a_refusal_on_a_path_of_oauth_has_its_members(server: Server, path: bytes) -> None:
    form = b"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1\r\n"
    for coding, status in ((b"br", 415), (b"gzip", 400), (b"foo", 415)):
        rest = b"Connection: close\r\nContent-Encoding: " + coding + b"\r\n\r\nx"
        head = b"POST " + path + b" HTTP/1.1\r\nHost: localhost" + form
        answer = await exchange(server.url, head + rest)
        assert (answer.status, answer.json["error"]) == (status, "invalid_request")
        assert answer.json["error_description"] == answer.json["detail"]


@pytest.mark.parametrize("scheme", [b"http://", b"HTTPS://"])
async def test_a_url_of_http_is_a_request_target(server: Server, scheme: bytes) -> None:
    head = b"GET " + scheme + b"localhost/healthz HTTP/1.1\r\nHost: localhost\r\n"
    answer = await exchange(server.url, head + b"Connection: close\r\n\r\n")
    assert answer.json == {"status": "ok"}


@pytest.mark.parametrize("chunk", [b"1;" + b"x" * 9000 + b"\r\n1\r\n", b"1;" + b"x" * 9000])
async def test_what_frames_the_chunks_of_a_body_is_bounded(server: Server, chunk: bytes) -> None:
    caller = await server.key("publish")
    async with connection(server.url) as peer:
        await peer.send(
            b"POST /api/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"X-API-Key: "
            + caller["X-API-Key"].encode()
            + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(200):
            await peer.send(chunk)
        answer = await peer.answer()
        assert problem(Answer(answer.status, answer.headers, answer.body), 400)


async def test_small_chunks_are_no_fault(server: Server) -> None:
    caller = await server.key("publish")
    lines = b'{"metric_type": "risk", "name": "var", "value": 1}\n' * 5000
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in lines) + b"0\r\n\r\n"
    async with connection(server.url) as peer:
        await peer.send(
            b"POST /api/metrics HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/x-ndjson\r\nX-API-Key: "
            + caller["X-API-Key"].encode()
            + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
            + body
        )
        answer = await peer.answer()
    assert answer.status == 201


async def test_serve_refuses_the_same(tmp_path: Path) -> None:
    async with serving(tmp_path) as process:
        for status, data in REFUSED:
            refusal(await exchange(process.url, data), status)


async def test_gunicorn_refuses_the_same(tmp_path: Path) -> None:
    async with one_worker(tmp_path) as url:
        for status, data in REFUSED:
            refusal(await exchange(url, data), status)
        cookie = HEAD + b"Connection: close\r\nCookie: " + b"a" * 9000 + b"\r\n\r\n"
        assert json.loads((await exchange(url, cookie)).body) == {"status": "ok"}
