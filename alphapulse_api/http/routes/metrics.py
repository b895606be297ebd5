"""Metric points and their series."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLISH
from alphapulse_api.http.handlers import imports, metrics
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.batches import BatchQuery, BatchResult
from alphapulse_api.schemas.imports import Imported, ImportedPoint
from alphapulse_api.schemas.metrics import (
    Accepted,
    AggregatedPoint,
    LatestQuery,
    MetricPoint,
    MetricPointRequest,
    MetricsExport,
    MetricsQuery,
    SeriesQuery,
    SeriesSummary,
)

# fmt: off
ROWS: Final = (
    Row("GET", "/api/metrics", "view_metrics", metrics.list_series, query=SeriesQuery,
        answer=SeriesSummary, many=True, resource="metrics", every_book=True, channel="metrics",
        tag="metrics", operation="listSeries"),
    Row("GET", "/api/metrics/{metric_type}", "view_metrics", metrics.get_metrics,
        query=MetricsQuery, answer=AggregatedPoint, many=True,
        resource="metrics:book={book};{metric_type}", every_book=True, channel="metrics",
        tag="metrics", operation="listMetrics"),
    Row("GET", "/api/metrics/{metric_type}/export", "view_metrics", metrics.export_metrics,
        query=MetricsExport, answer=AggregatedPoint, many=True, export=True, every_book=True,
        channel="metrics", tag="metrics", operation="exportMetrics"),
    Row("GET", "/api/metrics/{metric_type}/latest", "view_metrics", metrics.get_latest,
        query=LatestQuery, answer=MetricPoint, many=True, every_book=True, channel="metrics",
        tag="metrics", operation="listLatestMetrics"),
    Row("POST", "/api/metrics", PUBLISH, metrics.record_metrics, body=MetricPointRequest,
        body_may_be_array=True, body_exact=False, answer=Accepted, status=201,
        tag="metrics", operation="createMetric"),
    Row("POST", "/api/metrics/batch", PUBLISH, metrics.record_batch, query=BatchQuery,
        body=MetricPointRequest, body_is_array=True, body_exact=False, answer=BatchResult,
        tag="metrics", operation="createMetrics"),
    Row("POST", "/api/metrics/import", PUBLISH, imports=imports.import_metrics,
        body=ImportedPoint, body_in_lines=True, body_exact=False, answer=Imported,
        tag="metrics", operation="importMetrics"),
)
# fmt: on
