"""Answers on the wire: compressed where that was asked for and is worth it, and never otherwise."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp.compression_utils import ZSTDDecompressor

from alphapulse_api import Config
from alphapulse_api.config import CacheConfig
from alphapulse_api.http import export
from tests.asking import POINT, TRADE, VARY, Answer, ask, problem
from tests.conftest import PASSWORD, Serve, Server


@pytest.fixture
def config(config: Config, either_cache: CacheConfig) -> Config:
    """Either cache keeps the bytes as they are sent."""
    return replace(config, cache=either_cache)


@pytest.fixture
async def server(serve: Serve) -> Any:
    """One whose client shows what was on the wire."""
    server = await serve()
    async with aiohttp.ClientSession(auto_decompress=False) as server.session:
        await server.feed.record_trades([{**TRADE, "id": f"t{n}"} for n in range(50)])
        yield server


async def _get(server: Server, path: str, coding: str | None, **headers: str) -> Answer:
    skip = ["Accept-Encoding"] if coding is None else []
    if coding is not None:
        headers["Accept-Encoding"] = coding
    caller = await server.key()
    return await ask(server, "GET", path, {**caller, **headers}, skip_auto_headers=skip)


def _plain(answer: Answer) -> bytes:
    match answer.headers.get("Content-Encoding"):
        case "gzip":
            return gzip.decompress(answer.body)
        case "zstd":
            return ZSTDDecompressor().decompress_sync(answer.body)
    return answer.body


async def test_a_large_answer_is_compressed_and_kept_so(server: Server) -> None:
    path = "/api/trades"
    first = {c: await _get(server, path, c) for c in (None, "gzip", "zstd")}
    plain = first[None]
    assert "Content-Encoding" not in plain.headers
    for coding, answer in first.items():
        assert answer.headers.get("Content-Encoding") == coding
        assert answer.headers["X-Cache"] == "MISS"
        assert answer.headers["Vary"] == VARY
        assert answer.headers["Content-Length"] == str(len(answer.body))
        assert _plain(answer) == plain.body
        again = await _get(server, path, coding)
        assert again.headers["X-Cache"] == "HIT"
        assert again.body == answer.body
        assert again.headers.get("Content-Encoding") == coding
        assert again.headers["ETag"] == answer.headers["ETag"]
    assert len(first["gzip"].body) < len(plain.body) / 5
    # A write is seen in each.
    await server.feed.record_trade({**TRADE, "id": "last"})
    for coding in first:
        assert b'"last"' in _plain(await _get(server, path, coding))


async def test_each_coding_has_a_strong_etag_of_its_own(server: Server) -> None:
    """RFC 9110, 8.8.3.3; whoever holds several is answered for the one that would be sent."""
    path = "/api/trades"
    tags = {c: (await _get(server, path, c)).headers["ETag"] for c in (None, "gzip", "zstd")}
    assert len(set(tags.values())) == 3
    assert all(tag.startswith('"') for tag in tags.values())
    for coding, tag in tags.items():
        for condition in (tag, f"W/{tag}", ", ".join(tags.values()), "*"):
            same = await _get(server, path, coding, **{"If-None-Match": condition})
            assert (same.status, same.body) == (304, b"")
            assert (same.headers["ETag"], same.headers["Vary"]) == (tag, VARY)
        for other in set(tags.values()) - {tag}:
            full = await _get(server, path, coding, **{"If-None-Match": other})
            assert (full.status, full.headers["ETag"]) == (200, tag)


async def test_small_answers_stay_as_they_are(server: Server) -> None:
    for path in ("/api/trades?limit=1", "/api/trades/t1", "/api/me", "/api/alerts"):
        answer = await _get(server, path, "gzip")
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["Vary"] == VARY
        insisted = await _get(server, path, "gzip, identity;q=0")
        assert insisted.headers["Content-Encoding"] == "gzip"
        assert insisted.headers["X-Cache"] != "HIT"
    for path in ("/api/trades", "/api/trades?format=csv"):
        assert "gzip" in problem(await _get(server, path, "identity;q=0"), 406)["detail"]


async def test_what_is_secret_or_an_error_is_not_compressed(server: Server) -> None:
    """A secret beside what others choose, compressed together, can be guessed by its length."""
    form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
    await server.dashboard.accounts.set_user("admin", "admin", PASSWORD)
    headers = {"Accept-Encoding": "gzip, identity;q=0"}
    token = await ask(server, "POST", "/token", data=form, headers=headers)
    assert (token.status, "Content-Encoding" in token.headers) == (200, False)
    long = "&".join(f"x{n}=" for n in range(200))
    refused = await _get(server, f"/api/trades?{long}", "gzip")
    assert problem(refused, 422)
    assert len(refused.body) > 1024
    assert "Content-Encoding" not in refused.headers


@pytest.mark.parametrize("form", ["csv", "ndjson", "arrow"])
async def test_an_export_is_compressed_as_it_goes(
    server: Server, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(export, "EXPORT_ROWS", 20)
    path = f"/api/trades?format={form}"
    plain = await _get(server, path, None)
    for coding in ("gzip", "zstd"):
        answer = await _get(server, path, coding)
        assert answer.headers["Content-Encoding"] == coding
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert answer.headers["Vary"] == VARY
        assert _plain(answer) == plain.body
        assert len(answer.body) < len(plain.body) / 2
    head = await ask(server, "HEAD", path, await server.key(), headers={"Accept-Encoding": "gzip"})
    assert (head.headers["Content-Encoding"], head.body) == ("gzip", b"")


async def test_an_exports_rows_can_be_read_as_they_come(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second stretch is held back until the first has been read and decompressed."""
    monkeypatch.setattr(export, "EXPORT_ROWS", 20)
    accessor, may_go_on = server.dashboard.trades, asyncio.Event()
    get_trades = type(accessor).get_trades

    async def held(cursor: str | None = None, **query: Any) -> Any:
        if cursor is not None:
            await may_go_on.wait()
        return await get_trades(accessor, cursor=cursor, **query)

    monkeypatch.setattr(accessor, "get_trades", held)
    headers = {**await server.key(), "Accept-Encoding": "gzip"}
    unpack, lines = zlib.decompressobj(31), b""
    async with server.request("GET", "/api/trades?format=ndjson", headers=headers) as response:
        while lines.count(b"\n") < 20:
            lines += unpack.decompress(await response.content.readany())
        assert not unpack.eof
        may_go_on.set()
        async for chunk in response.content.iter_any():
            lines += unpack.decompress(chunk)
    assert unpack.eof
    assert lines.count(b"\n") == 50


async def test_pages_of_many_rows_are_compressed_too(server: Server) -> None:
    await server.feed.record_metrics([{**POINT, "name": f"n{n}"} for n in range(2_000)])
    path = "/api/metrics/risk?limit=2000&format="
    for form in ("json", "csv", "ndjson", "arrow"):
        plain = await _get(server, path + form, None)
        packed = await _get(server, path + form, "gzip")
        assert len(plain.body) > 64 * 1024
        assert _plain(packed) == plain.body
        assert packed.headers["Content-Type"] == plain.headers["Content-Type"]
