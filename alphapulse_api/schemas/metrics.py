"""Metric points, series, and the questions about them."""

from __future__ import annotations

from typing import ClassVar, Final

from marshmallow import Schema, fields

from alphapulse_api.domain.aggregation import FUNCTIONS, INTERVAL, MAX_BUCKETS
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import (
    Choice,
    EventTime,
    Figure,
    Labels,
    MetricType,
    Text,
    Timestamp,
)
from alphapulse_api.schemas.queries import (
    BookList,
    CommaText,
    ExportQuery,
    LabelPairs,
    LongListQuery,
    QueryInteger,
    RangeQuery,
)

# Marks the fields that only an answer with several aggregations has.
ONLY_AGGREGATED: Final = {"only_aggregated": True}


class MetricPointRequest(Schema):
    """One value of one series at one instant."""

    metric_type = MetricType(
        required=True,
        metadata={"description": "performance, risk, trade, agent and system are usual"},
    )
    name = Text(128, required=True)
    timestamp = EventTime(metadata={"description": "default: now"})
    value = Figure(required=True, metadata={"description": "NaN and infinities are stored as null"})
    labels = Labels(load_default=dict)


class MetricPoint(Answer):
    """One value of one series at one instant."""

    metric_type = MetricType()
    name = Text(128)
    timestamp = Timestamp()
    value = Figure(metadata={"description": "null: the value was NaN or infinite"})
    labels = Labels()


class AggregatedPoint(MetricPoint):
    """A metric point, or a bucket: one aggregation is in `value`, several are in their names."""

    optional: ClassVar = frozenset({"value", *FUNCTIONS})

    timestamp = Timestamp(metadata={"description": "of a bucket: its start"})
    value = Figure(metadata={"description": "not there where there are several aggregations"})
    avg = Figure(metadata=ONLY_AGGREGATED)
    min = Figure(metadata=ONLY_AGGREGATED)
    max = Figure(metadata=ONLY_AGGREGATED)
    sum = Figure(metadata=ONLY_AGGREGATED)
    count = fields.Integer(metadata=ONLY_AGGREGATED)
    first = Figure(metadata=ONLY_AGGREGATED)
    last = Figure(metadata=ONLY_AGGREGATED)
    stddev = Figure(metadata=ONLY_AGGREGATED)
    p50 = Figure(metadata=ONLY_AGGREGATED)
    p95 = Figure(metadata=ONLY_AGGREGATED)
    p99 = Figure(metadata=ONLY_AGGREGATED)


class SeriesSummary(Answer):
    """A series, and the range and number of its stored points."""

    metric_type = fields.String()
    name = fields.String()
    labels = Labels()
    first = Timestamp()
    last = Timestamp()
    count = fields.Integer()


class LabelledBooksQuery(Schema):
    """In which books, by the label `book`."""

    book = BookList(
        metadata={
            "description": "those with the label `book`: repeated, or one comma list. Default: *, "
            "every series that the caller may read"
        }
    )


class SeriesQuery(LabelledBooksQuery, LongListQuery):
    """Which series."""

    name = Text(128, metadata={"description": "what their names begin with"})
    metric_type = MetricType()


class AggregationFunction(Choice):
    """A figure of a bucket."""

    words = FUNCTIONS


class SeriesFilters(LabelledBooksQuery):
    """Which series, by their points."""

    name = Text(128)
    label = LabelPairs(metadata={"description": "key:value, repeatable"})


class LatestQuery(SeriesFilters, LongListQuery):
    """Which series, and which page of them."""


class PointFilters(RangeQuery, SeriesFilters):
    """Which points, and whether in buckets."""

    aggregation = CommaText(
        256,
        AggregationFunction,
        metadata={
            "description": "repeated, or one comma list. `mean` is an alias of avg. stddev is the "
            "sample's (n - 1), null for fewer than two values. Percentiles interpolate linearly "
            "between the closest ranks (numpy `linear`). Nulls are left out."
        },
    )
    interval = Text(
        16,
        metadata={
            "description": "auto, or a whole number with s, m, h, d or w. Buckets count from the "
            "Unix epoch; weeks begin on Monday (ISO 8601). Empty buckets are left out.",
            "pattern": INTERVAL,
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


class MetricsQuery(PointFilters, LongListQuery):
    """Which points or buckets, and which page of them."""


class MetricsExport(PointFilters, ExportQuery):
    """Which points or buckets, as a file."""


class Accepted(Answer):
    """How many records were stored."""

    accepted = fields.Integer()
