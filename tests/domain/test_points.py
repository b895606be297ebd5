"""Points in columns are the points they were made of."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.points import Points

AT = datetime(2026, 1, 1, tzinfo=UTC)
POINTS = st.fixed_dictionaries(
    {
        "metric_type": st.sampled_from(["risk", "trade"]),
        "name": st.text(max_size=3),
        "timestamp": st.datetimes(timezones=st.just(UTC)),
        "value": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "labels": st.dictionaries(st.text(max_size=2), st.text(max_size=2), max_size=2),
    }
)


@given(st.lists(POINTS, max_size=4))
def test_points_come_out_as_they_went_in(given_points: list[dict[str, Any]]) -> None:
    points = Points.of(given_points)
    assert len(points) == len(given_points)
    assert list(points) == given_points
    assert points[1:] == given_points[1:]


def test_zero_has_no_sign_and_labels_are_each_their_own() -> None:
    point = {"metric_type": "a", "name": "b", "timestamp": AT, "value": -0.0, "labels": {"k": "v"}}
    points = Points.of([point])
    assert math.copysign(1, points.values[0] or 0.0) == 1
    points[0]["labels"]["k"] = "changed"
    assert points[0]["labels"] == {"k": "v"}


def test_a_series_is_known_by_its_labels_in_any_order() -> None:
    named = {"metric_type": "a", "name": "b", "timestamp": AT, "value": 1.0}
    points = Points.of(
        [{**named, "labels": {"a": "1", "b": "2"}}, {**named, "labels": {"b": "2", "a": "1"}}]
    )
    assert points.series[0].key == points.series[1].key


def test_a_time_without_a_zone_is_refused() -> None:
    naive = (AT + timedelta(seconds=1)).replace(tzinfo=None)
    with pytest.raises(ValueError, match="offset"):
        Points.of([{"metric_type": "a", "name": "b", "timestamp": naive, "value": 1, "labels": {}}])
