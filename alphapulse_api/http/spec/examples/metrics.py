"""Metric points and their series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import NOON, NOON_ANSWER

_POINT: Final = {
    "metric_type": "risk", "name": "var_95", "timestamp": NOON, "value": 0.021,
    "labels": {"desk": "equity"},
}  # fmt: skip
_POINT_ANSWER: Final = {**_POINT, "timestamp": NOON_ANSWER}

REQUESTS: Final[Mapping[str, Any]] = {
    "MetricPointRequest": _POINT,
    "ImportedPoint": _POINT,
}
ANSWERS: Final[Mapping[str, Any]] = {
    "MetricPoint": _POINT_ANSWER,
    "AggregatedPoint": _POINT_ANSWER,
    "SeriesSummary": {
        "metric_type": "risk", "name": "var_95", "labels": {"desk": "equity"}, "first": NOON_ANSWER,
        "last": NOON_ANSWER, "count": 1,
    },
}  # fmt: skip
