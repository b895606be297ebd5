"""The types of series and their points."""

from __future__ import annotations

from datetime import datetime
from typing import NotRequired, TypedDict


class Series(TypedDict):
    """A series, and the time range and number of its points."""

    metric_type: str
    name: str
    labels: dict[str, str]
    first: datetime
    last: datetime
    count: int


class MetricPoint(TypedDict):
    """A point, or a bucket, whose `timestamp` is its start.

    A single aggregation is in `value`; several are in fields of the same names, without `value`.
    """

    metric_type: str
    name: str
    timestamp: datetime
    labels: dict[str, str]
    value: NotRequired[float | None]
    avg: NotRequired[float | None]
    min: NotRequired[float | None]
    max: NotRequired[float | None]
    sum: NotRequired[float | None]
    count: NotRequired[int]
    first: NotRequired[float | None]
    last: NotRequired[float | None]
    stddev: NotRequired[float | None]
    p50: NotRequired[float | None]
    p95: NotRequired[float | None]
    p99: NotRequired[float | None]
