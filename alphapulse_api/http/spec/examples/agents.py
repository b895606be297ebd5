"""Agents and their track records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.commands import HALT, PAUSE
from alphapulse_api.http.spec.examples.instants import AFTER_NOON
from alphapulse_api.http.spec.examples.signals import SIGNAL_ANSWER

_AGENT: Final = {
    "agent_type": "momentum",
    "state": "active",
    "metrics": {"win_rate": 0.56},
    "commands": [PAUSE, HALT],
}
_AGENT_ANSWER: Final = {"agent_id": "momentum-1", **_AGENT, "updated_at": AFTER_NOON}
_FIGURES: Final = {
    "outcomes": 214,
    "hit_rate": {"value": 0.584, "low": 0.517, "high": 0.648},
    "base_rate": 0.513,
    "base_rate_interval": {"low": 0.504, "high": 0.522},
    "brier_score": {"value": 0.241, "low": 0.232, "high": 0.25},
    "calibration": [
        {
            "low": 0.6,
            "high": 0.7,
            "outcomes": 214,
            "stated": 0.66,
            "happened": 0.584,
            "happened_interval": {"low": 0.517, "high": 0.648},
        },
    ],
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
        "outcomes": 0, "base_rate": None, "base_rate_interval": {"low": None, "high": None},
        "calibration": [],
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
    "thinking": [
        {"currency": "USD", "cost": "18.40",
         "profit_per_cost": 65.28,
         "profit_per_cost_interval": {"low": -14.1, "high": 144.66}},
    ],
    "unknown_costs": 0,
}  # fmt: skip

REQUESTS: Final[Mapping[str, Any]] = {
    "AgentRequest": _AGENT,
}
ANSWERS: Final[Mapping[str, Any]] = {
    "Agent": _AGENT_ANSWER,
    "AgentWithSignals": {**_AGENT_ANSWER, "signals": [SIGNAL_ANSWER]},
    "TrackRecord": _TRACK_RECORD,
}
