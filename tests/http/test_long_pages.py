"""Pages of very long records: they end early, and nothing is left out or read at once."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from alphapulse_api.domain.times import now
from alphapulse_api.storage import listing
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.listing import Pieces
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.tables.trade_rows import COLUMNS
from tests.asking import ALERT, SAMPLE, SIGNAL, TRADE, ask
from tests.conftest import Server
from tests.records import ids, sample, trade

LONG = {"note": "x" * 60_000}
COUNT = 200
NAMES = [f"n{n:03}" for n in range(COUNT)]

Fill = Callable[[Server], Awaitable[str]]


async def fill_trades(server: Server) -> str:
    await server.feed.record_trades([{**TRADE, "id": name, "metadata": LONG} for name in NAMES])
    return "/api/trades?"


async def fill_alerts(server: Server) -> str:
    for name in NAMES:
        await server.feed.raise_alert({**ALERT, "id": name, "metadata": LONG})
    return "/api/alerts?"


async def fill_signals(server: Server) -> str:
    for name in NAMES:
        await server.feed.record_signal("m1", {**SIGNAL, "id": name, "metadata": LONG})
    return "/api/agents/m1/signals?"


async def fill_agents(server: Server) -> str:
    for name in NAMES[: COUNT // 2]:
        for n in range(4):
            await server.feed.record_signal(name, {**SIGNAL, "id": f"{name}-{n}", "metadata": LONG})
    return "/api/agents?"


async def fill_samples(server: Server) -> str:
    at = now() - timedelta(minutes=5)
    metrics = {f"{'m' * 60}{n}": n for n in range(200)}
    for n in range(800):
        await server.feed.report_system(
            {**SAMPLE, "component": f"c{n:03}", "timestamp": at, "metrics": metrics}
        )
    # The server stores samples of its own, which are newer.
    return f"/api/system?end_time={int(at.timestamp()) + 60}&"


@pytest.mark.parametrize(
    ("fill", "key", "count"),
    [
        (fill_trades, "id", COUNT),
        (fill_alerts, "id", COUNT),
        (fill_signals, "id", COUNT),
        (fill_agents, "agent_id", COUNT // 2),
        (fill_samples, "component", 800),
    ],
)
async def test_a_page_of_long_records_ends_early_and_the_next_follows(
    server: Server, fill: Fill, key: str, count: int
) -> None:
    caller = await server.key("view", "publish")
    base = await fill(server)
    seen: list[str] = []
    path, pages = f"{base}limit=10000", 0
    while path:
        answer = await ask(server, "GET", path, caller)
        assert len(answer.body) < 10 * 1024 * 1024
        pages += 1
        seen += [row[key] for row in answer.json]
        cursor = answer.headers.get("X-Next-Cursor")
        assert (cursor is None) == ("Link" not in answer.headers)
        path = f"{base}limit=10000&cursor={cursor}" if cursor else ""
    assert len(seen) == len(set(seen)) == count
    assert pages > 1
    export = await ask(server, "GET", f"{base}format=ndjson", caller)
    assert export.body.count(b"\n") == count


@pytest.mark.parametrize("form", ["csv", "ndjson", "arrow"])
async def test_an_export_in_parts_has_every_row_once(server: Server, form: str) -> None:
    caller = await server.key("view", "publish")
    base = await fill_trades(server)
    answer = await ask(server, "GET", f"{base}format={form}", caller)
    match form:
        case "csv":
            rows: Any = list(csv.DictReader(io.StringIO(answer.body.decode())))
            found = [row["id"] for row in rows]
        case "ndjson":
            found = [line.split(b'"', 4)[3].decode() for line in answer.body.splitlines()]
        case _:
            pa = pytest.importorskip("pyarrow")
            found = pa.ipc.open_stream(answer.body).read_all()["id"].to_pylist()
    assert found == sorted(NAMES, reverse=True)


@pytest.mark.parametrize("limit", [1, 3, 7, 10, 11, 19, 20, 100])
async def test_pieces_join_to_the_page_that_one_query_gives(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    store = Accessors(engine, 300, {})
    await store.trades.add_trades([trade(f"t{n}", n % 4) for n in range(20)])
    for n in range(20):
        await store.system.add_sample(sample(f"c{n}", n % 4))
    begin = trade("t")["executed_at"] - timedelta(hours=1)
    queries: list[Callable[[], Awaitable[Page]]] = [
        lambda: store.trades.get_trades(limit=limit),
        lambda: store.system.get_system(start_time=begin, limit=limit),
    ]
    for query in queries:
        whole: Any = await query()
        with monkeypatch.context() as patch:
            patch.setattr(listing, "PIECE_ROWS", 3)
            pieces: Any = await query()
        assert pieces == whole
        assert len(whole) == min(limit, 20)
        assert pieces.next_cursor == whole.next_cursor
        assert (whole.next_cursor is None) == (limit >= 20)


async def test_of_long_rows_no_more_are_read_than_a_page_has_room_for(engine: Engine) -> None:
    store = Accessors(engine, 300, {})
    for at in range(0, 600, 100):
        names = [f"t{n:03}" for n in range(at, at + 100)]
        await store.trades.add_trades([trade(name, metadata=LONG) for name in names])
    watched = _Watched(engine)
    accessors: Any = Accessors(watched, 300, {})  # type: ignore[arg-type]
    page = await accessors.trades.get_trades(limit=10_000)
    assert ids(page) == [f"t{n:03}" for n in range(599, 599 - len(page), -1)]
    assert page.next_cursor is not None
    assert sum(watched.sizes) <= listing.PAGE_BYTES + 2 * listing.PIECE_BYTES


class _Watched:
    """An engine that notes the bytes of metadata of each answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def fetch(self, sql: str, *args: Any) -> Sequence[Any]:
        rows = await self._engine.fetch(sql, *args)
        self.sizes.append(sum(map(COLUMNS.bulk, rows)))
        return rows


def test_a_piece_has_at_most_twice_the_rows_of_the_one_before() -> None:
    pieces = Pieces(100, 1000, 10_000)
    read = [pieces.rows]
    for size in (0, 0, 0, 0, 1_000_000, 100_000, 0, 500):
        pieces.read(pieces.rows, size)
        read.append(pieces.rows)
    assert read == [100, 200, 400, 800, 1000, 10, 1, 2, 4]


def test_parts_of_a_page_hold_its_rows_in_order() -> None:
    def made(rows: Sequence[Any], plain: bool) -> list[dict[str, Any]]:
        return [{"n": row} for row in rows]

    page = Page([3, 4, 10, 1, 1], made, "next", bulk=lambda row: row)  # type: ignore[list-item, arg-type, return-value]
    assert [[row["n"] for row in part] for part in page.parts(7)] == [[3, 4], [10], [1, 1]]
    assert [list(part) for part in Page().parts(7)] == [[]]
    assert [len(part) for part in Page([3, 4], made).parts(1)] == [2]  # type: ignore[list-item]
