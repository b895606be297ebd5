"""Checks metric points without the schema, because they arrive in tens of thousands.

`MetricPointRequest` defines what a point is. A point of the usual shape is checked here, some ten
times faster, and its series only once for all points of the series. Anything unusual or invalid is
left to the schema. So results and errors are the schema's own (a property test compares them).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from marshmallow import ValidationError

from alphapulse_api.domain import times
from alphapulse_api.domain.points import Points, SeriesName
from alphapulse_api.runtime.slices import Steps, finish
from alphapulse_api.schemas.fields import MAX_LABELS, METRIC_TYPE, UTC_TEXT, clean, set_clock
from alphapulse_api.schemas.loading import Faults, Refusal, load, load_record
from alphapulse_api.schemas.metrics import MetricPointRequest

SERIES_REMEMBERED: Final = 10_000  # some 5 MB; if all had the longest labels, 80 MB
TIMES_REMEMBERED: Final = 1_000
STEP_POINTS: Final = 50  # some 0.2 ms
_NO_LABELS: Final[dict[str, str]] = {}
_NO_TIME: Final = object()
_METRIC_TYPE: Final = re.compile(METRIC_TYPE)


class _Unusual(Exception):
    """The point does not have the usual shape; it may be valid or not."""


def load_points(
    points: Sequence[Any],
    at: datetime,
    ahead: float = times.CLOCK_AHEAD,
    zone: tzinfo | None = None,
) -> Points:
    """The result of `load(MetricPointRequest(many=True), points)`, in columns.

    Args:
        points: as they were sent.
        at: the present time, which points without a time get.
        ahead: seconds by which a time may be ahead of it.
        zone: the time zone of datetimes that have none; None refuses them.

    Raises:
        ValidationProblem: naming the fields that are wrong, by JSON pointer.
    """
    return finish(loading_points(points, at, ahead, None, zone))


def loading_points(
    points: Sequence[Any],
    at: datetime,
    ahead: float = times.CLOCK_AHEAD,
    refused: dict[int, Refusal] | None = None,
    zone: tzinfo | None = None,
) -> Steps[Points]:
    """The same in steps.

    Args:
        points: see above.
        at: see above.
        ahead: see above.
        refused: filled with the refusals of single points, by position; those points are left out.
            Without it, one invalid point refuses all.
        zone: see above.
    """
    loaded = Points()
    now = times.to_micros(at)
    latest = now + round(ahead * 1_000_000)
    faults = Faults()
    add_series = loaded.series.append
    add_instant = loaded.instants.append
    add_value = loaded.values.append
    for index, point in enumerate(points):
        if index % STEP_POINTS == 0:
            yield
        try:
            series, instant, value = _usual(point, now, latest)
        except (_Unusual, ValidationError, ArithmeticError, ValueError, TypeError):
            if refused is None:
                record = yield from load_record(_schema(ahead, zone), point, f"/{index}", faults)
            else:
                own = Faults()
                record = yield from load_record(_schema(ahead, zone), point, "", own)
                if own.count:
                    refused[index] = Refusal.of(own.problem())
            if record is not None:
                loaded.add({"timestamp": at, **record})
            yield
        else:
            add_series(series)
            add_instant(instant)
            add_value(value)
    if faults.count:
        raise faults.problem()
    return loaded


def series_of(metric_type: str, name: str, labels: dict[str, str]) -> SeriesName:
    """The series with that type, name and labels.

    Raises:
        ValidationProblem: naming what is wrong, by JSON pointer into a point.
    """
    try:
        return _series(metric_type, name, *labels.items())
    except (_Unusual, ValidationError):
        point = {"metric_type": metric_type, "name": name, "labels": labels, "value": None}
        loaded = load(_schema(times.CLOCK_AHEAD, None), point)
        return SeriesName(loaded["metric_type"], loaded["name"], loaded["labels"])


@lru_cache(maxsize=16)
def _schema(ahead: float, zone: tzinfo | None) -> MetricPointRequest:
    schema = MetricPointRequest()
    set_clock(schema, ahead, zone)
    return schema


def _usual(point: Any, now: int, latest: int) -> tuple[SeriesName, int, float | None]:
    """The point's series, instant and value, if it is of the usual shape and valid.

    Raises:
        _Unusual, ValidationError, ArithmeticError, ValueError, TypeError: if it is not, or may not
            be.
    """
    if type(point) is not dict:
        raise _Unusual
    try:
        metric_type, name, value = point["metric_type"], point["name"], point["value"]
    except KeyError:
        raise _Unusual from None
    known = 3
    if (labels := point.get("labels", _NO_LABELS)) is not _NO_LABELS:
        known += 1
    if (time := point.get("timestamp", _NO_TIME)) is not _NO_TIME:
        known += 1
    # The types are checked before the lookup, where a str subclass would equal remembered text.
    if (
        len(point) != known
        or type(metric_type) is not str
        or type(name) is not str
        or type(labels) is not dict
    ):
        raise _Unusual
    instant = now if time is _NO_TIME else _micros(time)
    if instant > latest:
        raise _Unusual
    return _series(metric_type, name, *labels.items()), instant, _figure(value)


@lru_cache(maxsize=SERIES_REMEMBERED)
def _series(metric_type: str, name: str, *labels: tuple[Any, Any]) -> SeriesName:
    """The series, which most points share with others.

    Only what is valid is remembered.
    """
    if not _METRIC_TYPE.fullmatch(metric_type) or not 1 <= len(name) <= 128:
        raise _Unusual
    if len(labels) > MAX_LABELS:
        raise _Unusual
    for key, text in labels:
        if type(key) is not str or type(text) is not str:
            raise _Unusual
        if not 1 <= len(key) <= 128 or len(text) > 256:
            raise _Unusual
        _text(key)
        _text(text)
    return SeriesName(metric_type, _text(name), dict(sorted(labels)))


def _micros(value: Any) -> int:
    kind = type(value)
    if kind is str:
        return _micros_of_text(value)
    # Which of two equal hours it is (fold) says nothing in UTC, and the schema does not keep it.
    if kind is datetime and value.tzinfo is UTC and not value.fold:
        return times.to_micros(value)
    if kind is int:
        micros = times.micros_from_epoch(value)
        times.from_micros(micros)  # raises outside the years 1 to 9999
        return micros
    if kind is float or kind is Decimal:
        return times.to_micros(times.parse(value))
    raise _Unusual


@lru_cache(maxsize=TIMES_REMEMBERED)
def _micros_of_text(text: str) -> int:
    """An instant given as text; many series share one."""
    instant = datetime.fromisoformat(text) if UTC_TEXT.fullmatch(text) else times.parse(text)
    return times.to_micros(instant)


def _figure(value: Any) -> float | None:
    if value is None:
        return None
    kind = type(value)
    if kind is not float and kind is not Decimal and kind is not int:
        raise _Unusual
    number = float(value)
    if math.isfinite(number):
        return number + 0.0  # -0.0 becomes 0.0
    if kind is not float:
        raise _Unusual  # perhaps 1e400, which is not an infinity
    return None


def _text(text: str) -> str:
    # Most text is ASCII, which cannot contain half a surrogate pair.
    return text if text.isascii() and "\x00" not in text else clean(text)
