"""Exports and streamed bodies of any length in constant memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from tests.asking import POINT, ask
from tests.conftest import Server

COUNT = 200_000
MAX_GROWTH = 50 * 2**20  # of resident memory; as Python objects the rows would take over 100 MiB
START = 1_767_225_600  # 2026-01-01, in seconds


async def _fill(server: Server, file: Path) -> None:
    """So many points of one series, a second apart."""
    await server.feed.record_metrics({**POINT, "timestamp": START})
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(
            "INSERT INTO metric_points (series_id, timestamp, value) "
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ? - 1) "
            "SELECT series_id, timestamp + n * 1000000, n * 0.37 FROM n, metric_points",
            (COUNT,),
        )


class _Growth:
    """How much more memory is resident than when it was made, at most."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._begin = self._process.memory_info().rss
        self.bytes = 0

    def look(self) -> None:
        self.bytes = max(self.bytes, self._process.memory_info().rss - self._begin)


@pytest.mark.parametrize("form", ["csv", "arrow"])
async def test_an_export_takes_constant_memory(server: Server, tmp_path: Path, form: str) -> None:
    await _fill(server, tmp_path / "test.db")
    caller = await server.key()
    path = f"/api/metrics/risk?format={form}&start_time={START}&end_time="
    # What is loaded and allocated once is no growth.
    await ask(server, "GET", f"{path}{START + 10_000}", caller)
    growth = _Growth()
    with (tmp_path / "export").open("wb") as file:
        async with server.request("GET", f"{path}{START + COUNT}", headers=caller) as response:
            async for chunk in response.content.iter_any():
                file.write(chunk)
                growth.look()
    assert growth.bytes < MAX_GROWTH, f"{growth.bytes / 2**20:.0f} MiB"
    with (tmp_path / "export").open("rb") as file:
        if form == "arrow":
            rows = sum(batch.num_rows for batch in pa.ipc.open_stream(file))
        else:
            rows = sum(1 for _ in file) - (form == "csv")
    assert rows == COUNT


async def test_a_streamed_body_takes_constant_memory(server: Server) -> None:
    headers = {**await server.key("publish"), "Content-Type": "application/x-ndjson"}
    line = json.dumps({**POINT, "labels": {"note": "x" * 200}})[:-1]

    async def post(count: int) -> int:
        growth = _Growth()

        async def body() -> AsyncIterator[bytes]:
            for first in range(START, START + count, 100):
                at = range(first, first + 100)
                yield "".join(f'{line},"timestamp":{second}}}\n' for second in at).encode()
                growth.look()

        answer = await ask(server, "POST", "/api/metrics", headers, data=body())
        assert answer.json == {"accepted": count}
        return growth.bytes

    await post(20_000)  # fills the event log, which keeps the newest 10000
    growth = await post(50_000)
    assert growth < MAX_GROWTH, f"{growth / 2**20:.0f} MiB"
