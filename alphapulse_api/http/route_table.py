"""Every route of the service, one row each. What is not here cannot be asked for."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import ACKNOWLEDGE_ALERTS, ANY_CALLER, PUBLIC, PUBLISH
from alphapulse_api.http.handlers import (
    agents,
    alerts,
    auth,
    console,
    documents,
    metrics,
    portfolio,
    system,
    trades,
)
from alphapulse_api.http.handlers.websocket import websocket
from alphapulse_api.http.route import Row
from alphapulse_api.schemas import agents as agent
from alphapulse_api.schemas import alerts as alert
from alphapulse_api.schemas import auth as who
from alphapulse_api.schemas import batches as batch
from alphapulse_api.schemas import metrics as metric
from alphapulse_api.schemas import portfolio as folio
from alphapulse_api.schemas import system as sample
from alphapulse_api.schemas import trades as trade

# fmt: off
ROWS: Final = (
    Row("GET", "/healthz", PUBLIC, raw=system.healthz, answer=sample.Health),
    Row("GET", "/readyz", PUBLIC, raw=system.readyz, answer=sample.Readiness),
    Row("POST", "/token", PUBLIC, raw=auth.token, form=who.TokenRequest, answer=who.Token,
        tag="auth"),
    Row("POST", "/token/revoke", PUBLIC, raw=auth.revoke, form=who.RevokeRequest,
        answer=alert.Nothing, tag="auth"),
    Row("GET", "/api/me", ANY_CALLER, auth.me, answer=who.Me, tag="auth"),

    Row("GET", "/api/metrics", "view_metrics", metrics.list_series, query=metric.SeriesQuery,
        answer=metric.SeriesSummary, many=True, resource="metrics", channel="metrics",
        tag="metrics"),
    Row("GET", "/api/metrics/{metric_type}", "view_metrics", metrics.get_metrics,
        query=metric.MetricsQuery, answer=metric.AggregatedPoint, many=True,
        resource="metrics:{metric_type}", channel="metrics", tag="metrics"),
    Row("GET", "/api/metrics/{metric_type}/latest", "view_metrics", metrics.get_latest,
        query=metric.LatestQuery, answer=metric.MetricPoint, many=True, channel="metrics",
        tag="metrics"),
    Row("POST", "/api/metrics", PUBLISH, metrics.record_metrics, body=metric.MetricPoint,
        body_may_be_array=True, body_exact=False, answer=metric.Accepted, status=201,
        tag="metrics"),
    Row("POST", "/api/metrics/batch", PUBLISH, metrics.record_batch, query=batch.BatchQuery,
        body=metric.MetricPoint, body_is_array=True, body_exact=False, answer=batch.BatchResult,
        tag="metrics"),

    Row("GET", "/api/portfolio", "view_portfolio", portfolio.get_portfolio,
        query=folio.PortfolioQuery, answer=folio.Portfolio, channel="portfolio", tag="portfolio"),
    Row("PUT", "/api/portfolio", PUBLISH, portfolio.put_portfolio, body=folio.Portfolio,
        answer=folio.Portfolio, tag="portfolio"),

    Row("GET", "/api/alerts", "view_alerts", alerts.list_alerts, query=alert.AlertsQuery,
        answer=alert.Alert, many=True, resource="alerts", channel="alerts", tag="alerts"),
    Row("GET", "/api/alerts/{id}", "view_alerts", alerts.get_alert, answer=alert.Alert,
        resource="alerts", channel="alerts", tag="alerts"),
    Row("POST", "/api/alerts", PUBLISH, alerts.raise_alert, body=alert.Alert, answer=alert.Alert,
        status=201, repeats=True, tag="alerts"),
    Row("POST", "/api/alerts/{id}/acknowledge", ACKNOWLEDGE_ALERTS, alerts.acknowledge_alert,
        body=alert.Acknowledgement, body_may_be_absent=True, answer=alert.Alert, tag="alerts"),
    Row("POST", "/api/alerts/{id}/resolve", ACKNOWLEDGE_ALERTS, alerts.resolve_alert,
        body=alert.Nothing, body_may_be_absent=True, answer=alert.Alert, tag="alerts"),

    Row("GET", "/api/trades", "view_trades", trades.list_trades, query=trade.TradesQuery,
        answer=trade.Trade, many=True, resource="trades", channel="trades", tag="trades"),
    Row("GET", "/api/trades/{id}", "view_trades", trades.get_trade,
        answer=trade.TradeWithHistory,
        resource="trades", channel="trades", tag="trades"),
    Row("POST", "/api/trades", PUBLISH, trades.record_trades, body=trade.Trade,
        body_may_be_array=True, answer=trade.Trade, status=201, repeats=True, tag="trades"),
    Row("POST", "/api/trades/batch", PUBLISH, trades.record_batch, query=batch.BatchQuery,
        body=trade.Trade, body_is_array=True, answer=batch.BatchResult, tag="trades"),

    Row("GET", "/api/agents", "view_agents", agents.list_agents, query=agent.AgentsQuery,
        answer=agent.AgentWithSignals, many=True, resource="agents", range_of_rows=False,
        tag="agents"),
    Row("GET", "/api/agents/{id}/signals", "view_agents", agents.list_signals,
        query=agent.SignalsQuery, answer=agent.Signal, many=True, resource="agents", tag="agents"),
    Row("PUT", "/api/agents/{id}", PUBLISH, agents.put_agent, body=agent.AgentUpdate,
        answer=agent.Agent, tag="agents"),
    Row("POST", "/api/agents/{id}/signals", PUBLISH, agents.record_signal, body=agent.Signal,
        answer=agent.Signal, status=201, repeats=True, tag="agents"),

    Row("GET", "/api/system", "view_system", system.list_system, query=sample.SystemQuery,
        answer=sample.SystemSample, many=True, resource="system", tag="system"),
    Row("POST", "/api/system", PUBLISH, system.report_system, body=sample.SystemSample,
        answer=sample.SystemSample, status=201, tag="system"),
    Row("GET", "/metrics", "view_system", raw=system.prometheus, media_type="text/plain",
        tag="system"),

    Row("GET", "/ws", PUBLIC, raw=websocket, status=101, tag="socket"),

    Row("GET", "/openapi.json", PUBLIC, raw=documents.openapi, tag="documents"),
    Row("GET", "/asyncapi.json", PUBLIC, raw=documents.asyncapi, tag="documents"),
    Row("GET", "/docs", PUBLIC, raw=documents.swagger_ui, media_type="text/html",
        tag="documents"),
    Row("GET", "/docs/{file}", PUBLIC, raw=documents.swagger_file, media_type="*/*",
        tag="documents"),

    Row("GET", "/", PUBLIC, raw=console.root, status=302, media_type="text/plain", tag="console"),
    Row("GET", "/console", PUBLIC, raw=console.folder, status=302, media_type="text/plain",
        tag="console"),
    Row("GET", "/console/", PUBLIC, raw=console.page, media_type="text/html", tag="console"),
    Row("GET", "/console/{file}", PUBLIC, raw=console.file, media_type="*/*", tag="console"),
    Row("GET", "/console/{version}/{file}", PUBLIC, raw=console.versioned_file, media_type="*/*",
        tag="console"),
)
# fmt: on
