"""Every route of the service, one row each. There are no other routes."""

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
    receivers,
    system,
    trades,
    webhooks,
)
from alphapulse_api.http.handlers.websocket import websocket
from alphapulse_api.http.receivers.rpc_status import rpc_refusal
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.agents import (
    Agent,
    AgentRequest,
    AgentsQuery,
    AgentWithSignals,
    Signal,
    SignalRequest,
    SignalsExport,
    SignalsQuery,
)
from alphapulse_api.schemas.alerts import (
    AcknowledgeRequest,
    Alert,
    AlertRequest,
    AlertsExport,
    AlertsQuery,
    Empty,
    Nothing,
)
from alphapulse_api.schemas.auth import Me, RevokeRequest, Token, TokenRequest
from alphapulse_api.schemas.batches import BatchQuery, BatchResult
from alphapulse_api.schemas.metrics import (
    Accepted,
    AggregatedPoint,
    LatestQuery,
    MetricPoint,
    MetricPointRequest,
    MetricsExport,
    MetricsQuery,
    SeriesQuery,
    SeriesSummary,
)
from alphapulse_api.schemas.portfolio import (
    HistoryExport,
    HistoryPoint,
    Portfolio,
    PortfolioQuery,
    PortfolioRequest,
)
from alphapulse_api.schemas.system import (
    Health,
    Readiness,
    SystemExport,
    SystemQuery,
    SystemSample,
    SystemSampleRequest,
)
from alphapulse_api.schemas.trades import (
    Trade,
    TradeRequest,
    TradesExport,
    TradesQuery,
    TradeWithHistory,
)
from alphapulse_api.schemas.webhooks import (
    AlertmanagerMessage,
    FreqtradeMessage,
    TradingViewMessage,
)

# fmt: off
ROWS: Final = (
    Row("GET", "/healthz", PUBLIC, raw=system.healthz, answer=Health, operation="getHealth"),
    Row("GET", "/readyz", PUBLIC, raw=system.readyz, answer=Readiness,
        operation="getReadiness", failures=(503,)),
    Row("POST", "/token", PUBLIC, raw=auth.token, form=TokenRequest, answer=Token,
        tag="auth", operation="createToken", failures=(401,)),
    Row("POST", "/token/revoke", PUBLIC, raw=auth.revoke, form=RevokeRequest,
        answer=Empty, tag="auth", operation="revokeToken"),
    Row("GET", "/api/me", ANY_CALLER, auth.me, answer=Me, tag="auth", operation="getMe"),

    Row("GET", "/api/metrics", "view_metrics", metrics.list_series, query=SeriesQuery,
        answer=SeriesSummary, many=True, resource="metrics", channel="metrics",
        tag="metrics", operation="listSeries"),
    Row("GET", "/api/metrics/{metric_type}", "view_metrics", metrics.get_metrics,
        query=MetricsQuery, answer=AggregatedPoint, many=True,
        resource="metrics:{metric_type}", channel="metrics", tag="metrics",
        operation="listMetrics"),
    Row("GET", "/api/metrics/{metric_type}/export", "view_metrics", metrics.export_metrics,
        query=MetricsExport, answer=AggregatedPoint, many=True, export=True,
        channel="metrics", tag="metrics", operation="exportMetrics"),
    Row("GET", "/api/metrics/{metric_type}/latest", "view_metrics", metrics.get_latest,
        query=LatestQuery, answer=MetricPoint, many=True, channel="metrics",
        tag="metrics", operation="listLatestMetrics"),
    Row("POST", "/api/metrics", PUBLISH, metrics.record_metrics, body=MetricPointRequest,
        body_may_be_array=True, body_exact=False, answer=Accepted, status=201,
        tag="metrics", operation="createMetric"),
    Row("POST", "/api/metrics/batch", PUBLISH, metrics.record_batch, query=BatchQuery,
        body=MetricPointRequest, body_is_array=True, body_exact=False, answer=BatchResult,
        tag="metrics", operation="createMetrics"),

    # The paths that the clients of these systems use.
    Row("POST", "/api/v1/write", PUBLISH, raw=receivers.prometheus_write, status=204,
        tag="metrics", protocol="prometheus"),
    Row("POST", "/v1/metrics", PUBLISH, raw=receivers.otlp_metrics, tag="metrics",
        protocol="otlp", refusal=rpc_refusal),
    Row("POST", "/api/v2/write", PUBLISH, raw=receivers.influx_write, status=204,
        tag="metrics", protocol="influx"),
    Row("POST", "/write", PUBLISH, raw=receivers.influx_write, status=204, tag="metrics",
        protocol="influx"),

    Row("GET", "/api/portfolio", "view_portfolio", portfolio.get_portfolio,
        query=PortfolioQuery, answer=Portfolio, resource="portfolio", channel="portfolio",
        tag="portfolio", operation="getPortfolio", failures=(404,)),
    Row("GET", "/api/portfolio/history/export", "view_portfolio", portfolio.export_history,
        query=HistoryExport, answer=HistoryPoint, many=True, export=True,
        channel="portfolio", tag="portfolio", operation="exportPortfolioHistory"),
    Row("PUT", "/api/portfolio", PUBLISH, portfolio.put_portfolio, body=PortfolioRequest,
        answer=Portfolio, tag="portfolio", operation="updatePortfolio"),

    Row("GET", "/api/alerts", "view_alerts", alerts.list_alerts, query=AlertsQuery,
        answer=Alert, many=True, resource="alerts", channel="alerts", tag="alerts",
        operation="listAlerts"),
    Row("GET", "/api/alerts/export", "view_alerts", alerts.export_alerts,
        query=AlertsExport, answer=Alert, many=True, export=True, channel="alerts",
        tag="alerts", operation="exportAlerts"),
    Row("GET", "/api/alerts/{id}", "view_alerts", alerts.get_alert, answer=Alert,
        resource="alerts", channel="alerts", tag="alerts", operation="getAlert",
        failures=(404,)),
    Row("POST", "/api/alerts", PUBLISH, alerts.raise_alert, body=AlertRequest, answer=Alert,
        status=201, repeats=True, tag="alerts", operation="createAlert",
        failures=(409,)),
    Row("POST", "/api/alerts/{id}/acknowledge", ACKNOWLEDGE_ALERTS, alerts.acknowledge_alert,
        body=AcknowledgeRequest, body_may_be_absent=True, answer=Alert, tag="alerts",
        operation="acknowledgeAlert", failures=(404,)),
    Row("POST", "/api/alerts/{id}/resolve", ACKNOWLEDGE_ALERTS, alerts.resolve_alert,
        body=Nothing, body_may_be_absent=True, answer=Alert, tag="alerts",
        operation="resolveAlert", failures=(404,)),

    Row("GET", "/api/trades", "view_trades", trades.list_trades, query=TradesQuery,
        answer=Trade, many=True, resource="trades", channel="trades", tag="trades",
        operation="listTrades"),
    Row("GET", "/api/trades/export", "view_trades", trades.export_trades,
        query=TradesExport, answer=Trade, many=True, export=True, channel="trades",
        tag="trades", operation="exportTrades"),
    Row("GET", "/api/trades/{id}", "view_trades", trades.get_trade,
        answer=TradeWithHistory,
        resource="trades", channel="trades", tag="trades", operation="getTrade",
        failures=(404,)),
    Row("POST", "/api/trades", PUBLISH, trades.record_trades, body=TradeRequest,
        body_may_be_array=True, answer=Trade, status=201, repeats=True, tag="trades",
        operation="createTrade", failures=(409,)),
    Row("POST", "/api/trades/batch", PUBLISH, trades.record_batch, query=BatchQuery,
        body=TradeRequest, body_is_array=True, answer=BatchResult, tag="trades",
        operation="createTrades", failures=(409,)),

    Row("GET", "/api/agents", "view_agents", agents.list_agents, query=AgentsQuery,
        answer=AgentWithSignals, many=True, resource="agents", range_of_rows=False,
        tag="agents", operation="listAgents"),
    Row("GET", "/api/agents/{id}/signals", "view_agents", agents.list_signals,
        query=SignalsQuery, answer=Signal, many=True, resource="agents:agent_id={id}",
        tag="agents", operation="listSignals", failures=(404,)),
    Row("GET", "/api/agents/{id}/signals/export", "view_agents", agents.export_signals,
        query=SignalsExport, answer=Signal, many=True, export=True, tag="agents",
        operation="exportSignals", failures=(404,)),
    Row("PUT", "/api/agents/{id}", PUBLISH, agents.put_agent, body=AgentRequest,
        answer=Agent, tag="agents", operation="updateAgent"),
    Row("POST", "/api/agents/{id}/signals", PUBLISH, agents.record_signal, body=SignalRequest,
        answer=Signal, status=201, repeats=True, tag="agents",
        operation="createSignal", failures=(409,)),

    Row("GET", "/api/system", "view_system", system.list_system, query=SystemQuery,
        answer=SystemSample, many=True, resource="system", tag="system",
        operation="listSystemSamples"),
    Row("GET", "/api/system/export", "view_system", system.export_system,
        query=SystemExport, answer=SystemSample, many=True, export=True, tag="system",
        operation="exportSystemSamples"),
    Row("POST", "/api/system", PUBLISH, system.report_system, body=SystemSampleRequest,
        answer=SystemSample, status=201, repeats=True, tag="system",
        operation="createSystemSample"),
    Row("GET", "/metrics", "view_system", raw=system.prometheus, media_type="text/plain",
        tag="system", operation="getPrometheusMetrics"),

    Row("POST", "/webhooks/alertmanager", PUBLISH, webhooks.alertmanager_alerts,
        body=AlertmanagerMessage, answer=Accepted, tag="webhooks", webhook=True,
        operation="receiveAlertmanager"),
    Row("POST", "/webhooks/grafana", PUBLISH, webhooks.grafana_alerts,
        body=AlertmanagerMessage, answer=Accepted, tag="webhooks", webhook=True,
        operation="receiveGrafana"),
    Row("POST", "/webhooks/tradingview", PUBLISH, raw=webhooks.tradingview_message,
        body=TradingViewMessage, text_body=True, answer=Accepted, tag="webhooks",
        webhook=True, operation="receiveTradingView", failures=(409,)),
    Row("POST", "/webhooks/freqtrade", PUBLISH, webhooks.freqtrade_message,
        body=FreqtradeMessage, answer=Accepted, tag="webhooks", webhook=True,
        operation="receiveFreqtrade"),
    # TradingView sends no headers.
    Row("POST", "/webhooks/tradingview/{token}", PUBLISH, raw=webhooks.tradingview_message,
        body=TradingViewMessage, text_body=True, answer=Accepted, tag="webhooks",
        webhook=True, operation="receiveTradingViewByToken", failures=(409,)),

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
