"""Analyse past trading in polars: a notebook in cells (`# %%`: VS Code, PyCharm, jupytext).

    pip install polars
    AP_URL=http://127.0.0.1:8080 AP_API_KEY=apk_… python examples/analyse_polars.py

Trades are read as CSV, alerts as NDJSON and metrics as Arrow. Every list of the API has all three
formats, and `csv`, `ndjson` and `arrow` below return the same: aware times, exact money.
"""

from __future__ import annotations

import io
import json
import math
import os
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import polars as pl

# %% The server and the days
URL = os.environ.get("AP_URL", "http://127.0.0.1:8080")
HEADERS = {"X-API-Key": os.environ["AP_API_KEY"]}
SINCE = {"start_time": (datetime.now(UTC) - timedelta(days=90)).isoformat()}
PERIOD = os.environ.get("AP_PERIOD", "1d")  # of a return; the demo plays a day in 500ms
PERIODS_A_YEAR = 252  # trading days; 365 where markets never close
WINDOW = 20  # periods

# %% Reading
TIMES = ("timestamp", "executed_at", "created_at", "acknowledged_at", "resolved_at")
MONEY = ("quantity", "price", "value", "fee", "total_value", "cash", "positions_value")
EXACT = pl.Decimal(
    38, 16
)  # 22 digits before the point: a value has as many as quantity and price together


def ask(path: str, **query: object) -> io.BytesIO:
    """The body of a GET; an error of the server is raised as `urllib.error.HTTPError`."""
    request = Request(f"{URL}{path}?{urlencode(query)}", headers=HEADERS)  # noqa: S310
    with urlopen(request, timeout=60) as answer:  # noqa: S310
        return io.BytesIO(answer.read())


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Convert columns that are still text: times to UTC instants, money to decimals."""
    text = {name for name, kind in frame.schema.items() if kind == pl.String}
    return frame.with_columns(
        # %+ is RFC 3339.
        *(pl.col(name).str.to_datetime("%+", time_unit="us") for name in TIMES if name in text),
        *(pl.col(name).cast(EXACT) for name in MONEY if name in text),
    )


def csv(path: str, **query: object) -> pl.DataFrame:
    """A list as CSV. Types are inferred only for metrics, whose values are floats."""
    body = ask(path, format="csv", **query)
    return typed(pl.read_csv(body, infer_schema=path.startswith("/api/metrics")))


def ndjson(path: str, columns: dict[str, pl.DataType], **query: object) -> pl.DataFrame:
    """The given columns of a list as NDJSON."""
    return typed(pl.read_ndjson(ask(path, format="ndjson", **query), schema=columns))


def arrow(path: str, **query: object) -> pl.DataFrame:
    """A list as Arrow, which the server has typed."""
    return typed(pl.read_ipc_stream(ask(path, format="arrow", **query)))


# %% Trades, alerts, metrics, the portfolio and its history
trades = csv("/api/trades", **SINCE)
alerts = ndjson(
    "/api/alerts", dict.fromkeys(("created_at", "severity", "title"), pl.String), **SINCE
)
risk = arrow("/api/metrics/risk", aggregation="avg,max,p95", interval="1d", **SINCE)
portfolio = json.load(ask("/api/portfolio", include_history="true", max_points=11_000, **SINCE))
history = typed(pl.DataFrame(portfolio["history"]))

# %% Returns, rolling Sharpe ratio, drawdown: statistics, so in floats
equity = (
    history.group_by_dynamic("timestamp", every=PERIOD)
    .agg(pl.col("total_value").last().cast(pl.Float64))
    .with_columns(
        returns=pl.col("total_value").pct_change(),
        drawdown=pl.col("total_value") / pl.col("total_value").cum_max() - 1,
    )
    .with_columns(
        sharpe=pl.col("returns").rolling_mean(WINDOW)
        / pl.col("returns").rolling_std(WINDOW)
        * math.sqrt(PERIODS_A_YEAR)
    )
)
bottom = equity["drawdown"].arg_min()
top = equity["total_value"].head(bottom + 1).arg_max()
peak, trough = equity["timestamp"][top], equity["timestamp"][bottom]

first, last = equity["total_value"][0], equity["total_value"][-1]
print(f"Value     {first:,.2f} to {last:,.2f} {portfolio['currency']}")
print(f"Drawdown  {equity['drawdown'].min():.2%} at worst, {peak:%Y-%m-%d} to {trough:%Y-%m-%d}")
print(f"Sharpe    over {WINDOW} periods, annualised:")
print(equity.select("timestamp", pl.col("sharpe").round(2)).tail(5))

# %% Turnover by symbol: what was traded, as a multiple of the average value
fills = trades.filter(pl.col("status").is_in(["filled", "partially_filled"])).sort("executed_at")
turnover = (
    fills.group_by("symbol")
    .agg(turnover=pl.col("value").sum().cast(pl.Float64) / equity["total_value"].mean())
    .sort("turnover", descending=True)
)
print("Turnover by symbol, times the portfolio:")
print(turnover)

# %% Profit and loss by strategy: cash received, and holdings at their current price
# Exact, since money is decimal. Assumes that fees are in the account's currency, and that every
# position was opened by a trade of these days.
side = pl.when(pl.col("side") == "buy").then(1).otherwise(-1).cast(pl.Int64)
prices = fills.group_by("symbol").agg(pl.col("price").last())
held_now = pl.DataFrame(
    portfolio["positions"], schema={"symbol": pl.String, "current_price": pl.String}
)
prices = prices.join(held_now, on="symbol", how="left").select(
    "symbol", price=pl.coalesce(pl.col("current_price").cast(EXACT), "price")
)
pnl = (
    fills.group_by("strategy", "symbol")
    .agg(
        held=(side * pl.col("quantity")).sum(),
        cash=(-side * pl.col("value") - pl.col("fee").fill_null(0)).sum(),
    )
    .join(prices, on="symbol")
    .group_by("strategy")
    .agg(pnl=(pl.col("cash") + pl.col("held") * pl.col("price")).sum())
    .sort("strategy")
)
print("Profit and loss by strategy:")
print(pnl)

# %% Risk by day, and the alerts of the worst drawdown
worst_days = risk.sort("timestamp").pivot(
    "name", index="timestamp", values="p95", aggregate_function="max"
)
print("Risk, 95th percentile of each day:")
print(worst_days.tail(5))
raised = alerts.filter(
    pl.col("created_at").is_between(peak, pl.lit(trough).dt.offset_by(PERIOD), closed="left")
)
print(f"Alerts raised between peak and trough: {len(raised)}")
for created_at, severity, title in raised.iter_rows():
    print(f"  {created_at:%Y-%m-%d %H:%M}  {severity:<8}  {title}")
