"""Rights that are taken away while a long request is under way: it gets and stores nothing more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from alphapulse_api.http import body, export, ingest
from tests.asking import POINT, TRADE, ask, problem
from tests.conftest import PASSWORD, Server
from tests.waiting import until


@pytest.mark.parametrize("limited", [False, True], ids=["disabled", "limited"])
async def test_an_export_ends_with_the_rights_of_its_caller(
    server: Server, monkeypatch: pytest.MonkeyPatch, limited: bool
) -> None:
    monkeypatch.setattr(export, "EXPORT_ROWS", 2)
    await server.feed.record_trades([{**TRADE, "id": f"t{n}"} for n in range(6)])
    trades = server.dashboard.trades
    get_trades, reads, go_on = trades.get_trades, [], asyncio.Event()

    async def slow(*args: Any, **query: Any) -> Any:
        reads.append(query)
        if len(reads) > 1:
            await go_on.wait()
        return await get_trades(*args, **query)

    monkeypatch.setattr(trades, "get_trades", slow)
    caller = await server.login("viewer", "ann")
    async with server.request("GET", "/api/trades/export", headers=caller) as response:
        assert response.status == 200
        await until(lambda: len(reads) == 2)
        if limited:
            await server.dashboard.accounts.set_books("ann", ["main"])
        else:
            await server.dashboard.accounts.disable_user("ann")
        go_on.set()
        with pytest.raises(aiohttp.ClientError):
            await response.read()
    assert len(reads) == 2


async def test_lines_of_a_caller_who_lost_its_rights_are_not_stored(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "MAX_BATCH", 10)
    monkeypatch.setattr(body, "PIECE_BYTES", 16)
    await server.dashboard.accounts.set_user("ann", "api", PASSWORD)
    caller = await server.login("api", "ann")
    reader = await server.key()

    async def lines() -> AsyncIterator[bytes]:
        for _ in range(15):
            yield json.dumps(POINT).encode() + b"\n"

        async def stored() -> bool:
            return bool(await server.json("/api/metrics", reader))

        await until(stored)
        await server.dashboard.accounts.set_books("ann", ["main"])
        yield json.dumps(POINT).encode() + b"\n"

    headers = {"Content-Type": "application/x-ndjson"}
    answer = await ask(server, "POST", "/api/metrics", caller, data=lines(), headers=headers)
    problem(answer, 401)
    assert answer.json["accepted"] == 10
