"""The notebooks of examples/ run as they stand against a real server, and find what was fed."""

from __future__ import annotations

import asyncio
import math
import runpy
import statistics
from collections import defaultdict
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Any

import pandas as pd
import polars as pl
import pytest

from tests.analysis import DAY, DAYS, FIRST, TRADES, fed, worth
from tests.conftest import Server
from tests.docs.test_examples import EXAMPLES

VALUES = [float(worth(day)) for day in range(DAYS)]
DRAWDOWN = [value / top - 1 for value, top in zip(VALUES, accumulate(VALUES, max), strict=True)]
TROUGH = DRAWDOWN.index(min(DRAWDOWN))
PEAK = VALUES.index(max(VALUES[: TROUGH + 1]))
FILLS = TRADES[:5]
NOW = {"AAPL": Decimal("195.00"), "BTC": Decimal("70000.00"), "NA": Decimal("100.00")}


def sharpe() -> float:
    """Of the last 20 days, annualised; the textbook's formula on the values that were fed."""
    returns = [later / earlier - 1 for earlier, later in pairwise(VALUES)][-20:]
    return statistics.fmean(returns) / statistics.stdev(returns) * math.sqrt(252)


def turnover() -> dict[str, float]:
    traded: defaultdict[str, float] = defaultdict(float)
    for fill in FILLS:
        traded[fill["symbol"]] += float(fill["quantity"]) * float(fill["price"])
    return {symbol: value / statistics.fmean(VALUES) for symbol, value in traded.items()}


def profits() -> dict[str | None, Decimal]:
    """By strategy: each fill against the present price, less its fee."""
    found: defaultdict[str | None, Decimal] = defaultdict(Decimal)
    for fill in FILLS:
        sign = 1 if fill["side"] == "buy" else -1
        gain = NOW[fill["symbol"]] - Decimal(fill["price"])
        found[fill.get("strategy")] += sign * Decimal(fill["quantity"]) * gain
        found[fill.get("strategy")] -= Decimal(fill.get("fee", 0))
    return found


async def notebook(server: Server, name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a notebook's variables are after its last cell."""
    await fed(server.feed)
    monkeypatch.setenv("AP_URL", server.url)
    monkeypatch.setenv("AP_API_KEY", (await server.key())["X-API-Key"])
    return await asyncio.to_thread(runpy.run_path, str(EXAMPLES / name))


async def test_the_pandas_notebook_finds_what_was_fed(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = await notebook(server, "analyse_pandas.py", monkeypatch)
    assert list(ran["equity"]) == VALUES
    assert ran["drawdown"].min() == pytest.approx(min(DRAWDOWN))
    assert ran["sharpe"].iloc[-1] == pytest.approx(sharpe())
    assert ran["turnover"].to_dict() == pytest.approx(turnover())
    assert ran["pnl"].to_dict() == {s or "(none)": value for s, value in profits().items()}
    said = capsys.readouterr().out
    assert f"{min(DRAWDOWN):.2%} at worst, {FIRST + PEAK * DAY:%Y-%m-%d} to " in said
    assert "Drawdown over 3 %" in said
    assert "Before it all" not in said


async def test_the_polars_notebook_finds_what_was_fed(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = await notebook(server, "analyse_polars.py", monkeypatch)
    equity = ran["equity"]
    # A cast from decimal to float of polars is not always the nearest one.
    assert equity["total_value"].to_list() == pytest.approx(VALUES, rel=1e-14)
    assert equity["drawdown"].min() == pytest.approx(min(DRAWDOWN))
    assert equity["sharpe"][-1] == pytest.approx(sharpe())
    assert dict(ran["turnover"].iter_rows()) == pytest.approx(turnover())
    assert dict(ran["pnl"].iter_rows()) == profits()
    said = capsys.readouterr().out
    assert f"{min(DRAWDOWN):.2%} at worst, {FIRST + PEAK * DAY:%Y-%m-%d} to " in said
    assert "Drawdown over 3 %" in said
    assert "Before it all" not in said


async def test_in_pandas_every_format_gives_the_same_frame(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = await notebook(server, "analyse_pandas.py", monkeypatch)

    def read() -> list[pd.DataFrame]:
        return [ran[form]("/api/trades", **ran["SINCE"]) for form in ("csv", "ndjson", "arrow")]

    for trades in await asyncio.to_thread(read):
        assert isinstance(trades["executed_at"].dtype, pd.DatetimeTZDtype)
        assert str(trades["executed_at"].dtype.tz) == "UTC"
        rows = {row.id: row for row in trades.itertuples()}
        assert rows["t-2"].executed_at == FIRST + 2 * DAY + pd.Timedelta("250ms")
        assert repr(rows["t-2"].price) == "Decimal('67123.12345678')"
        assert rows["t-4"].fee == Decimal("-0.20")
        assert rows["t-3"].symbol == "NA"
        assert pd.isna(rows["t-3"].fee)
        assert pd.isna(rows["t-5"].strategy)


async def test_in_polars_every_format_gives_the_same_columns(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = await notebook(server, "analyse_polars.py", monkeypatch)
    columns = ("id", "symbol", "price", "fee", "strategy", "executed_at")

    def read() -> list[pl.DataFrame]:
        return [
            ran["csv"]("/api/trades", **ran["SINCE"]),
            ran["ndjson"]("/api/trades", dict.fromkeys(columns, pl.String), **ran["SINCE"]),
            ran["arrow"]("/api/trades", **ran["SINCE"]),
        ]

    for trades in await asyncio.to_thread(read):
        assert trades.schema["executed_at"] == pl.Datetime("us", "UTC")
        assert trades.schema["price"] == pl.Decimal(38, 16)
        rows = {row["id"]: row for row in trades.select(columns).iter_rows(named=True)}
        assert rows["t-2"]["executed_at"] == TRADES[1]["executed_at"]
        assert rows["t-2"]["price"] == Decimal("67123.12345678")
        assert rows["t-3"]["symbol"] == "NA"
        assert rows["t-3"]["fee"] is None
        assert rows["t-5"]["strategy"] is None
