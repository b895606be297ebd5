"""Several requests at once on one connection, some of which ask for another protocol."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import Server
from tests.raw import connection

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
PLAIN = GET + b"\r\n"
LAST = GET + b"Connection: close\r\n\r\n"
H2C = GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n\r\n"
WEBSOCKET = GET + b"Connection: Upgrade\r\nUPGRADE : websocket\r\n\r\n".replace(b" :", b":")
BODY = b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
SIZED = BODY + b"Content-Length: 3\r\n\r\nabc"
CHUNKED = BODY + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("requests", "answers"),
    [
        ((PLAIN, PLAIN, LAST), 3),
        ((H2C, LAST), 2),
        ((PLAIN, H2C, PLAIN, H2C, H2C, LAST), 6),
        ((GET + b"Connection: upgrade\r\nuPgRaDe:\tfoo/2\r\n\r\n", LAST), 2),
        ((WEBSOCKET, LAST), 2),
        ((WEBSOCKET, H2C, LAST), 3),
        ((SIZED, LAST), 2),
        ((CHUNKED, PLAIN, SIZED, CHUNKED, H2C, LAST), 6),
        ((*[PLAIN] * 31, H2C, LAST), 33),
        ((*[PLAIN] * 30, SIZED, H2C, *[PLAIN] * 40, H2C, LAST), 74),
    ],
)
async def test_each_is_answered(server: Server, requests: tuple[bytes, ...], answers: int) -> None:
    async with connection(server.url) as peer:
        await peer.send(b"".join(requests))
        got = [await peer.answer() for _ in range(answers)]
        assert {answer.status for answer in got} <= {200, 405}
        assert got[-1].headers["Connection"] == "close"
        assert await peer.rest() == b""


async def test_a_head_cut_in_two_hides_no_request(server: Server) -> None:
    for cut in (len(GET) + 5, len(H2C) - 3, len(H2C) - 1):
        async with connection(server.url) as peer:
            await peer.send(H2C[:cut])
            await asyncio.sleep(0.02)
            await peer.send(H2C[cut:] + LAST)
            answer = await peer.answer()
            if answer.headers.get("Connection") != "close":
                answer = await peer.answer()
            assert answer.status == 200
            assert await peer.rest() == b""


async def test_a_connection_stays_open_behind_an_upgrade_alone(server: Server) -> None:
    async with connection(server.url) as peer:
        for request in (H2C, PLAIN, H2C, WEBSOCKET, LAST):
            await peer.send(request)
            assert (await peer.answer()).status == 200
        assert await peer.rest() == b""
