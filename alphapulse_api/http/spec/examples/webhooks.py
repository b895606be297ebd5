"""Messages of other systems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import NOON

REQUESTS: Final[Mapping[str, Any]] = {
    "AlertmanagerMessage": {
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "FeedDown", "severity": "critical"},
                "annotations": {"summary": "The feed is down."},
                "startsAt": NOON,
                "fingerprint": "c8d5c1e9e2b6a7f0",
            }
        ]
    },
    "TradingViewMessage": {
        "id": "breakout:AAPL:1", "agent_id": "breakout", "ticker": "AAPL", "action": "buy",
    },
    "FreqtradeMessage": {
        "event": "entry", "bot": "momentum", "trade_id": "1", "pair": "BTC/USDT",
        "direction": "long", "order_type": "limit", "amount": "0.01", "rate": "67123.50",
    },
}  # fmt: skip
