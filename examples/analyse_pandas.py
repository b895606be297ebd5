"""Analyse past trading in pandas: a notebook in cells (`# %%`: VS Code, PyCharm, jupytext).

    pip install pandas pyarrow
    AP_URL=http://127.0.0.1:8080 AP_API_KEY=apk_… python examples/analyse_pandas.py

Trades are read as CSV, alerts as NDJSON and metrics as Arrow. Every list of the API has all three
formats, and `csv`, `ndjson` and `arrow` below return the same frame: aware times, exact money.
"""

from __future__ import annotations

import io
import json
import math
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pandas as pd
import pyarrow as pa

# %% The server and the days
URL = os.environ.get("AP_URL", "http://127.0.0.1:8080")
HEADERS = {"X-API-Key": os.environ["AP_API_KEY"]}
SINCE = {"start_time": (datetime.now(UTC) - timedelta(days=90)).isoformat()}
PERIOD = os.environ.get("AP_PERIOD", "1D")  # of a return; the demo plays a day in 500ms
PERIODS_A_YEAR = 252  # trading days; 365 where markets never close
WINDOW = 20  # periods

# %% Reading
TIMES = ("timestamp", "executed_at", "created_at", "acknowledged_at", "resolved_at")
MONEY = ("quantity", "price", "value", "fee", "total_value", "cash", "positions_value")


def ask(path: str, **query: object) -> io.BytesIO:
    """The body of a GET; an error of the server is raised as `urllib.error.HTTPError`."""
    request = Request(f"{URL}{path}?{urlencode(query)}", headers=HEADERS)  # noqa: S310
    with urlopen(request, timeout=60) as answer:  # noqa: S310
        return io.BytesIO(answer.read())


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Times as UTC instants, money as `Decimal`: it was sent as text, so no digit is lost."""
    for name in frame.columns.intersection(TIMES):
        # RFC 3339 in UTC, always with six digits of fraction.
        frame[name] = pd.to_datetime(frame[name], format="ISO8601", utc=True)
    for name in frame.select_dtypes(exclude="number").columns.intersection(MONEY):
        frame[name] = frame[name].astype(object).map(Decimal, na_action="ignore")
    return frame


def csv(path: str, **query: object) -> pd.DataFrame:
    """A list as CSV. Only an empty cell is a missing value: NA is also a ticker."""
    body = ask(path, format="csv", **query)
    text = {} if path.startswith("/api/metrics") else dict.fromkeys(MONEY, str)
    return typed(pd.read_csv(body, dtype=text, keep_default_na=False, na_values=[""]))


def ndjson(path: str, **query: object) -> pd.DataFrame:
    """A list as NDJSON. `pandas.read_json` would convert the decimals to floats."""
    return typed(pd.DataFrame(map(json.loads, ask(path, format="ndjson", **query))))


def arrow(path: str, **query: object) -> pd.DataFrame:
    """A list as Arrow, which the server has typed."""
    with pa.ipc.open_stream(ask(path, format="arrow", **query)) as stream:
        return typed(stream.read_all().to_pandas())


# %% Trades, alerts, metrics, the portfolio and its history
trades = csv("/api/trades", **SINCE)
alerts = ndjson("/api/alerts", **SINCE)
risk = arrow("/api/metrics/risk", aggregation="avg,max,p95", interval="1d", **SINCE)
portfolio = json.load(ask("/api/portfolio", include_history="true", max_points=11_000, **SINCE))
history = typed(pd.DataFrame(portfolio["history"])).set_index("timestamp")

# %% Returns, rolling Sharpe ratio, drawdown: statistics, so in floats
equity = history["total_value"].astype(float).resample(PERIOD).last().dropna()
returns = equity.pct_change().dropna()
rolling = returns.rolling(WINDOW)
sharpe = (rolling.mean() / rolling.std() * math.sqrt(PERIODS_A_YEAR)).dropna()
drawdown = equity / equity.cummax() - 1
trough = drawdown.idxmin()
peak = equity[:trough].idxmax()

print(f"Value     {equity.iloc[0]:,.2f} to {equity.iloc[-1]:,.2f} {portfolio['currency']}")
print(f"Drawdown  {drawdown.min():.2%} at worst, {peak:%Y-%m-%d} to {trough:%Y-%m-%d}")
print(f"Sharpe    over {WINDOW} periods, annualised:")
print(sharpe.tail(5).round(2).to_string())

# %% Turnover by symbol: what was traded, as a multiple of the average value
fills = trades[trades["status"].isin(["filled", "partially_filled"])].sort_values("executed_at")
turnover = fills.groupby("symbol")["value"].sum().astype(float) / equity.mean()
print("\nTurnover by symbol, times the portfolio:")
print(turnover.sort_values(ascending=False).round(3).to_string())

# %% Profit and loss by strategy: cash received, and holdings at their current price
# Exact, since money is Decimal. Assumes that fees are in the account's currency, and that every
# position was opened by a trade of these days.
side = fills["side"].map({"buy": 1, "sell": -1})
books = (
    fills.assign(
        strategy=fills["strategy"].astype(object).fillna("(none)"),
        held=side * fills["quantity"],
        cash=-side * fills["value"] - fills["fee"].fillna(Decimal(0)),
    )
    .groupby(["strategy", "symbol"])[["held", "cash"]]
    .sum()
)
prices = fills.groupby("symbol")["price"].last().to_dict()
prices |= {
    p["symbol"]: Decimal(p["current_price"]) for p in portfolio["positions"] if p["current_price"]
}
books["pnl"] = books["cash"] + books["held"] * books.index.get_level_values("symbol").map(prices)
pnl = books.groupby("strategy")["pnl"].sum()
print("\nProfit and loss by strategy:")
print(pnl.to_string())

# %% Risk by day, and the alerts of the worst drawdown
worst_days = risk.pivot_table(index="timestamp", columns="name", values="p95", observed=True)
print("\nRisk, 95th percentile of each day:")
print(worst_days.tail(5).round(4).to_string())
until = trough + pd.Timedelta(PERIOD)
raised = alerts.query("@peak <= created_at < @until") if len(alerts) else alerts
print(f"\nAlerts raised between peak and trough: {len(raised)}")
for alert in raised.itertuples():
    print(f"  {alert.created_at:%Y-%m-%d %H:%M}  {alert.severity:<8}  {alert.title}")
