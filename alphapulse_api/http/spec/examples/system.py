"""Samples of components, and the state of the process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import NOON, NOON_ANSWER

_SAMPLE: Final = {
    "component": "feed", "status": "healthy", "timestamp": NOON, "metrics": {"lag_ms": 12.5},
    "message": None,
}  # fmt: skip
METRICS_TEXT: Final = "# TYPE alphapulse_connections gauge\nalphapulse_connections 3.0\n"

REQUESTS: Final[Mapping[str, Any]] = {
    "SystemSampleRequest": _SAMPLE,
    "ImportedSample": _SAMPLE,
}
ANSWERS: Final[Mapping[str, Any]] = {
    "SystemSample": {**_SAMPLE, "timestamp": NOON_ANSWER},
    "Health": {"status": "ok"},
    "Readiness": {"status": "ok", "checks": {"database": "ok", "tasks": "ok"}, "migrating": {}},
}
