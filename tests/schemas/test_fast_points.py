"""The quick check of points beside the schema: the same results, the same errors."""

from __future__ import annotations

import json
import math
from collections import UserDict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain import times
from alphapulse_api.domain.encoding import loads
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.plain import plain
from alphapulse_api.schemas.fast_points import load_points
from alphapulse_api.schemas.loading import load
from alphapulse_api.schemas.metrics import MetricPointRequest

SCHEMA = MetricPointRequest(many=True)
AT = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 2, 1, 0, 0, 0, 1, tzinfo=UTC)


class _Text(str):
    """A string of a class of its own, as numpy's are."""


TEXTS: list[Any] = [
    "risk", "a", "a_1", "Risk", "1a", "", "a\n", "a" * 64, "a" * 65, "a" * 128, "a" * 129, "\x00",
    "\ud800", "ü" * 128, "ü" * 129, _Text("risk"), "v a r",
    None, 1, b"a",
]  # fmt: skip
EPOCHS = [
    sign * (10**digits + off) for digits in range(9, 22) for off in (-1, 0, 1) for sign in (1, -1)
] + [1767225600123456789 // 10**cut for cut in range(19)]
TIMES: list[Any] = [
    "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00.123456789123Z",
    "2026-01-01t00:00:00z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00+02:00",
    "2026-01-01T00:00:00 02:00", "2026-01-01T00:00:00", "2026-01-01T00:00:00-00:00",
    "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-W01-1T00:00:00Z",
    "20260101T000000Z", "2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00Z\n", "٢026-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.999999Z", "",
    "1767225600", "1767225600.25", "1767225600000", "-1", "1e9", "nan",
    "2026-02-01T00:05:00.000001Z", "2026-02-01T00:05:00.000002Z", "2025-12-31T23:59:60.5Z",
    "2026-01-01T00:00:00+0200", "2026-01-01T00:00:00 0200", "2026-01-01T00:00:00+0260",
    "1767225600123456789", "1.7672256e9", Decimal("1767225600123456789.9"), Decimal("-0"),
    1767225600123456.7, *EPOCHS,
    0, -1, 10**11, 10**11 - 1, -(10**11), 1767225600, 1767225600000, 10**17, 10**18, 10**400,
    1767225600.25, 1767225600123.5, 1e308, math.nan, math.inf, -0.0, True, None, [], {},
    Decimal("1767225600.123456789"), Decimal("NaN"), Decimal("1e99"),
    AT, AT.replace(tzinfo=None), AT.replace(fold=1), AT.astimezone(timezone(timedelta(hours=2))),
    datetime.min.replace(tzinfo=timezone(timedelta(hours=2))), AT.date(),
    _Text("2026-01-01T00:00:00Z"),
]  # fmt: skip
FIGURES: list[Any] = [
    0, -0.0, 1.5, math.nan, math.inf, -math.inf, Decimal("0.10"),
    None, True, False, "1", 10**400, -(10**400), 2**1023 * 2, Decimal("NaN"), Decimal("1e9999"),
    Decimal("-Infinity"), [], {}, b"1",
]  # fmt: skip
LABELS: list[Any] = [
    *({text: text} for text in TEXTS), *({"k": text, "a": "b"} for text in TEXTS), None, {}, [],
    "a", {1: "a"}, {"a": 1}, {"a": None}, {"k" * 128: "v" * 256}, {"k" * 129: "v"},
    {"k": "v" * 257}, {f"k{n}": "" for n in range(16)}, {f"k{n}": "" for n in range(17)},
    {"b": "1", "a": "2"}, UserDict({"b": "1", "a": "2"}),
]  # fmt: skip
VALUES = {
    "metric_type": TEXTS, "name": TEXTS, "timestamp": TIMES, "value": FIGURES, "labels": LABELS,
}  # fmt: skip
USUAL: dict[str, Any] = {"metric_type": "risk", "name": "var", "value": 1.5}
STRANGERS: list[Any] = [None, 7, "risk", [], [1], {}, UserDict(USUAL), {**USUAL, 1: 1}]
SEVERAL = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}
)
POINTS = (
    SEVERAL.map(lambda said: {**USUAL, **said})
    | SEVERAL
    | SEVERAL.map(lambda said: {**USUAL, **said, "a/b~c": 1, "avg": 1})
    | st.sampled_from(STRANGERS)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=3,
)


@pytest.fixture(scope="module", autouse=True)
def _clock() -> Iterator[None]:
    """The time is `NOW`, which some errors contain."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(times, "now", lambda: NOW)
        yield


def _outcome(check: Any, points: list[Any]) -> Any:
    try:
        return [{name: (value, type(value)) for name, value in p.items()} for p in check(points)]
    except ValidationProblem as problem:
        return problem.errors, problem.detail


def _quickly(points: list[Any]) -> Any:
    return load_points(points, NOW)


def _by_schema(points: list[Any]) -> Any:
    return [{"timestamp": NOW, **point} for point in load(SCHEMA, plain(points))]


@pytest.mark.parametrize("field", VALUES)
def test_any_one_value_fares_as_by_the_schema(field: str) -> None:
    for value in VALUES[field]:
        points = [{**USUAL, field: value}]
        assert _outcome(_quickly, points) == _outcome(_by_schema, points), value


@given(st.lists(POINTS, max_size=4))
def test_any_points_fare_as_by_the_schema(points: list[Any]) -> None:
    """The same fields, of the same types; or the same errors."""
    before = repr(points)
    assert _outcome(_quickly, points) == _outcome(_by_schema, points)
    assert repr(points) == before


@given(st.sampled_from(sorted(VALUES)), JSON)
def test_any_json_fares_as_by_the_schema(field: str, value: Any) -> None:
    points = loads(json.dumps([{**USUAL, field: value}]).encode())
    assert _outcome(_quickly, points) == _outcome(_by_schema, points)


def test_errors_name_the_place_among_many() -> None:
    points: list[Any] = [{"metric_type": "risk", "name": "var", "value": n} for n in range(5)]
    points[3] = {**points[3], "value": "x", "extra": 1}
    points[4] = 7
    with pytest.raises(ValidationProblem) as caught:
        _quickly(points)
    assert [e["pointer"] for e in caught.value.errors] == ["/3/value", "/3/extra", "/4"]
