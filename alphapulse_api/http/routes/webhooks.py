"""Messages of other systems."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLISH
from alphapulse_api.http.handlers import webhooks
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.metrics import Accepted
from alphapulse_api.schemas.webhooks import (
    AlertmanagerMessage,
    FreqtradeMessage,
    TradingViewMessage,
)

# fmt: off
ROWS: Final = (
    Row("POST", "/webhooks/alertmanager", PUBLISH, webhooks.alertmanager_alerts,
        body=AlertmanagerMessage, answer=Accepted, tag="webhooks", webhook=True,
        operation="receiveAlertmanager"),
    Row("POST", "/webhooks/grafana", PUBLISH, webhooks.grafana_alerts,
        body=AlertmanagerMessage, answer=Accepted, tag="webhooks", webhook=True,
        operation="receiveGrafana"),
    Row("POST", "/webhooks/tradingview", PUBLISH, raw=webhooks.tradingview_message,
        body=TradingViewMessage, text_body=True, answer=Accepted, tag="webhooks",
        webhook=True, operation="receiveTradingView", failures=(404, 409)),
    Row("POST", "/webhooks/freqtrade", PUBLISH, webhooks.freqtrade_message,
        body=FreqtradeMessage, answer=Accepted, tag="webhooks", webhook=True,
        operation="receiveFreqtrade"),
    # TradingView sends no headers.
    Row("POST", "/webhooks/tradingview/{token}", PUBLISH, raw=webhooks.tradingview_message,
        body=TradingViewMessage, text_body=True, answer=Accepted, tag="webhooks",
        webhook=True, operation="receiveTradingViewByToken", failures=(404, 409)),
)
# fmt: on
