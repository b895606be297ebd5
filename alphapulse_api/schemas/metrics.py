"""Metric points, series, and the questions about them."""

from __future__ import annotations

from marshmallow import Schema, fields

from alphapulse_api.domain.aggregation import FUNCTIONS, MAX_BUCKETS
from alphapulse_api.schemas.fields import (
    EventTime,
    Figure,
    Labels,
    MetricType,
    Text,
    Timestamp,
)
from alphapulse_api.schemas.queries import (
    LabelPairs,
    ListQuery,
    QueryInteger,
    RangeQuery,
)

# Marks the fields that only an answer with several aggregations has.
ONLY_AGGREGATED = "x-only-aggregated"


class MetricPoint(Schema):
    """One value of one series at one instant; with several aggregations a field for each."""

    metric_type = MetricType(
        required=True,
        metadata={"description": "performance, risk, trade, agent and system are usual"},
    )
    name = Text(128, required=True)
    timestamp = EventTime(metadata={"description": "default: now"})
    value = Figure(required=True, metadata={"description": "NaN and infinities are stored as null"})
    labels = Labels(load_default=dict)


class AggregatedPoint(MetricPoint):
    """A metric point, or a bucket: one aggregation is in `value`, several are in their names."""

    value = Figure(metadata={"description": "not there where there are several aggregations"})
    avg = Figure(dump_only=True, metadata={ONLY_AGGREGATED: True})
    min = Figure(dump_only=True, metadata={ONLY_AGGREGATED: True})
    max = Figure(dump_only=True, metadata={ONLY_AGGREGATED: True})
    sum = Figure(dump_only=True, metadata={ONLY_AGGREGATED: True})
    count = fields.Integer(dump_only=True, metadata={ONLY_AGGREGATED: True})
    first = Figure(dump_only=True, metadata={ONLY_AGGREGATED: True})
    last = Figure(dump_only=True, metadata={ONLY_AGGREGATED: True})
    stddev = Figure(dump_only=True, metadata={ONLY_AGGREGATED: True})
    p50 = Figure(dump_only=True, metadata={ONLY_AGGREGATED: True})
    p95 = Figure(dump_only=True, metadata={ONLY_AGGREGATED: True})
    p99 = Figure(dump_only=True, metadata={ONLY_AGGREGATED: True})


class SeriesSummary(Schema):
    """A series, and the range and number of its stored points."""

    metric_type = fields.String()
    name = fields.String()
    labels = Labels()
    first = Timestamp()
    last = Timestamp()
    count = fields.Integer()


class SeriesQuery(ListQuery):
    """Which series."""

    name = Text(128, metadata={"description": "what their names begin with"})
    metric_type = MetricType()


class LatestQuery(ListQuery):
    """Which series, by their points."""

    name = Text(128)
    label = LabelPairs(metadata={"description": "key:value, repeatable"})


class MetricsQuery(RangeQuery, LatestQuery):
    """Which points, and whether in buckets."""

    aggregation = Text(
        256,
        metadata={
            "description": f"comma list of {', '.join(FUNCTIONS)}. `mean` is an alias of avg. "
            "stddev is the sample's (n - 1), null for fewer than two values. Percentiles "
            "interpolate linearly between the closest ranks (numpy `linear`). Nulls are left out."
        },
    )
    interval = Text(
        16,
        metadata={
            "description": "auto, or a whole number with s, m, h, d or w. Buckets count from the "
            "Unix epoch; weeks begin on Monday (ISO 8601). Empty buckets are left out."
        },
    )
    max_points = QueryInteger(
        1, MAX_BUCKETS, metadata={"description": "the most buckets that auto makes; default 1000"}
    )
    timezone = Text(
        64,
        metadata={
            "description": "an IANA name, such as America/New_York; default: UTC. Buckets of whole "
            "hours, days and weeks begin by its clock, daylight saving included. Raw points "
            "take none."
        },
    )


class Accepted(Schema):
    """How many records were stored."""

    accepted = fields.Integer(required=True)
