"""Pages of very long records: they end early, and nothing is left out."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_api.storage import listing
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from tests.asking import TRADE, ask
from tests.conftest import Server
from tests.records import ids, trade

LONG = {"note": "x" * 60_000}


async def test_a_page_of_long_records_ends_early_and_the_next_follows(server: Server) -> None:
    caller = await server.key("view", "publish")
    names = [f"t{n:03}" for n in range(200)]
    await server.feed.record_trades([{**TRADE, "id": name, "metadata": LONG} for name in names])
    seen: list[str] = []
    path, pages = "/api/trades?limit=10000", 0
    while path:
        answer = await ask(server, "GET", path, caller)
        assert len(answer.body) < 10 * 1024 * 1024
        pages += 1
        seen += ids(answer.json)
        cursor = answer.headers.get("X-Next-Cursor")
        path = f"/api/trades?limit=10000&cursor={cursor}" if cursor else ""
    assert sorted(seen) == names
    assert pages > 1
    export = await ask(server, "GET", "/api/trades?format=ndjson", caller)
    assert export.body.count(b"\n") == 200


@pytest.mark.parametrize("limit", [1, 3, 7, 10, 11, 100])
async def test_pieces_join_to_the_page_that_one_query_gives(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    store = Accessors(engine, 300, {})
    await store.trades.add_trades([trade(f"t{n}", n % 4) for n in range(20)])
    whole: Any = await store.trades.get_trades(limit=limit)
    monkeypatch.setattr(listing, "PIECE_ROWS", 3)
    pieces: Any = await store.trades.get_trades(limit=limit)
    assert pieces == whole
    assert pieces.next_cursor == whole.next_cursor
