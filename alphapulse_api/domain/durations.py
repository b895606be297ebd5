"""Durations in the form of ISO 8601, such as P5D and PT4H, of fixed lengths only."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

LONGEST: Final = timedelta(days=36_525)  # a hundred years

_NUMBER: Final = r"\d{1,9}"
_DURATION: Final = re.compile(
    rf"P(?:(?P<weeks>{_NUMBER})W)?(?:(?P<days>{_NUMBER})D)?"
    rf"(?:T(?=\d)(?:(?P<hours>{_NUMBER})H)?(?:(?P<minutes>{_NUMBER})M)?"
    rf"(?:(?P<seconds>{_NUMBER}(?:\.\d{{1,6}})?)S)?)?",
    re.ASCII,
)
_CALENDAR: Final = re.compile(r"P[^T]*\d[YM]", re.ASCII)


def duration_text(length: timedelta) -> str:
    """A length as a duration, such as P1DT4H; one below 0 begins with a minus sign, and is none."""
    if length < timedelta(0):
        return f"-{duration_text(-length)}" if length != timedelta.min else "-P999999999D"
    hours, rest = divmod(length.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    exact = f"{seconds}.{length.microseconds:06}".rstrip("0").rstrip(".")
    days = f"{length.days}D" if length.days else ""
    parts = ((str(hours), "H"), (str(minutes), "M"), (exact, "S"))
    clock = "".join(f"{number}{unit}" for number, unit in parts if number != "0")
    if not days and not clock:
        clock = "0S"
    return f"P{days}T{clock}" if clock else f"P{days}"


def parse_duration(text: str) -> timedelta:
    """The length of a duration.

    Raises:
        ValueError: saying what is wrong with the text; for years and months, whose lengths vary.
    """
    if _CALENDAR.match(text):
        raise ValueError("years and months vary in length: give weeks or days, such as P30D")
    found = _DURATION.fullmatch(text)
    if found is None or text == "P":
        raise ValueError("not an ISO 8601 duration such as P5D, PT4H or P1DT12H")
    given = {name: float(value) for name, value in found.groupdict().items() if value}
    try:
        length = timedelta(**given)
    except OverflowError:
        length = timedelta.max
    if not timedelta(0) < length <= LONGEST:
        raise ValueError(f"a duration is more than 0 and at most {LONGEST.days} days")
    return length
