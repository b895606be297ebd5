"""Durations: what is one, and how long it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alphapulse_api.domain.durations import parse_duration


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
