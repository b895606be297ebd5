"""Instants: parsed from what clients send, carried as aware UTC datetimes, stored as microseconds.

Sources: RFC 3339 for text; the Unix epoch for numbers, whose digits imply their unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import ROUND_FLOOR, Context, Decimal, InvalidOperation
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CLOCK_AHEAD = 300.0  # seconds a sender's clock may be ahead of ours (config max_clock_ahead)
MICROSECOND = timedelta(microseconds=1)
FIRST_MICROS = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
# The smallest numbers that are in these units; smaller ones still are in seconds. As seconds, 12
# digits would be the year 5138.
MILLISECONDS_FROM = 10**11
MICROSECONDS_FROM = 10**14
NANOSECONDS_FROM = 10**17
BEYOND_DIGITS = 21  # digits before the point that are past the year 9999 in every unit

_NO_TIME = (
    "not an RFC 3339 time such as 2026-01-31T12:00:00Z, nor a number of seconds, milliseconds, "
    "microseconds or nanoseconds since 1970"
)
_OUTSIDE = "the time is outside the years 1 to 9999"
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(\.\d{1,40})?"
    r"([Zz]|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?",
    re.ASCII,
)
_NUMBER = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
# An unencoded "+" arrives from a query string as a space: "…00 00:00".
_UNENCODED_OFFSET = re.compile(r" (?=\d\d:?\d\d$)")
# Exact for all accepted digits, independent of the host's decimal context.
_EXACT = Context(prec=120, rounding=ROUND_FLOOR)


def now() -> datetime:
    """The current instant in UTC, to the microsecond."""
    return datetime.now(UTC)


_call_time: ContextVar[datetime | None] = ContextVar("call_time", default=None)


def call_time() -> datetime:
    """When the call in progress was made: the time of a record that has none."""
    return _call_time.get() or now()


@contextmanager
def called_at(at: datetime) -> Iterator[None]:
    """Set the `call_time` of calls that were made in another process."""
    token = _call_time.set(at)
    try:
        yield
    finally:
        _call_time.reset(token)


def to_micros(instant: datetime) -> int:
    """Microseconds since the Unix epoch, exact.

    Raises:
        ValueError: if the datetime is naive.
    """
    if instant.tzinfo is None:
        raise ValueError("a time needs an offset or Z")
    return (instant - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The inverse of `to_micros`."""
    return EPOCH + timedelta(0, 0, micros)


def rfc3339(instant: datetime) -> str:
    """RFC 3339 with Z and six digits of fraction, so that the texts sort as the instants do."""
    return f"{instant.astimezone(UTC).isoformat(timespec='microseconds')[:-6]}Z"


def rfc3339_micros(micros: int) -> str:
    """As `rfc3339` of `from_micros`, without the datetime in between."""
    minute, rest = divmod(micros, 60_000_000)
    second, fraction = divmod(rest, 1_000_000)
    return f"{_minute(minute)}{second:02}.{fraction:06}Z"


@lru_cache(maxsize=4096)
def _minute(number: int) -> str:
    """The minutes since the epoch as RFC 3339 text, up to where the seconds begin."""
    return (EPOCH + timedelta(minutes=number)).isoformat()[:17]


def zone_of(name: str) -> tzinfo | None:
    """The time zone of an IANA name, if there is one."""
    return ZoneInfo(name) if name in _zone_names() else None


def day_of(micros: int, zone: tzinfo) -> date:
    """The day of an instant in a time zone."""
    at = from_micros(micros)
    try:
        return at.astimezone(zone).date()
    except OverflowError:  # outside the years 1 to 9999 there
        return at.date()


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


def localised(value: date, zone: tzinfo | None) -> datetime:
    """A host's date or datetime as an instant, floored to the microsecond.

    Args:
        value: a datetime, or a date, which means its midnight.
        zone: the zone of a date (None is UTC), or of a datetime that has none.

    Raises:
        ValueError: one sentence, if the datetime has no zone and none is given, or if the time is
            outside the years 1 to 9999.
    """
    if not isinstance(value, datetime):
        value = datetime.combine(value, time(), zone or UTC)
    elif value.utcoffset() is None:
        if zone is None:
            raise ValueError(
                "the datetime has no time zone: add one, as datetime.now(UTC) has it, or set "
                "`timezone` in the configuration"
            )
        value = value.replace(tzinfo=zone)
    try:
        # Through microseconds, because pandas' times have nanoseconds, which no store keeps.
        return from_micros(to_micros(value))
    except OverflowError:
        raise ValueError(_OUTSIDE) from None


def parse(value: str | int | float | Decimal) -> datetime:
    """An instant from RFC 3339 text, or from a number since the Unix epoch.

    A number is in seconds; in milliseconds with 12 to 14 digits before the point, in microseconds
    with 15 to 17, in nanoseconds with 18 or more. Times are floored to the microsecond. A leap
    second (`:60`) is the second that follows it.

    Args:
        value: text of a query or a body, or a JSON number; "1e9" is 1e9.

    Raises:
        ValueError: one sentence that says what is wrong with it.
    """
    if isinstance(value, str):
        if _NUMBER.fullmatch(value):
            return _from_epoch(Decimal(value))
        return _from_text(value)
    if isinstance(value, Decimal):
        return _from_epoch(value)
    if isinstance(value, int) and abs(value) >= 10**BEYOND_DIGITS:
        raise ValueError(_OUTSIDE)  # it may have too many digits for Python to write out
    try:
        # The shortest text of a float is the number that its author wrote.
        return _from_epoch(Decimal(str(value)))
    except InvalidOperation:
        raise ValueError(_NO_TIME) from None


def _from_text(text: str) -> datetime:
    match = _RFC3339.fullmatch(text) or _RFC3339.fullmatch(_UNENCODED_OFFSET.sub("+", text))
    if match is None:
        raise ValueError(_NO_TIME)
    day, minute, second, fraction, offset = match.groups()
    if offset is None:
        raise ValueError("the time has no offset: add Z, or an offset such as +02:00")
    leap = second == "60"
    text = f"{day}T{minute}:{'59' if leap else second}{fraction or ''}{offset.upper()}"
    try:
        instant = datetime.fromisoformat(text).astimezone(UTC)
        return instant + timedelta(seconds=1) if leap else instant
    except (ValueError, OverflowError):
        raise ValueError("there is no such time") from None


def _from_epoch(number: Decimal) -> datetime:
    if not number:
        return EPOCH
    # Checked before any arithmetic: converting 1e999999 to an integer takes minutes.
    if not number.is_finite() or number.adjusted() >= BEYOND_DIGITS:
        raise ValueError(_OUTSIDE)
    micros = _EXACT.multiply(number, _micros_of(int(number)))
    try:
        return from_micros(int(micros.to_integral_value(ROUND_FLOOR, _EXACT)))
    except OverflowError:
        raise ValueError(_OUTSIDE) from None


def _micros_of(number: int) -> Decimal:
    """How many microseconds one unit of such a number has."""
    digits = abs(number)
    if digits < MILLISECONDS_FROM:
        return Decimal(1_000_000)
    if digits < MICROSECONDS_FROM:
        return Decimal(1_000)
    return Decimal(1) if digits < NANOSECONDS_FROM else Decimal("0.001")


def micros_from_epoch(number: int) -> int:
    """Like `to_micros(parse(number))`, but faster, and without a check of the range."""
    if -MILLISECONDS_FROM < number < MILLISECONDS_FROM:
        return number * 1_000_000
    if -MICROSECONDS_FROM < number < MICROSECONDS_FROM:
        return number * 1_000
    return number if -NANOSECONDS_FROM < number < NANOSECONDS_FROM else number // 1_000
