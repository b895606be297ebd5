"""The examples in both documents; a test sends each of them to a server.

Requests and answers show the same few records, so that the example of an answer is the answer to
the example of the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import Schema

from alphapulse_api.domain.errors import PROBLEM_BY_STATUS

NOON: Final = "2026-01-31T12:00:00Z"
_NOON: Final = "2026-01-31T12:00:00.000000Z"
_AFTER: Final = "2026-01-31T12:00:00.004211Z"
_REQUEST: Final = "01a21b92585a75048f9a740bd43fa6b6"

_TRADE: Final = {
    "id": "t-1", "symbol": "AAPL", "side": "buy", "quantity": "10", "price": "187.20",
    "fee": "1.05", "fee_currency": "USD", "order_type": "limit", "status": "filled",
    "agent_id": "momentum-1", "strategy": "momentum", "executed_at": NOON,
    "decision_id": "d-1", "decided_price": "187.00",
    "metadata": {"venue": "XNAS"}, "book": "main",
}  # fmt: skip
_TRADE_ANSWER: Final[dict[str, Any]] = {
    "id": "t-1", "order_id": None, "client_order_id": None, "symbol": "AAPL", "side": "buy",
    "quantity": "10", "filled_quantity": "10", "price": "187.20", "value": "1872.00",
    "fee": "1.05", "fee_currency": "USD", "fees": [], "order_type": "limit", "status": "filled",
    "agent_id": "momentum-1", "strategy": "momentum", "executed_at": _NOON, "updated_at": _AFTER,
    "corrects": None, "decision_id": "d-1", "decided_price": "187.00",
    "metadata": {"venue": "XNAS"}, "book": "main",
}  # fmt: skip
_ALERT: Final = {
    "id": "a-1", "title": "Drawdown above 5 %", "message": "momentum-1 has lost 5.2 % today.",
    "severity": "critical", "source": "risk", "metric_name": "drawdown", "metric_value": 0.052,
    "threshold": 0.05, "created_at": NOON, "tags": ["momentum"], "metadata": {"desk": "equity"},
    "book": "main",
}  # fmt: skip
_ALERT_ANSWER: Final = {
    **_ALERT, "rule_id": None, "status": "active", "created_at": _NOON, "acknowledged": False,
    "acknowledged_by": None, "acknowledged_at": None, "comments": None, "resolved_at": None,
}  # fmt: skip
_POINT: Final = {
    "metric_type": "risk", "name": "var_95", "timestamp": NOON, "value": 0.021,
    "labels": {"desk": "equity"},
}  # fmt: skip
_POINT_ANSWER: Final = {**_POINT, "timestamp": _NOON}
_POSITION: Final = {
    "symbol": "AAPL", "side": "long", "quantity": "10", "entry_price": "187.20",
    "current_price": "190.00", "unrealized_pnl": "28.00", "unrealized_pnl_pct": 0.015,
    "opened_at": NOON,
}  # fmt: skip
_PORTFOLIO: Final = {
    "total_value": "100000.00", "cash": "98100.00", "currency": "USD", "positions": [_POSITION],
    "performance": {"sharpe": 1.4}, "as_of": NOON, "book": "main",
}  # fmt: skip
_PORTFOLIO_ANSWER: Final = {
    **_PORTFOLIO,
    "positions": [
        {
            **_POSITION, "value": "1900.00", "weight": 0.019, "realized_pnl": None,
            "opened_at": _NOON,
        }
    ],
    "as_of": _NOON,
    "stale": True,
}  # fmt: skip
_BOOK: Final = {"title": "New filter", "mode": "paper", "currency": "USD"}
_BOOK_ANSWER: Final = {
    "id": "beta", **_BOOK, "opened_at": _AFTER, "closed_at": None,
}  # fmt: skip
_AMOUNTS: Final = {
    "total_value": "100000.00", "cash": "98100.00", "positions_value": "1900.00",
}  # fmt: skip
_USAGE: Final = {
    "provider": "openai", "model": "gpt-5", "input_tokens": 5200, "output_tokens": 410,
    "cached_tokens": 4096, "cost": "0.0113", "currency": "USD", "duration": 6.2, "calls": 1,
    "tool_calls": 2,
}  # fmt: skip
_SIGNAL: Final = {
    "id": "s-1", "symbol": "AAPL", "direction": "buy", "confidence": 0.7, "conviction": 0.4,
    "rating": "buy", "abstained": False, "reason": "margins rise", "horizon": "P5D",
    "entry_price": "187.20", "target_price": "195.00", "stop_loss": "182.50", "size": "10",
    "timestamp": NOON, "valid_until": "2026-02-05T12:00:00Z", "model": "gpt-5",
    "prompt_hash": "sha256:9f2c41", "cycle_id": "c-1", "supersedes": "s-0", "usage": [_USAGE],
    "metadata": {"desk": "equity"}, "book": "main",
}  # fmt: skip
_SIGNAL_ANSWER: Final = {
    **_SIGNAL, "agent_id": "momentum-1", "timestamp": _NOON, "received_at": _AFTER,
    "valid_until": "2026-02-05T12:00:00.000000Z",
}  # fmt: skip
_TEXTS: Final = {
    "thesis": "Margins rise for the third quarter in a row, and the price does not show it yet.",
    "inputs": [
        {
            "metric_type": "price", "name": "AAPL", "labels": {}, "value": 187.2,
            "timestamp": _NOON,
        },
        {"url": "https://example.com/aapl-10-q", "title": "AAPL, form 10-Q"},
    ],
}  # fmt: skip
_DECISION: Final = {
    "id": "d-1", "made_at": NOON, "agent_id": "manager", "cycle_id": "c-1", "outcome": "ordered",
    "signal_ids": ["s-1"],
    "votes": [{"agent_id": "momentum-1", "weight": 0.6, "conviction": 0.4}],
    "targets": [
        {"symbol": "AAPL", "weight_before": 0.0, "weight_target": 0.02, "quantity": "10"},
    ],
    "constraints": [
        {
            "name": "max_weight", "symbol": "AAPL", "before": "0.05", "after": "0.02",
            "reason": "no position above 2 %",
        },
    ],
    "usage": [_USAGE], "metadata": {"run": 17}, "book": "main",
}  # fmt: skip
_REASONING: Final = "Momentum and value agree; risk allows a small position."
_DECISION_ANSWER: Final = {
    **_DECISION, "made_at": _NOON, "received_at": _AFTER, "symbols": ["AAPL"], "corrects": None,
}  # fmt: skip
_REASONED_DECISION: Final = {
    **_DECISION_ANSWER, "reasoning": _REASONING, "trade_ids": ["t-1"], "corrected_by": [],
}  # fmt: skip
_COST: Final = {
    "totals": [{"currency": "USD", "cost": "0.0226"}], "calls": 2, "unpriced_calls": 0,
}  # fmt: skip
_PROFIT: Final = {
    "position_before": "0", "position_after": "10", "closed_quantity": "0", "closed_profit": "0",
    "opened_quantity": "10", "open_quantity": "10", "realized_profit": "0",
    "unrealized_profit": "0", "price": "187.20", "price_at": _NOON, "profit": "0",
    "fees": [{"currency": "USD", "amount": "1.05"}],
}  # fmt: skip
_WITH_HISTORY: Final = {
    **_TRADE_ANSWER,
    "history": [{"at": _AFTER, "status": "filled", "filled_quantity": "10", "price": "187.20"}],
}
_AGENT: Final = {"agent_type": "momentum", "state": "active", "metrics": {"win_rate": 0.56}}
_AGENT_ANSWER: Final = {"agent_id": "momentum-1", **_AGENT, "updated_at": _AFTER}
_SAMPLE: Final = {
    "component": "feed", "status": "healthy", "timestamp": NOON, "metrics": {"lag_ms": 12.5},
    "message": None,
}  # fmt: skip

_USAGE_RECORD: Final = {
    "id": "u-1", "timestamp": NOON, "agent_id": "analyst", "decision_id": "d-1", "cycle_id": "c-1",
    "provider": "openai", "model": "gpt-5", "input_tokens": 4000, "output_tokens": 300,
    "cached_tokens": 1000, "cost": "0.0180", "currency": "USD", "duration": 2.5, "calls": 1,
}  # fmt: skip

# By the name of the schema.
REQUESTS: Final[Mapping[str, Any]] = {
    "TradeRequest": _TRADE,
    "AlertRequest": _ALERT,
    "AcknowledgeRequest": {"comments": "The position is reduced."},
    "MetricPointRequest": _POINT,
    "PortfolioRequest": _PORTFOLIO,
    "BookRequest": _BOOK,
    "SignalRequest": {**_SIGNAL, **_TEXTS},
    "DecisionRequest": {**_DECISION, "reasoning": _REASONING},
    "UsageRecordRequest": _USAGE_RECORD,
    "AgentRequest": _AGENT,
    "SystemSampleRequest": _SAMPLE,
    "ImportedTrade": _TRADE,
    "ImportedAlert": _ALERT,
    "ImportedPoint": _POINT,
    "ImportedSignal": {**_SIGNAL, **_TEXTS},
    "ImportedDecision": {**_DECISION, "reasoning": _REASONING},
    "ImportedSample": _SAMPLE,
    "EquityPoint": {"timestamp": NOON, "total_value": "100000.00", "cash": "98100.00"},
    "TokenRequest": {
        "grant_type": "password",
        "username": "ann",
        "password": "correct horse battery staple",
    },
    "RevokeRequest": {"token": "art_0b6a2f1e9c3d4a5b"},
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
_FIGURES: Final = {
    "outcomes": 214,
    "hit_rate": {"value": 0.584, "low": 0.517, "high": 0.648},
    "base_rate": 0.513,
    "brier_score": {"value": 0.241, "low": 0.232, "high": 0.25},
    "calibration": [{"low": 0.6, "high": 0.7, "outcomes": 214, "stated": 0.66, "happened": 0.584}],
    "rank_correlation": {"value": 0.12, "low": -0.015, "high": 0.25},
    "mean_return": {"value": 0.0021, "low": 0.0004, "high": 0.0038},
    "mean_return_after_cost": {"value": 0.0017, "low": 0.0, "high": 0.0034},
}
_NO_FIGURE: Final = {"value": None, "low": None, "high": None}
_TRACK_RECORD: Final = {
    "agent_id": "momentum-1", "book": "main", "mode": "live", "signals": 260, "abstentions": 18,
    "pending": 5, "unpriced": 2, "overlapping": 21, "verdict": "no_better_than_chance",
    "rounds": 120, **_FIGURES,
    "imported": {
        "outcomes": 0, "base_rate": None, "calibration": [],
        **dict.fromkeys(
            ("hit_rate", "brier_score", "rank_correlation", "mean_return",
             "mean_return_after_cost"),
            _NO_FIGURE,
        ),
    },
    "cost_rate": 0.0004,
    "profit": {
        "currency": "USD", "round_trips": 88, "realized": "1250.40", "net": "1201.15",
        "mean": {"value": 14.2, "low": -3.1, "high": 31.5},
        "fees": [{"currency": "USD", "amount": "49.25"}],
    },
    "thinking": [{"currency": "USD", "cost": "18.40", "profit_per_cost": 65.28}],
    "unknown_costs": 0,
}  # fmt: skip

ANSWERS: Final[Mapping[str, Any]] = {
    "Trade": _TRADE_ANSWER,
    "TradeWithHistory": _WITH_HISTORY,
    "Alert": _ALERT_ANSWER,
    "MetricPoint": _POINT_ANSWER,
    "AggregatedPoint": _POINT_ANSWER,
    "SeriesSummary": {
        "metric_type": "risk", "name": "var_95", "labels": {"desk": "equity"}, "first": _NOON,
        "last": _NOON, "count": 1,
    },
    "Portfolio": _PORTFOLIO_ANSWER,
    "HistoryPoint": {
        "timestamp": _NOON, "total_value": "100000.00", "cash": "98100.00",
        "positions_value": "1900.00",
    },
    "Book": _BOOK_ANSWER,
    "PortfolioOverview": {
        "portfolios": [
            {
                "book": "main", "title": None, "mode": "live", "closed_at": None, "currency": "USD",
                **_AMOUNTS, "as_of": _NOON, "stale": True,
            }
        ],
        "totals": [{"mode": "live", "currency": "USD", "books": 1, **_AMOUNTS}],
    },
    "Signal": _SIGNAL_ANSWER,
    "SignalInFull": {**_SIGNAL_ANSWER, **_TEXTS},
    "Decision": _DECISION_ANSWER,
    "ExportedDecision": {**_DECISION_ANSWER, "reasoning": _REASONING},
    "DecisionInFull": {
        **_REASONED_DECISION,
        "signals": [{**_SIGNAL_ANSWER, **_TEXTS}],
        "trades": [_WITH_HISTORY],
        "cost": _COST,
        "profits": [{"trade_id": "t-1", **_PROFIT}],
        "missing": [],
    },
    "Why": {
        "trade": _WITH_HISTORY,
        "decision": _REASONED_DECISION,
        "signals": [{**_SIGNAL_ANSWER, **_TEXTS}],
        "cost": _COST,
        "profit": _PROFIT,
        "missing": [],
    },
    "UsageRecord": {
        **_USAGE_RECORD, "timestamp": _NOON, "received_at": _NOON, "duration": 2.5,
        "tool_calls": None, "calls": 1, "metadata": {}, "book": "main",
    },
    "UsageSum": {
        "agent_id": "analyst", "calls": 12, "input_tokens": 48000, "output_tokens": 3600,
        "cached_tokens": 12000, "tool_calls": 4, "duration": 31.5, "cost": "0.2150",
        "currency": "USD",
    },
    "Agent": _AGENT_ANSWER,
    "TrackRecord": _TRACK_RECORD,
    "AgentWithSignals": {**_AGENT_ANSWER, "signals": [_SIGNAL_ANSWER]},
    "SystemSample": {**_SAMPLE, "timestamp": _NOON},
    "Accepted": {"accepted": 1},
    "Imported": {"accepted": 1, "new": 1},
    "BatchResult": {
        "accepted": 1,
        "refused": 1,
        "results": [
            {"status": 201, "id": "t-1"},
            {"status": 422, "error": "/price: Not a decimal number."},
        ],
    },
    "Token": {
        "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl",
        "token_type": "Bearer",
        "expires_in": 3600,
        "refresh_token": "art_0b6a2f1e9c3d4a5b",
        "role": "viewer",
    },
    "Empty": {},
    "Me": {
        "username": "ann",
        "role": "viewer",
        "permissions": ["view_trades"],
        "auth": "jwt",
        "books": ["beta"],
        "home": "beta",
        "expires_at": "2026-01-31T13:00:00.000000Z",
    },
    "Health": {"status": "ok"},
    "Readiness": {"status": "ok", "checks": {"database": "ok", "tasks": "ok"}, "migrating": {}},
}  # fmt: skip
METRICS_TEXT: Final = "# TYPE alphapulse_connections gauge\nalphapulse_connections 3.0\n"

# By the name of the parameter, and also by the tag where it means different things. Importers send
# all parameters of an operation at once, so these must fit together: `as_of` has no example because
# it takes the place of `end_time`.
PARAMETERS: Final[Mapping[str | tuple[str, str], Any]] = {
    "metric_type": "risk",
    "token": "whk_0b6a2f1e_9c3d4a5b8e7f6071",
    ("alerts", "id"): "a-1",
    ("trades", "id"): "t-1",
    ("books", "id"): "beta",
    "mode": "paper",
    ("agents", "id"): "momentum-1",
    ("decisions", "id"): "d-1",
    ("decisions", "agent_id"): "manager",
    ("usage", "agent_id"): "analyst",
    "group_by": "agent",
    ("metrics", "book"): "*",
    "signal_id": "s-1",
    "cycle_id": "c-1",
    "expand": ["signals", "cost"],
    "start_time": "2026-01-31T00:00:00Z",
    "end_time": "2026-02-01T00:00:00Z",
    "limit": 100,
    "cursor": "",
    "name": "var_95",
    "label": ["desk:equity"],
    "aggregation": ["avg", "p95"],
    "interval": "5m",
    "max_points": 500,
    "timezone": "America/New_York",
    "include_history": True,
    "severity": ["error", "critical"],
    "acknowledged": False,
    ("alerts", "status"): "active",
    "source": "risk",
    "symbol": "AAPL",
    "side": "buy",
    ("trades", "status"): "filled",
    "strategy": "momentum",
    "agent_id": "momentum-1",
    "agent_type": "momentum",
    "direction": "buy",
    "component": "feed",
    "on_error": "continue",
    "sort": "desc",
    "format": "csv",
    "spreadsheet": False,
    "currency": "USD",
    "book": "main",
    "If-Match": "*",
    "If-None-Match": '"5f0c2a91d3b84e6f"',
}


class MissingExample(Exception):
    """A schema has no example."""


def request_example(schema: type[Schema]) -> Any:
    """The example of a request."""
    return _example(REQUESTS, "REQUESTS", schema)


def answer_example(schema: type[Schema]) -> Any:
    """The example of an answer."""
    return _example(ANSWERS, "ANSWERS", schema)


def _example(examples: Mapping[str, Any], table: str, schema: type[Schema]) -> Any:
    if schema.__name__ not in examples:
        raise MissingExample(
            f"{schema.__name__} has no example: add one to {table} in http/spec/examples.py."
        )
    return examples[schema.__name__]


def _problem(status: int, detail: str, **members: Any) -> dict[str, Any]:
    kind = PROBLEM_BY_STATUS[status]
    return {
        "type": kind.uri, "title": kind.title, "status": status, "detail": detail,
        "request_id": _REQUEST, **members,
    }  # fmt: skip


# By status; 0 stands for the statuses that no operation lists.
PROBLEMS: Final[Mapping[int, Any]] = {
    0: _problem(405, "DELETE is not allowed here; allowed: GET, POST."),
    400: _problem(400, "The body is not JSON: Expecting value: line 1 column 1 (char 0)."),
    401: _problem(401, "Send Authorization: Bearer <token> or X-API-Key: <key>."),
    403: _problem(403, "This needs the permission publish."),
    404: _problem(404, "There is no trade 't-9'."),
    406: _problem(406, "Accept one of application/json, text/csv."),
    409: _problem(
        409,
        "The id 't-1' exists with another quantity.",
        errors=[{"pointer": "/quantity", "detail": "The id 't-1' exists with another quantity."}],
    ),
    412: _problem(
        412,
        "The portfolio is of another version than If-Match names: something else changed it. "
        "Nothing was stored; read it again.",
    ),
    413: _problem(413, "The body may have at most 16777216 bytes."),
    415: _problem(415, "Send application/json."),
    422: _problem(
        422,
        "/price: Not a decimal number.",
        errors=[{"pointer": "/price", "detail": "Not a decimal number."}],
    ),
    429: _problem(429, "At most 120 requests in 60 s; try again in 2 s."),
    503: _problem(503, "The database is away."),
}
