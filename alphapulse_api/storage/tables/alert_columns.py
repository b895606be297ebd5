"""The columns of alerts."""

from __future__ import annotations

from typing import Final

from alphapulse_api.storage.columns import (
    ANY_BOOK,
    BOOLEAN,
    FLOAT,
    JSON,
    NUMBER,
    PLAIN,
    TIME,
    Columns,
)

COLUMNS = Columns(
    "alerts",
    {
        "id": PLAIN,
        "title": PLAIN,
        "message": PLAIN,
        "severity": PLAIN,
        "source": PLAIN,
        "rule_id": PLAIN,
        "metric_name": PLAIN,
        "metric_value": FLOAT,
        "threshold": FLOAT,
        "status": PLAIN,
        "created_at": TIME,
        "acknowledged": BOOLEAN,
        "acknowledged_by": PLAIN,
        "acknowledged_at": TIME,
        "comments": PLAIN,
        "resolved_at": TIME,
        "tags": JSON,
        "metadata": JSON,
        "book": ANY_BOOK,
        "fingerprint": PLAIN,
        "occurrences": NUMBER,
        "last_seen_at": TIME,
        "reopened_from": PLAIN,
    },
)
# The fields that are set when the alert is raised; the others change later.
SET_AT_CREATION = (
    "fingerprint", "title", "message", "severity", "source", "rule_id", "metric_name",
    "metric_value", "threshold", "created_at", "tags", "metadata",
)  # fmt: skip
RAISED: Final = {"status": "active", "acknowledged": False, "occurrences": 1}
