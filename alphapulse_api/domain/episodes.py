"""An alert that another system repeats: it fires, is resolved, and may fire again under its id.

An episode is the time from one firing to its resolution; its start is the alert's `created_at`.
A report belongs to the episode whose start it has. So a repeat changes nothing, a report that comes
late changes nothing, and a later start opens the alert again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Alert = dict[str, Any]

# Fields that the other system sets, and may change while the alert fires.
_CONTENT: Final = (
    "title", "message", "severity", "source", "rule_id", "metric_name", "metric_value",
    "threshold", "tags", "metadata",
)  # fmt: skip


def opened(report: Mapping[str, Any]) -> Alert:
    """The alert at the beginning of a new episode.

    Args:
        report: validated; `resolved_at` is missing, or None, while the alert fires.
    """
    resolved_at = report.get("resolved_at")
    return {
        **{name: report.get(name) for name in ("id", "book", "created_at", *_CONTENT)},
        "status": "active" if resolved_at is None else "resolved",
        "resolved_at": resolved_at,
        "acknowledged": False,
        "acknowledged_by": None,
        "acknowledged_at": None,
        "comments": None,
        "fingerprint": None,
        "occurrences": 1,
        "last_seen_at": None,
        "reopened_from": None,
    }


def reported(stored: Mapping[str, Any], report: Mapping[str, Any]) -> Alert | None:
    """The stored alert after a report of it; None if nothing changes."""
    if report["created_at"] > stored["created_at"]:
        return opened(report)
    if report["created_at"] < stored["created_at"] or stored["status"] == "resolved":
        return None
    after = {**stored, **{name: report.get(name) for name in _CONTENT}}
    if (resolved_at := report.get("resolved_at")) is not None:
        after |= {"status": "resolved", "resolved_at": resolved_at}
    return None if after == stored else after
