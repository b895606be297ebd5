"""The functions of a window against a simple oracle: computed anew from all points."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.rules import windows
from alphapulse_api.rules.windows import WindowFull, values_of

WINDOW = 10
Point = tuple[int, float]


def _exact_mean(values: Sequence[float]) -> float | None:
    try:
        return math.fsum(values) / len(values) if values else None
    except OverflowError:
        return None


def _sum(values: Sequence[float]) -> float | None:
    try:
        return float(sum(map(Fraction, values)))
    except OverflowError:
        return None


def _deviation(values: Sequence[float]) -> float | None:
    try:
        return statistics.stdev(values) if len(values) > 1 else None
    except OverflowError:
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _change(points: Sequence[Point]) -> float | None:
    return _finite(points[-1][1] - points[0][1]) if points else None


def _percent(points: Sequence[Point]) -> float | None:
    change = _change(points)
    if change is None or not points[0][1]:
        return None
    return _finite(change / abs(points[0][1]) * 100)


def _rate(points: Sequence[Point]) -> float | None:
    change = _change(points)
    if change is None or points[0][0] == points[-1][0]:
        return None
    return _finite(change * 1_000_000 / (points[-1][0] - points[0][0]))


def _of(function: Callable[[Sequence[float]], float | None]) -> Callable[..., float | None]:
    return lambda points: function([value for _, value in points])


ORACLE: dict[str, Callable[[Sequence[Point]], float | None]] = {
    "sum": _of(_sum),
    "count": _of(lambda values: float(len(values))),
    "min": _of(lambda values: min(values, default=None)),
    "max": _of(lambda values: max(values, default=None)),
    "stddev": _of(_deviation),
    "change": _change,
    "change_percent": _percent,
    "rate": _rate,
}
ordinary = st.floats(-1e6, 1e6) | st.sampled_from([0.1, 0.2, 0.3, 1e16, -1e16])
any_finite = st.floats(allow_nan=False, allow_infinity=False)
# The seconds that pass, how much earlier than now the point is, its series and its value.
steps = st.lists(
    st.tuples(
        st.integers(0, 4), st.integers(0, 12), st.integers(0, 2), st.none() | ordinary | any_finite
    ),
    max_size=40,
)


@pytest.mark.parametrize("function", ORACLE)
@given(steps)
def test_every_function_is_that_of_the_points_in_the_window(
    function: str, given_steps: list[tuple[int, int, int, float | None]]
) -> None:
    kept = values_of(function)
    known: dict[tuple[int, int], float] = {}
    now = 1_000
    for passed, earlier, number, value in given_steps:
        now += passed
        at = now - earlier
        kept.put(at, number, value)
        if value is None:
            known.pop((at, number), None)
        else:
            known[at, number] = value
        kept.leave(now - WINDOW)
        known = {key: one for key, one in known.items() if key[0] > now - WINDOW}
        expected = ORACLE[function]([(key[0], known[key]) for key in sorted(known)])
        assert kept.value == expected
        assert len(kept) == len(known)
        assert kept.oldest == min((key[0] for key in known), default=None)


@given(st.lists(ordinary, max_size=30))
def test_the_mean_is_exact_and_nothing_has_none(values: list[float]) -> None:
    kept = values_of("avg")
    for at, value in enumerate(values):
        kept.put(at, 0, value)
    assert kept.value == _exact_mean(values)
    kept.leave(len(values))
    assert kept.value is None


def test_the_mean_of_small_values_is_exact_after_huge_ones_have_left() -> None:
    kept = values_of("avg")
    for at, value in enumerate([1.7e308, 1.7e308, 0.25, 0.75]):
        kept.put(at, 0, value)
    assert kept.value is None  # no double is so large
    kept.leave(1)
    assert kept.value == 0.5


def test_the_last_value_never_leaves_and_a_late_one_does_not_replace_it() -> None:
    kept = values_of("last")
    kept.put(10, 0, 1.0)
    kept.put(9, 0, 2.0)
    kept.put(11, 0, None)
    kept.leave(100)
    assert kept.value == 1.0
    kept.put(10, 0, 3.0)
    assert kept.value == 3.0


def test_a_window_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MAX_WINDOW_POINTS", 3)
    kept = values_of("sum")
    for at in range(3):
        kept.put(at, 0, 1.0)
    kept.put(2, 0, 5.0)
    with pytest.raises(WindowFull, match="more than 3 points"):
        kept.put(3, 0, 1.0)
    kept.leave(0)
    kept.put(3, 0, 1.0)
    assert kept.value == 7.0
