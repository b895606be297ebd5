"""Answers are encoded in steps of a few rows, and rows are fetched a few at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_api.http.codecs import arrow, formats
from alphapulse_api.http.codecs.formats import EXPORTED, encoder
from alphapulse_api.http.route_table import ROWS
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from alphapulse_api.storage.sqlite.transaction import FEW

(METRICS,) = (row for row in ROWS if row.path == "/api/metrics/{metric_type}")


class Converted:
    """Makes rows, and notes how many at once."""

    def __init__(self) -> None:
        self.most = 0

    def __call__(self, rows: object, plain: bool) -> list[dict[str, object]]:
        numbers = list(rows)  # type: ignore[call-overload]
        self.most = max(self.most, len(numbers))
        return [{"metric_type": "risk", "name": "a", "value": float(n)} for n in numbers]


@pytest.mark.parametrize("form", sorted(EXPORTED))
def test_no_step_of_an_export_converts_many_rows(form: str) -> None:
    converted = Converted()
    page = Page(range(1_000), converted)
    steps = sum(1 for _ in encoder(form, METRICS, {}).rows(page))
    limit = arrow.STEP_ROWS if form == "arrow" else formats.STEP_ROWS
    assert 0 < converted.most <= limit
    assert steps >= 1_000 // limit


@pytest.mark.parametrize("count", [0, 1, FEW - 1, FEW, FEW + 1, 3 * FEW])
async def test_every_row_is_fetched(tmp_path: Path, count: int) -> None:
    numbers = (
        "WITH RECURSIVE numbers (n) AS "
        "(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1) "
        "SELECT n FROM numbers WHERE n <= $1"
    )
    engine = SQLiteEngine(str(tmp_path / "a.db"))
    await engine.open()
    try:
        assert [n for (n,) in await engine.fetch(numbers, count)] == list(range(1, count + 1))
        written = await engine.write(lambda transaction: transaction.fetch(numbers, count))
        assert [n for (n,) in written] == list(range(1, count + 1))
    finally:
        await engine.close()
