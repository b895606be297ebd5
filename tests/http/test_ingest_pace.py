"""Streamed bodies are read no faster than they are stored."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import pytest

from alphapulse_api.http import ingest
from tests.asking import POINT, ask, places, problem
from tests.conftest import Server
from tests.http.test_ingest import NDJSON, lines, point, post


async def test_a_body_is_read_no_faster_than_it_is_stored(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    accessor = server.dashboard.metrics
    add_points, may_store = accessor.add_points, asyncio.Event()

    async def held(points: Any, **options: Any) -> int:
        await may_store.wait()
        stored: int = await add_points(points, **options)
        return stored

    monkeypatch.setattr(accessor, "add_points", held)
    monkeypatch.setattr(ingest, "MAX_BATCH", 100)
    host, port = server.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    key = (await server.key("publish"))["X-API-Key"]
    body = lines([point(n) for n in range(1000)])
    count = 300
    writer.write(
        f"POST /api/metrics HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n"
        "Content-Type: application/x-ndjson\r\n"
        f"Content-Length: {len(body) * count}\r\n\r\n".encode()
    )

    async def send() -> int:
        """Until the server takes no more: what fits into buffers has gone out then."""
        for sent in range(count):
            writer.write(body)
            try:
                await asyncio.wait_for(writer.drain(), 0.3)
            except TimeoutError:
                return sent
        return count

    assert await send() < count / 2
    may_store.set()
    writer.close()
    await writer.wait_closed()


async def test_a_bomb_is_unpacked_no_faster_than_it_is_read(server: Server) -> None:
    """64 MiB of spaces in 64 KiB: a line of at most 1 MiB is looked at, and refused."""
    packer = zlib.compressobj(9, wbits=31)
    spaces = b" " * 2**20
    packed = b"".join(packer.compress(spaces) for _ in range(64)) + packer.flush()
    answer = await post(server, packed, {**NDJSON, "Content-Encoding": "gzip"})
    assert problem(answer, 413)["accepted"] == 0
    answer = await post(server, b"nope", {**NDJSON, "Content-Encoding": "gzip"})
    assert problem(answer, 400)["accepted"] == 0
    whole = gzip.compress(lines([POINT]))
    answer = await post(server, whole, {**NDJSON, "Content-Encoding": "gzip"})
    assert answer.json == {"accepted": 1}


async def test_who_may_not_publish_is_not_read(server: Server) -> None:
    answer = await ask(
        server, "POST", "/api/metrics", await server.key(), data=lines([POINT]), headers=NDJSON
    )
    problem(answer, 403)
    answer = await post(server, b"", NDJSON, "/api/metrics?x=1")
    assert places(answer) == ["x"]
