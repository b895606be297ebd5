"""The job of test_generated.py with a client that openapi-python-client made."""

import json
import os
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from alphapulse.api.alerts import acknowledge_alert, create_alert
from alphapulse.api.auth import create_token, get_me
from alphapulse.api.metrics import create_metrics, list_metrics
from alphapulse.api.portfolio import get_portfolio, update_portfolio
from alphapulse.api.trades import create_trade, create_trades, export_trades, list_trades
from alphapulse.client import AuthenticatedClient, Client
from alphapulse.models import (
    AcknowledgeRequest,
    AggregationFunction,
    Alert,
    AlertRequest,
    BatchResult,
    ExportFormat,
    GrantType,
    MetricPointRequest,
    Portfolio,
    PortfolioRequest,
    Problem,
    Severity,
    Side,
    Token,
    TokenRequest,
    Trade,
    TradeRequest,
)
from alphapulse.types import UNSET, Unset

URL = os.environ["AP_URL"]
TEN = datetime(2025, 1, 6, 10, tzinfo=UTC)

anybody = Client(URL)
login = TokenRequest(GrantType.PASSWORD, os.environ["AP_USERNAME"], os.environ["AP_PASSWORD"])
first = create_token.sync(client=anybody, body=login)
assert isinstance(first, Token)
renewal = TokenRequest(GrantType.REFRESH_TOKEN, refresh_token=first.refresh_token)
token = create_token.sync(client=anybody, body=renewal)
assert isinstance(token, Token)
client = AuthenticatedClient(URL, token=token.access_token)

order = TradeRequest(symbol="AAPL", side=Side.BUY, quantity="10.50", id="t-1", price="187.20")
trade = create_trade.sync_detailed(client=client, body=order)
assert isinstance(trade.parsed, Trade)
again = create_trade.sync_detailed(client=client, body=order)
many = [
    TradeRequest(symbol="MSFT", side=Side.SELL, quantity="1", id=f"m-{n}", price="402")
    for n in range(1000)
]
batch = create_trades.sync(client=client, body=many)
assert isinstance(batch, BatchResult)

pages: list[int] = []
cursor: str | Unset = UNSET
while True:
    page = list_trades.sync_detailed(
        client=client, symbol="MSFT", side=Side.SELL, limit=400, cursor=cursor
    )
    assert isinstance(page.parsed, list)
    pages.append(len(page.parsed))
    if "X-Next-Cursor" not in page.headers:
        break
    cursor = page.headers["X-Next-Cursor"]

raised = AlertRequest(title="drawdown", severity=Severity.CRITICAL)
alert = create_alert.sync(client=client, body=raised)
assert isinstance(alert, Alert)
seen = acknowledge_alert.sync(alert.id, client=client, body=AcknowledgeRequest(comments="looking"))
assert isinstance(seen, Alert)

points = [
    MetricPointRequest(
        metric_type="risk", name="var_95", value=value, timestamp=TEN + timedelta(minutes=value)
    )
    for value in (1, 2, 6)
]
assert isinstance(create_metrics.sync(client=client, body=points), BatchResult)
buckets = list_metrics.sync(
    "risk",
    client=client,
    start_time=TEN,
    end_time=TEN + timedelta(hours=1),
    aggregation=[AggregationFunction.AVG, AggregationFunction.MAX],
    interval="1h",
)
assert isinstance(buckets, list)

for value in ("100000.00", "100250.75"):
    update_portfolio.sync(client=client, body=PortfolioRequest(total_value=value, cash="25000.00"))
portfolio = get_portfolio.sync(client=client, include_history=True)
assert isinstance(portfolio, Portfolio)
assert not isinstance(portfolio.history, Unset)

table = export_trades.sync(client=client, format_=ExportFormat.CSV, symbol="MSFT")
assert isinstance(table, str)

order.id, order.executed_at = "t-2", TEN.replace(year=2999)
refused = create_trade.sync(client=client, body=order)
assert isinstance(refused, Problem)
assert not isinstance(refused.errors, Unset)
while (limited := get_me.sync_detailed(client=client)).status_code == HTTPStatus.OK:
    pass
assert isinstance(limited.parsed, Problem)

print(
    json.dumps(
        {
            "role": token.role,
            "renewed": token.access_token != first.access_token,
            "trade": [trade.parsed.id, trade.parsed.quantity, trade.status_code, again.status_code],
            "batch": [batch.accepted, batch.refused],
            "pages": pages,
            "acknowledged": [seen.status, seen.comments],
            "buckets": [[bucket.timestamp.hour, bucket.avg, bucket.max_] for bucket in buckets],
            "portfolio": [portfolio.total_value, len(portfolio.history)],
            "exported": len(table.splitlines()),
            "refused": [refused.status, refused.errors[0].pointer],
            "limited": [limited.parsed.status, int(limited.headers["Retry-After"]) > 0],
        }
    )
)
