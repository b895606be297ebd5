"""Durations: what is one, and how long it is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.durations import LONGEST, duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("P5D", timedelta(days=5)),
        ("P2W", timedelta(weeks=2)),
        ("PT4H", timedelta(hours=4)),
        ("P1DT12H30M", timedelta(days=1, hours=12, minutes=30)),
        ("PT0.25S", timedelta(milliseconds=250)),
        ("P36525D", timedelta(days=36_525)),
    ],
)
def test_a_duration_has_a_fixed_length(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@given(st.timedeltas(timedelta(microseconds=1), LONGEST))
def test_a_length_is_written_as_it_is_read(length: timedelta) -> None:
    assert parse_duration(duration_text(length)) == length


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(days=5), "P5D"),
        (timedelta(hours=36), "P1DT12H"),
        (timedelta(minutes=1, milliseconds=250), "PT1M0.25S"),
        (timedelta(seconds=10), "PT10S"),
        (timedelta(0), "PT0S"),
        (-timedelta(hours=1), "-PT1H"),
    ],
)
def test_text_of_a_length(length: timedelta, text: str) -> None:
    assert duration_text(length) == text


@pytest.mark.parametrize("length", [timedelta.min, timedelta.max, -timedelta(1), timedelta(0)])
def test_a_length_that_is_no_duration_is_refused(length: timedelta) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(duration_text(length))


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P5", "5D", "P1DT", "p5d", "P-1D", "PT0S", "P36526D", "P999999999W"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["P1M", "P2Y", "P1Y3D", "P3D1M"])
def test_years_and_months_are_refused_because_their_lengths_vary(text: str) -> None:
    with pytest.raises(ValueError, match="vary in length"):
        parse_duration(text)
