"""Alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import NOON, NOON_ANSWER

_ALERT: Final = {
    "id": "a-1", "title": "Drawdown above 5 %", "message": "momentum-1 has lost 5.2 % today.",
    "severity": "critical", "source": "risk", "metric_name": "drawdown", "metric_value": 0.052,
    "threshold": 0.05, "created_at": NOON, "tags": ["momentum"], "metadata": {"desk": "equity"},
    "book": "main", "fingerprint": "drawdown/momentum-1",
}  # fmt: skip
_ALERT_ANSWER: Final = {
    **_ALERT, "rule_id": None, "status": "active", "created_at": NOON_ANSWER, "acknowledged": False,
    "acknowledged_by": None, "acknowledged_at": None, "comments": None, "resolved_at": None,
    "occurrences": 1, "last_seen_at": NOON_ANSWER, "reopened_from": None,
}  # fmt: skip

REQUESTS: Final[Mapping[str, Any]] = {
    "AlertRequest": _ALERT,
    "AcknowledgeRequest": {"comments": "The position is reduced."},
    "ImportedAlert": {**_ALERT, "occurrences": 1, "last_seen_at": NOON},
}
ANSWERS: Final[Mapping[str, Any]] = {
    "Alert": _ALERT_ANSWER,
}
