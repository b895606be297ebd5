"""Requests whose end a proxy might see elsewhere: no part of a body is taken for a request."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from tests.asking import Answer, problem
from tests.commands import one_worker, serving
from tests.conftest import Server
from tests.raw import connection

HOST = b"Host: localhost\r\n"
LINE = b"GET /healthz HTTP/1.1\r\n"
GET = LINE + HOST
# What an attacker would have the server answer; the path does not exist.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = GET + b"Connection: close\r\n\r\n"
FORM = (
    b"POST /token/revoke HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n"
)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
TOKEN = b"token=abcdefg"

# Headers with which bodies begin or end where another server may not see it.
CODINGS = (
    b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding\t: chunked\r\n", b" Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n", b"Transfer-Encoding: \x0cchunked\r\n",
    b'Transfer-Encoding: "chunked"\r\n', b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding: identity, chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: chunked, chunked\r\n", CHUNKED + CHUNKED,
    CHUNKED + b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: identity\r\n" + CHUNKED,
    b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding:\r\n", b"Transfer-Encoding: \t\r\n",
    b"Transfer-Encoding: ,chunked\r\n", b"Transfer-Encoding: chunked,\r\n",
    b"Transfer-Encoding: ,\r\n", b"Transfer-Encoding: chunked;q=1\r\n",
    b"Transfer-Encoding: chunked\x00\r\n", b"Transfer-Encoding\x00: chunked\r\n",
    b"X: y\rTransfer-Encoding: chunked\r\n", b"X: y\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n", b"X: y\r\n Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\n", b"Transfer-Encoding: chun ked\r\n",
    b"Transfer-Encoding: chunked\x85\r\n", b"Transfer-Encoding: \xa0chunked\r\n",
    b"Transfer-Encoding: chun\xe2\x84\xaaed\r\n", b"Transfer-Encoding: deflate\r\n",
)  # fmt: skip
LENGTHS = (
    b"+13", b"-13", b"0xd", b"1 3", b"13, 13", b"13, 0", b"", b"13.0", b"9" * 26,
    b"18446744073709551629", b"1_3", "\u0661\u0663".encode(), b"13\x00", b"13e0", b'"13"',
)  # fmt: skip
CHUNKS = (
    b'd;a="\r\n"\r\ntoken=abcdefg\r\n0\r\n\r\n', b"d;a\nb\r\ntoken=abcdefg\r\n0\r\n\r\n",
    b"d;a\rb\r\ntoken=abcdefg\r\n0\r\n\r\n", b"d;a\x00\r\ntoken=abcdefg\r\n0\r\n\r\n",
    b"0xd\r\ntoken=abcdefg\r\n0\r\n\r\n", b" d\r\ntoken=abcdefg\r\n0\r\n\r\n",
    b"d \r\ntoken=abcdefg\r\n0\r\n\r\n", b"d\ntoken=abcdefg\r\n0\r\n\r\n",
    b"d\r\ntoken=abcdefg\n0\r\n\r\n", b"d\r\ntoken=abcdefg0\r\n\r\n",
    b"-d\r\ntoken=abcdefg\r\n0\r\n\r\n", b"1000000000000000d\r\ntoken=abcdefg\r\n0\r\n\r\n",
    b"d\r\ntoken=abcdefg\r\n0\n\n", b"d\r\ntoken=abcdefg\r\n0\r\n",
    b"d\r\ntoken=abcdefg\r\n0\r\nContent-Length: 50\r\n\r\n",
    b"d\r\ntoken=abcdefg\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"d\r\ntoken=abcdefg\r\n0\r\nX: y\n\r\n", b"d\r\ntoken=abcdefg\r\n0\r\nX: y\r\n z\r\n\r\n",
    b"\r\ntoken=abcdefg\r\n0\r\n\r\n",
)  # fmt: skip
TARGETS = (
    b"localhost:80", b"*", b"\\healthz", b"healthz", b"/healthz#x", b"/healthz#?a=b",
    b"/healthz?a=b#c", b"/healthz\xff", b"/healthz\tx", b"/healthz\x7f", b"", b"?a=b",
    b"file:///healthz", b"http://localhost:99999/healthz",
)  # fmt: skip
HEADS = (
    b"GET /healthz HTTP/1.1\nHost: a\r\n\r\n", b"GET /healthz HTTP/1.1\nHost: a\n\n",
    b"GET\t/healthz HTTP/1.1\r\n" + HOST + b"\r\n", b"GET /healthz HTTP/1.1 \r\n" + HOST + b"\r\n",
    b"GET /healthz http/1.1\r\n" + HOST + b"\r\n", b"GET /healthz HTTP/1.2\r\n" + HOST + b"\r\n",
    b"GET /healthz HTTP/01.1\r\n" + HOST + b"\r\n", b" GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /healthz HTTP/1.1\r\r\n" + HOST + b"\r\n", LINE + b" X: y\r\n" + HOST + b"\r\n",
    GET[:-2] + b"\n\n", GET + b"\n", GET[:-2] + b"\n\r\n", GET + b"XY\r\n\r\n",
    GET + b": y\r\n\r\n", GET + b"X(: y\r\n\r\n", GET + b"X\xe9: y\r\n\r\n",
    GET + b"X: a\x01b\r\n\r\n", GET + b"X: a\x00b\r\n\r\n", GET + b"X: a\rb\r\n\r\n",
    GET + b"X: a\r\r\n\r\n", GET + HOST + b"\r\n", LINE + b"Host : a\r\n\r\n",
    LINE + b"Host:\r\n a\r\n\r\n", LINE + b"Host: a\x00\r\n\r\n",
    b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"Content-Length: 43\r\n\r\n",
)  # fmt: skip


def refused() -> Iterator[bytes]:
    """Requests that are refused, with all that is behind them."""
    sized = b"Content-Length: 5\r\n"
    yield FORM + sized + CHUNKED + b"\r\n0\r\n\r\n"
    yield FORM + CHUNKED + sized + b"\r\n0\r\n\r\n"
    yield FORM + b"Content-Length: 0\r\n" + CHUNKED + b"\r\n0\r\n\r\n"
    for coding in CODINGS:
        yield FORM + coding + b"\r\n0\r\n\r\n"
        yield FORM + sized + coding + b"\r\n0\r\n\r\n"
    old = FORM.replace(b"1.1", b"1.0")
    for keep in (b"", b"Connection: keep-alive\r\n"):
        yield old + keep + CHUNKED + b"\r\n0\r\n\r\n"
    for length in LENGTHS:
        yield FORM + b"Content-Length: " + length + b"\r\n\r\n" + TOKEN
    for lengths in (
        b"Content-Length: 13\r\nContent-Length: 13\r\n", b"Content-Length:\r\n 13\r\n",
        b"Content-Length: 13\r\nContent-Length: 0\r\n", b"Content-Length : 13\r\n",
        b"Content-Length\x00: 13\r\n",
    ):  # fmt: skip
        yield FORM + lengths + b"\r\n" + TOKEN
    for chunks in CHUNKS:
        yield FORM + CHUNKED + b"\r\n" + chunks
    for target in TARGETS:
        yield b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n"
    yield from HEADS


# Requests that are served: none of their bytes is another request.
SERVED = (
    FORM + CHUNKED + b"\r\nd\r\ntoken=abcdefg\r\n0\r\n\r\n",
    FORM + b"Transfer-Encoding:\tcHUNKED \r\n\r\nd\r\ntoken=abcdefg\r\n0\r\n\r\n",
    FORM + CHUNKED + b"\r\n" + b"0" * 20 + b"D;a=b\r\ntoken=abcdefg\r\n000\r\nX: y\r\n\r\n",
    FORM + b"Content-Length: 013\t\r\n\r\n" + TOKEN,
    FORM + b"Connection: Content-Length\r\nContent-Length: 13\r\n\r\n" + TOKEN,
    FORM + b"Content-Length: %d\r\n\r\ntoken=" % (len(SMUGGLED) + 6) + SMUGGLED,
    FORM + CHUNKED + b"\r\n6\r\ntoken=\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
    FORM + b"Expect: 100-continue\r\nContent-Length: 13\r\n\r\n" + TOKEN,
    GET + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    GET + CHUNKED + b"\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
    GET + b"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 43\r\n\r\n" + SMUGGLED,
    GET + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 43\r\n\r\n" + SMUGGLED,
    b"\r\n" + GET + b"\r\n", b"GET http://localhost/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
)  # fmt: skip


async def _is_refused_whole(url: str, data: bytes) -> None:
    async with connection(url) as peer:
        await peer.send(data + SMUGGLED)
        answer = await peer.answer()
        assert await peer.rest() == b"", data
        problem(Answer(answer.status, answer.headers, answer.body), 400)


async def _is_served_alone(url: str, data: bytes) -> None:
    async with connection(url) as peer:
        await peer.send(data + LAST)
        if b"100-continue" in data:
            assert (await peer.answer()).status == 100
        for _ in range(2):
            assert (await peer.answer()).status == 200, data
        assert await peer.rest() == b"", data


async def _everything(url: str) -> None:
    together = asyncio.Semaphore(8)

    async def one(check: Coroutine[Any, Any, None]) -> None:
        async with together:
            await check

    checks = [_is_refused_whole(url, data) for data in refused()]
    await asyncio.gather(*map(one, [*checks, *(_is_served_alone(url, data) for data in SERVED)]))


async def test_a_dashboard_sees_no_request_in_a_body(server: Server) -> None:
    await _everything(server.url)


async def test_serve_sees_no_request_in_a_body(tmp_path: Path) -> None:
    async with serving(tmp_path) as process:
        await _everything(process.url)


async def test_gunicorn_sees_no_request_in_a_body(tmp_path: Path) -> None:
    async with one_worker(tmp_path) as url:
        await _everything(url)
