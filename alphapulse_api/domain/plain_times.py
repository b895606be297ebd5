"""Times and lengths of time of hosts, of pandas and of numpy, as Python's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any


def instant(value: datetime) -> Any:
    """A datetime in UTC, or as it is without a zone; floored to the microsecond."""
    offset = value.utcoffset()
    # Not pandas' Timestamp, a subclass with nanoseconds, which are dropped.
    plain = datetime(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        None if offset is None else timezone(offset),
        fold=value.fold,
    )
    if offset is None:
        return plain
    try:
        return plain.astimezone(UTC)
    except OverflowError:
        return plain  # the schema reports the allowed years


def duration(value: timedelta) -> timedelta:
    """A length of time, floored to the microsecond."""
    # Not pandas' Timedelta, a subclass with nanoseconds, which are dropped.
    return timedelta(value.days, value.seconds, value.microseconds)


def of_datetime64(value: Any) -> Any:
    """The same of a `numpy.datetime64`, which is in UTC; None for NaT."""
    if str(value) == "NaT":
        return None
    plain = value.astype("datetime64[us]").item()
    # numpy returns an integer for a time that no datetime can hold.
    return plain.replace(tzinfo=UTC) if isinstance(plain, datetime) else value


def of_timedelta64(value: Any) -> Any:
    """The same of a `numpy.timedelta64`; None for NaT."""
    if str(value) == "NaT":
        return None
    if str(value.dtype).endswith(("Y]", "M]")):
        return value  # years and months have no fixed length
    length = value.astype("timedelta64[us]").item()
    # numpy returns an integer for a length that no timedelta can hold.
    return length if isinstance(length, timedelta) else value
