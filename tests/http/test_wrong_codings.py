"""Bodies that are not what their Content-Encoding says: refused once, and the connection ends."""

from __future__ import annotations

import json
import logging
import zlib

import pytest

from alphapulse_api.http.compression import compressed
from tests.asking import TRADE, Answer, problem
from tests.conftest import Server
from tests.raw import connection

TEXT = json.dumps([{**TRADE, "id": f"t{n}"} for n in range(100)]).encode()
NEXT = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def _wrong(coding: str, kind: str) -> bytes:
    good = zlib.compress(TEXT) if coding == "deflate" else await compressed(TEXT, coding)
    match kind:
        case "something else":
            return TEXT
        case "bytes behind the end":
            return good + b"and more"
        case "changed":
            return good[:-8] + bytes(byte ^ 255 for byte in good[-8:])  # the checksum is there
    return good[: len(good) // 2]


def _head(server: Server, caller: dict[str, str], coding: str, size: int, more: str = "") -> bytes:
    lines = [
        "POST /api/trades HTTP/1.1",
        f"Host: {server.url.removeprefix('http://')}",
        *(f"{name}: {value}" for name, value in caller.items()),
        "Content-Type: application/json",
        f"Content-Encoding: {coding}",
        f"Content-Length: {size}",
    ]
    return "\r\n".join([*lines, more]).encode() + b"\r\n" * (2 if more else 1)


@pytest.mark.parametrize("reading", [False, True])
@pytest.mark.parametrize(
    ("coding", "kind"),
    [
        *((c, "something else") for c in ("gzip", "deflate", "zstd")),
        *((c, "bytes behind the end") for c in ("gzip", "deflate", "zstd")),
        ("gzip", "changed"),
        ("deflate", "changed"),
        ("deflate", "cut"),
    ],
)
async def test_it_is_refused_once_and_the_answer_says_that_the_connection_ends(
    server: Server, caplog: pytest.LogCaptureFixture, coding: str, kind: str, reading: bool
) -> None:
    """Whether the body comes with its head, or while the handler waits for it."""
    body = await _wrong(coding, kind)
    caller = await server.key("publish")
    async with connection(server.url) as peer:
        if reading:
            await peer.send(_head(server, caller, coding, len(body), "Expect: 100-continue"))
            assert (await peer.answer()).status == 100
            await peer.send(body + NEXT)
        else:
            await peer.send(_head(server, caller, coding, len(body)) + body + NEXT)
        answer = await peer.answer()
        content = problem(Answer(answer.status, answer.headers, answer.body), 400)
        assert content["detail"] == "The body is wrongly encoded or ended early."
        assert answer.headers["Connection"] == "close"
        assert await peer.rest() == b""
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
async def test_one_that_nobody_reads_is_no_fault_either(
    server: Server, caplog: pytest.LogCaptureFixture, coding: str
) -> None:
    async with connection(server.url) as peer:
        await peer.send(_head(server, {}, coding, len(TEXT)) + TEXT)
        answer = await peer.answer()
        assert (answer.status, answer.headers["Connection"]) == (401, "close")
        assert await peer.rest() == b""
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_behind_one_that_is_cut_short_the_connection_goes_on(
    server: Server, caplog: pytest.LogCaptureFixture, coding: str
) -> None:
    """aiohttp takes what could be inflated for the whole, which is no JSON."""
    body = await _wrong(coding, "cut")
    caller = await server.key("publish")
    async with connection(server.url) as peer:
        await peer.send(_head(server, caller, coding, len(body)) + body + NEXT)
        assert [(await peer.answer()).status for _ in range(2)] == [400, 200]
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]
