"""Instants: parsed from what clients send, carried as aware UTC datetimes, stored as microseconds.

Sources: RFC 3339 for text; the Unix epoch for numbers (12 or more digits are milliseconds).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST_MICROS = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
MILLISECONDS_FROM = 10**11  # 12 digits: as seconds that would be the year 5138
BEYOND_DIGITS = 18  # digits before the point that are past the year 9999 in either unit

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.(\d{1,18}))?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?", re.ASCII)
# A "+" that nobody encoded arrives from a query string as a space: "…00 00:00".
_UNENCODED_OFFSET = re.compile(r" (?=\d\d:\d\d$)")


def now() -> datetime:
    """The current instant, UTC, to the microsecond."""
    return datetime.now(UTC)


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
    """RFC 3339 with Z, microseconds only when they are not zero."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def rfc3339_micros(micros: int) -> str:
    """As `rfc3339` of `from_micros`, without the datetime in between."""
    minute, rest = divmod(micros, 60_000_000)
    second, fraction = divmod(rest, 1_000_000)
    if fraction:
        return f"{_minute(minute)}{second:02}.{fraction:06}Z"
    return f"{_minute(minute)}{second:02}Z"


@lru_cache(maxsize=4096)
def _minute(number: int) -> str:
    """The minutes since the epoch as RFC 3339 text, up to where the seconds begin."""
    return (EPOCH + timedelta(minutes=number)).isoformat()[:17]


def parse(value: str | int | float | Decimal) -> datetime:
    """An instant out of RFC 3339 text, epoch seconds or epoch milliseconds.

    Args:
        value: text as it stands in a query or a body, or a JSON number.

    Raises:
        ValueError: one sentence that says what is wrong with it.
    """
    if isinstance(value, str):
        if _NUMBER.fullmatch(value):
            return _from_epoch(Decimal(value))
        return _from_text(value)
    return _from_epoch(Decimal(str(value)))


def _from_text(text: str) -> datetime:
    match = _RFC3339.fullmatch(text) or _RFC3339.fullmatch(_UNENCODED_OFFSET.sub("+", text))
    if match is None:
        raise ValueError(
            "not an RFC 3339 time such as 2026-01-31T12:00:00Z, nor epoch (milli)seconds"
        )
    if match[2] is None:
        raise ValueError("the time has no offset: add Z, or an offset such as +02:00")
    try:
        return datetime.fromisoformat(match[0].upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("there is no such time") from None


def _from_epoch(number: Decimal) -> datetime:
    outside = ValueError("the time is outside the years 1 to 9999")
    # Looked at before any arithmetic: 1e999999 as an integer takes minutes to write out.
    if not number.is_finite() or number.adjusted() >= BEYOND_DIGITS:
        raise outside
    milliseconds = number.copy_abs() >= MILLISECONDS_FROM
    # A context of our own: the host may have made its precision coarse.
    micros = Context(prec=60).multiply(number, 1_000 if milliseconds else 1_000_000)
    try:
        return from_micros(int(micros))
    except OverflowError:
        raise outside from None
