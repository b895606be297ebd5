"""Exact sums, the joining of rollups, and how a range is cut."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from alphapulse_api.storage.metrics.rollups.fold import DAY, MINUTE, READINGS, WIDTHS, join, roll
from alphapulse_api.storage.metrics.rollups.source import segments
from alphapulse_api.storage.metrics.rollups.sums import Sum, add, mean, rounded

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, 5e-324, -5e-324, 1e-200, 1.0, 1e16, 1.7e308, -1.7e308]),
    st.floats(-1e6, 1e6, allow_nan=False),
)
lists = st.lists(numbers, min_size=1, max_size=30)


def exact(total: Sum) -> Fraction:
    """What the parts add up to."""
    rest = Fraction(int(total.rest or "0", 16), 2**1074)
    if math.isinf(total.high):
        return rest
    return Fraction(total.high) + Fraction(total.low) + rest


def nearest(number: Fraction) -> float | None:
    """The double, or None beyond doubles."""
    try:
        return float(number)
    except OverflowError:
        return None


@given(lists)
@example([1.7e308, 1.7e308, -1.7e308])
@example([1e300, 1.0, 1e-300])
@example([0.1, 0.1, 0.1])
@example([-5e-324, 0.0, 0.0])
@example([1.7976931348623157e308, 9.979201547673598e291])
def test_a_sum_loses_nothing_and_is_rounded_once(values: list[float]) -> None:
    total = add(values)
    wanted = sum(map(Fraction, values))
    assert exact(total) == wanted
    assert rounded(total.high) == nearest(wanted)
    average = mean(*total, len(values))
    assert average == float(wanted / len(values))
    assert average or math.copysign(1.0, average) == 1.0, "zero has no sign"


@given(lists, st.data())
def test_a_sum_has_one_form_however_it_was_added(values: list[float], data: st.DataObject) -> None:
    parts = [add([value]) for value in data.draw(st.permutations(values))]
    while len(parts) > 1:
        at = data.draw(st.integers(0, len(parts) - 2))
        one, two = parts[at : at + 2]
        rests = [part.rest for part in (one, two) if part.rest]
        parts[at : at + 2] = [add([one.high, one.low, two.high, two.low], rests)]
    assert parts[0] == add(values)


def test_zero_has_no_sign() -> None:
    assert math.copysign(1.0, add([-0.0]).high) == 1.0
    assert math.copysign(1.0, add([1.0, -1.0, -0.0]).high) == 1.0


@given(
    st.dictionaries(
        st.integers(-100, 100), st.one_of(st.none(), st.floats(-9, 9)), min_size=1, max_size=30
    ),
    st.data(),
)
def test_rollups_join_to_the_rollup_of_all_their_points(
    points: dict[int, float | None], data: st.DataObject
) -> None:
    in_order = sorted(points.items())
    groups: dict[int, list[tuple[int, float | None]]] = {}
    for point in in_order:
        groups.setdefault(data.draw(st.integers(0, 3)), []).append(point)
    parts = data.draw(st.permutations([roll(group) for group in groups.values()]))
    assert join(parts) == roll(in_order)


def test_nothing_but_nulls_has_no_figure_but_a_count() -> None:
    nothing = roll([(0, None), (1, None)])
    assert {name: reading.figure(nothing) for name, reading in READINGS.items()} == {
        **dict.fromkeys(READINGS),
        "count": 0,
    }


def test_each_width_divides_the_next_and_days_divide_weeks() -> None:
    assert all(
        wide % narrow == 0 for narrow, wide in zip(WIDTHS, (*WIDTHS[1:], 7 * DAY), strict=True)
    )


@given(st.integers(-3 * DAY, 3 * DAY), st.integers(1, 3 * DAY), st.integers(0, len(WIDTHS)))
@example(0, DAY, 3)
@example(-1, DAY + 2, 3)
def test_segments_are_the_range_in_whole_rollups_and_few(
    start: int, length: int, widths: int
) -> None:
    end = start + length
    cut = sorted(segments(start, end, WIDTHS[:widths]), key=lambda part: part.start)
    assert [part.start for part in cut] == [start, *(part.end for part in cut[:-1])]
    assert cut[-1].end == end
    for part in cut:
        assert part.width == 0 or part.start % part.width == part.end % part.width == 0
    assert len(cut) <= 2 * widths + 1
    # Points at both ends only, of less than a minute each, where there are rollups.
    if widths:
        assert all(part.end - part.start < 2 * MINUTE for part in cut if not part.width)
