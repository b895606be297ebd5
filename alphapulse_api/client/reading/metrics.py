"""Metric points and their series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from alphapulse_api.client import values
from alphapulse_api.client.http import segment
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.reading.requests import Books, Requests, comma, labels_of
from alphapulse_api.client.rows import MetricPoint, Series


class MetricsReading(Requests):
    """Every GET about metrics as a method."""

    def series(
        self,
        *,
        name: str | None = None,
        metric_type: str | None = None,
        limit: int | None = None,
        book: Books | None = None,
    ) -> Rows[Series]:
        """Return the series, with the time range and number of their points.

        Args:
            name: what their names begin with.
            metric_type: their type.
            limit: total number of series; default: all.
        """
        params = {"book": comma(book), "name": name, "metric_type": metric_type}
        return self._pages("/api/metrics", values.SERIES, params, limit)

    def metrics(
        self,
        metric_type: str,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        aggregation: str | Sequence[str] | None = None,
        interval: str | None = None,
        max_points: int | None = None,
        timezone: str | None = None,
        limit: int | None = None,
        book: Books | None = None,
    ) -> Rows[MetricPoint]:
        """Return points of a type, oldest first, raw or aggregated in time buckets.

        Args:
            start_time: inclusive; default: 24 h before the end.
            end_time: exclusive; default: now.
            name: of the series.
            labels: that the series must have.
            aggregation: avg, min, max, sum, count, first, last, stddev, p50, p95, p99. A single one
                is in `value`; several are in fields of the same names.
            interval: length of a bucket: "auto", or for example "30s", "5m", "1h", "1d", "1w".
            max_points: the largest number of buckets for "auto".
            timezone: IANA zone in which hours, days and weeks begin, such as
                "America/New_York"; default: UTC.
            limit: total number of points; default: all.
        """
        params = {
            "book": comma(book),
            "start_time": start_time,
            "end_time": end_time,
            "name": name,
            "label": labels_of(labels),
            "aggregation": comma(aggregation),
            "interval": interval,
            "max_points": max_points,
            "timezone": timezone,
        }
        path = f"/api/metrics/{segment(metric_type)}"
        return self._pages(path, values.POINT, params, limit)

    def latest_metrics(
        self,
        metric_type: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int | None = None,
        book: Books | None = None,
    ) -> Rows[MetricPoint]:
        """Return the newest point of every series of a type.

        Args:
            name: of the series.
            labels: that the series must have.
            limit: total number of points; default: all.
        """
        params = {"book": comma(book), "name": name, "label": labels_of(labels)}
        path = f"/api/metrics/{segment(metric_type)}/latest"
        return self._pages(path, values.POINT, params, limit)
