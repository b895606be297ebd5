"""An alert that is raised again while it is not resolved: it counts, and does not multiply.

What has the same fingerprint, in one book, is the same alert as long as that is not resolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

Alert = dict[str, Any]

SEVERITIES: Final = ("info", "warning", "error", "critical")
QUIET: Final = timedelta(seconds=10)
RECENT: Final = 16  # ids of counted occurrences that are remembered, to know a repeat of one


def first(record: Mapping[str, Any], reopened_from: str | None = None) -> Alert:
    """A new alert with a fingerprint.

    Args:
        record: as it was raised, completed.
        reopened_from: the id of the alert before with this fingerprint, which is resolved.
    """
    return {
        **record,
        "occurrences": 1,
        "last_seen_at": record["created_at"],
        "reopened_from": reopened_from,
    }


def again(alert: Mapping[str, Any], record: Mapping[str, Any]) -> Alert:
    """An alert after it was raised again; only a higher severity changes what it says."""
    return {
        **alert,
        "occurrences": alert["occurrences"] + 1,
        "last_seen_at": max(alert["last_seen_at"], record["created_at"]),
        "severity": max(alert["severity"], record["severity"], key=SEVERITIES.index),
    }


def is_told(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a count is worth an event.

    It is if the severity rose, if the alert was quiet for `QUIET`, or if the number of occurrences
    reached one with a single digit besides zeros: 1 to 10, 20, 30 … 100, 200 … So a storm has at
    most nine events each time it grows tenfold, and the number in the newest one is never half of
    the real one.
    """
    return (
        after["severity"] != before["severity"]
        or after["last_seen_at"] - before["last_seen_at"] >= QUIET
        or _rounded(after["occurrences"]) != _rounded(before["occurrences"])
    )


def _rounded(number: int) -> int:
    """A number with its first digit, and zeros for the others."""
    zeros = len(str(number)) - 1
    return int(f"{str(number)[0]}{'0' * zeros}")
