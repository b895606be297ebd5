"""Rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import NOON, NOON_ANSWER

_DRAFT: Final = {
    "name": "Drawdown", "metric_type": "risk", "metric_name": "drawdown",
    "matchers": {"desk": "equity"}, "function": "max", "window": "5m", "operator": ">",
    "threshold": 0.05, "for": "1m", "recover": 0.04, "keep_firing_for": "2m",
    "severity": "critical", "title": "Drawdown of {labels.desk} is {value:.1%}",
    "message": "The limit is {threshold:.1%}.", "labels": {"team": "risk"}, "group_by": ["desk"],
}  # fmt: skip
_RULE: Final = {"id": "drawdown", "enabled": True, "watch": "metric", **_DRAFT}
_CHANGE: Final = {
    "at": NOON_ANSWER, "change": "fired", "labels": {"desk": "equity"}, "value": 0.062,
    "title": "Drawdown of equity is 6.2%", "message": "The limit is 5.0%.",
}  # fmt: skip

_SHOWN: Final = {
    **_RULE, "book": None, "agent_id": None, "component": None, "field": None,
    "threshold_series": None, "origin": "api", "state": "ok", "error": None, "firing": 0,
    "pending": 0, "created_at": NOON_ANSWER, "updated_at": NOON_ANSWER,
}  # fmt: skip

REQUESTS: Final[Mapping[str, Any]] = {
    "RuleRequest": _RULE,
    "RuleTest": {"rule": _DRAFT, "start_time": "2026-01-31T00:00:00Z", "end_time": NOON},
}
ANSWERS: Final[Mapping[str, Any]] = {
    "Rule": _SHOWN,
    "RuleWithGroups": {**_SHOWN, "groups": []},
    "RuleTestAnswer": {
        "changes": [_CHANGE], "fired": 1, "firing": 1, "groups": 1, "values": 288, "error": None,
    },
}  # fmt: skip
