"""Decisions, and what led to a trade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import AFTER_NOON, NOON, NOON_ANSWER
from alphapulse_api.http.spec.examples.signals import SIGNAL_ANSWER, TEXTS
from alphapulse_api.http.spec.examples.trades import PROFIT, WITH_HISTORY
from alphapulse_api.http.spec.examples.usage import USAGE

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
    "usage": [USAGE], "metadata": {"run": 17}, "book": "main",
}  # fmt: skip
_REASONING: Final = "Momentum and value agree; risk allows a small position."
_DECISION_ANSWER: Final = {
    **_DECISION, "made_at": NOON_ANSWER, "received_at": AFTER_NOON, "symbols": ["AAPL"],
    "corrects": None,
}  # fmt: skip
_REASONED_DECISION: Final = {
    **_DECISION_ANSWER, "reasoning": _REASONING, "trade_ids": ["t-1"], "corrected_by": [],
}  # fmt: skip
_COST: Final = {
    "totals": [{"currency": "USD", "cost": "0.0226"}], "calls": 2, "unpriced_calls": 0,
}  # fmt: skip

REQUESTS: Final[Mapping[str, Any]] = {
    "DecisionRequest": {**_DECISION, "reasoning": _REASONING},
    "ImportedDecision": {**_DECISION, "reasoning": _REASONING},
}
ANSWERS: Final[Mapping[str, Any]] = {
    "Decision": _DECISION_ANSWER,
    "ExportedDecision": {**_DECISION_ANSWER, "reasoning": _REASONING},
    "DecisionInFull": {
        **_REASONED_DECISION,
        "signals": [{**SIGNAL_ANSWER, **TEXTS}],
        "trades": [WITH_HISTORY],
        "cost": _COST,
        "profits": [{"trade_id": "t-1", **PROFIT}],
        "missing": [],
    },
    "Why": {
        "trade": WITH_HISTORY,
        "decision": _REASONED_DECISION,
        "signals": [{**SIGNAL_ANSWER, **TEXTS}],
        "cost": _COST,
        "profit": PROFIT,
        "missing": [],
    },
}
