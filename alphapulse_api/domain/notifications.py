"""What people are told of an alert, and what becomes of such a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.domain.matching import RANKS

RAISED: Final = "raised"
SEVERITY: Final = "severity"  # it was raised to a higher one
ACKNOWLEDGED: Final = "acknowledged"
RESOLVED: Final = "resolved"
REPEATED: Final = "repeated"  # nobody has acknowledged the alert since the last message
ESCALATED: Final = "escalated"  # nobody has acknowledged it in time
CAUSES: Final = (RAISED, SEVERITY, ACKNOWLEDGED, RESOLVED, REPEATED, ESCALATED)
# Changes of alerts come from outside; the sender plans the others.
PLANNED: Final = (REPEATED, ESCALATED)

PENDING: Final = "pending"
DELIVERED: Final = "delivered"
FAILED: Final = "failed"
SILENCED: Final = "silenced"
STATES: Final = (PENDING, DELIVERED, FAILED, SILENCED)

Alert = Mapping[str, Any]


def cause_of(before: Alert | None, after: Alert) -> str | None:
    """What people may be told of a change of an alert; None: nothing.

    Args:
        before: the alert before; None if it is new.
        after: the alert as it is now.
    """
    if before is None or after["created_at"] != before["created_at"]:
        return RAISED if after["status"] == "active" else None
    if after["status"] != before["status"] and after["status"] in (ACKNOWLEDGED, RESOLVED):
        return str(after["status"])
    if RANKS[after["severity"]] > RANKS[before["severity"]]:
        return SEVERITY
    return None


def is_open(alert: Alert | None) -> bool:
    """Whether an alert still waits for somebody to acknowledge it."""
    return alert is not None and alert["status"] == "active"
