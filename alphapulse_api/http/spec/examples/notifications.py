"""Notifications and silences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import NOON, NOON_ANSWER

_MATCHERS: Final = {"source": ["risk"], "labels": ["team:equity"]}
_UNTIL: Final = "2099-12-31T00:00:00.000000Z"

REQUESTS: Final[Mapping[str, Any]] = {
    "SilenceRequest": {
        "id": "si-1", "matchers": _MATCHERS, "starts_at": NOON, "until": "2099-12-31T00:00:00Z",
        "comment": "Rebalancing.",
    },
}  # fmt: skip
ANSWERS: Final[Mapping[str, Any]] = {
    "Silence": {
        "id": "si-1", "matchers": _MATCHERS, "comment": "Rebalancing.", "created_by": "admin",
        "created_at": NOON_ANSWER, "starts_at": NOON_ANSWER, "until": _UNTIL,
    },
    "Notification": {
        "id": "n-1", "receiver": "phone", "book": "main", "alert_id": "a-1",
        "title": "Drawdown above limit", "severity": "critical", "cause": "raised",
        "state": "delivered", "created_at": NOON_ANSWER, "due_at": None, "attempts": 1,
        "delivered_at": NOON_ANSWER, "last_error": None,
        "message_id": "msg_019a1b2c3d4e7f60a1b2c3d4e5f60718", "silence_id": None,
    },
}  # fmt: skip
