"""The contract's value types as marshmallow fields: exact decimals, instants, clean text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from numbers import Integral, Real
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate

from alphapulse_api.domain import times
from alphapulse_api.domain.encoding import dumps, loads_stored
from alphapulse_api.domain.integers import MAX_DIGITS as MAX_DIGITS_OF_INTEGER
from alphapulse_api.domain.integers import is_writable

MAX_DIGITS: Final = 38  # on either side of the point; more than any exchange quotes
MAX_NUMBER_TEXT: Final = 3 * MAX_DIGITS  # with sign, point, exponent, and zeros in front
SMALL: Final = 10**18  # integers that every writer of JSON can write
MAX_METADATA_BYTES: Final = 65_536
RESERVED_IDS: Final = frozenset({"batch", "export", "import", "latest"})
MAX_LABELS: Final = 16
MAX_FIGURES: Final = 256  # entries of a {name: number} object
METRIC_TYPE: Final = r"[a-z][a-z0-9_]{0,63}"

# What a client can put into a URL path as it stands, and a person can read in a log. aiohttp's
# routes take no braces; "." and ".." alone are steps of a path, which clients and proxies take out.
_IDENTIFIER = re.compile(r"(?!\.{1,2}\Z)[^\s/?#%{}\\\x00-\x1f\x7f]{1,128}")


def is_number(value: object) -> bool:
    """True for what JSON calls a number (a bool is none)."""
    return isinstance(value, (Real, Decimal)) and not isinstance(value, bool)


def to_float(value: Any) -> float | None:
    """A double, or None for NaN and the infinities.

    Raises:
        ValidationError: if it is not a number, or one that no double can hold.
    """
    if not is_number(value):
        raise ValidationError("Not a number.")
    try:
        number = float(value)
    except (OverflowError, ValueError):  # ValueError: a signalling NaN
        number = math.inf
    if math.isfinite(number):
        return number + 0.0  # no -0.0: not every store keeps it
    # An infinity says that nothing is known; 1e400 is a number that would be lost.
    if isinstance(value, Integral) or (isinstance(value, Decimal) and value.is_finite()):
        raise ValidationError(
            "The number is too large: at most 1.7976931348623157e308, on either side of 0."
        )
    return None


def clean(text: str) -> str:
    """Text that every store and every reader can hold.

    Raises:
        ValidationError: if it holds a NUL or half a surrogate pair.
    """
    if "\x00" in text:
        raise ValidationError("The text holds a NUL character.")
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValidationError("The text is not valid Unicode.") from None
    return text


class Text(fields.String):
    """A string of `shortest` to `longest` characters."""

    def __init__(self, longest: int, shortest: int = 1, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(shortest, longest), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return clean(super()._deserialize(value, attr, data, **kwargs))


class Identifier(fields.String):
    """An id: 1 to 128 characters that stand in a URL path as they are, and no step of the API's."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = clean(super()._deserialize(value, attr, data, **kwargs))
        if not _IDENTIFIER.fullmatch(text):
            raise ValidationError("1 to 128 characters, without white space and / ? # % { } \\.")
        if text in RESERVED_IDS:
            raise ValidationError(f"{text!r} is not allowed as an id: it names a path of the API.")
        return text


class Choice(fields.String):
    """One word of a closed list."""

    def __init__(self, *words: str, **kwargs: Any) -> None:
        super().__init__(validate=validate.OneOf(words), **kwargs)


class Timestamp(fields.Field[datetime]):
    """An instant: RFC 3339 or the Unix epoch in; an aware UTC datetime inside."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValidationError("The time is naive: give it a zone.")
            try:
                # By way of microseconds: pandas' times carry nanoseconds, which no store keeps.
                return times.from_micros(times.to_micros(value))
            except OverflowError:
                raise ValidationError("The time is outside the years 1 to 9999.") from None
        if not isinstance(value, str) and not is_number(value):
            raise ValidationError("Not a time.")
        try:
            return times.parse(value)
        except ValueError as error:
            raise ValidationError(f"{error}.") from None


class EventTime(Timestamp):
    """The instant of something that happened: hardly ahead of this server's clock.

    Attributes:
        ahead: by how much it may be, in seconds; see `allow_ahead`.
    """

    ahead: float = times.CLOCK_AHEAD

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        instant = super()._deserialize(value, attr, data, **kwargs)
        now = times.now()
        if (instant - now).total_seconds() > self.ahead:
            raise ValidationError(
                f"{times.rfc3339(instant)} is in the future: at most {self.ahead:g} s ahead of "
                f"the server's clock ({times.rfc3339(now.replace(microsecond=0))}) are allowed. "
                "Check the sender's clock and the unit."
            )
        return instant


def allow_ahead(schema: Schema, seconds: float) -> None:
    """Set how far ahead of this server's clock the event times of a schema may be."""
    for field in schema.fields.values():
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, EventTime):
            inner.ahead = seconds
        elif isinstance(inner, fields.Nested):
            allow_ahead(inner.schema, seconds)


class Money(fields.Field[Decimal]):
    """An exact decimal: a string or a number in, a string out, every digit kept.

    Args:
        positive: refuse zero and less.
        signed: allow less than zero.
    """

    def __init__(self, *, positive: bool = False, signed: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.positive = positive
        self.signed = signed

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if isinstance(value, str):
            if len(value) > MAX_NUMBER_TEXT:
                raise ValidationError(f"At most {MAX_DIGITS} digits on either side of the point.")
            if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", value, re.ASCII):
                raise ValidationError("Not a decimal number.")
        elif not is_number(value):
            raise ValidationError("Not a decimal number.")
        try:
            # By way of text: a float's shortest repr is the number its author wrote.
            number = value if isinstance(value, Decimal) else Decimal(str(value))
        except (InvalidOperation, ValueError):  # ValueError: an int of more than 4300 digits
            raise ValidationError("Not a decimal number.") from None
        if not number.is_finite():
            raise ValidationError("Not a finite number.")
        # First the size of the number, then of its text, which may be long; then its digits.
        if (
            number.adjusted() >= MAX_DIGITS
            or (number and number.adjusted() < -MAX_DIGITS)
            or len(str(number)) > MAX_NUMBER_TEXT
            or int(number.as_tuple().exponent) < -MAX_DIGITS
        ):
            raise ValidationError(f"At most {MAX_DIGITS} digits on either side of the point.")
        if self.positive and number <= 0:
            raise ValidationError("Must be greater than 0.")
        if not self.signed and number < 0:
            raise ValidationError("Must not be negative.")
        return Decimal(format(number if number else number.copy_abs(), "f"))


class Figure(fields.Field[float]):
    """A double; NaN and the infinities become null.

    Args:
        low: the least that is allowed.
        high: the most that is allowed.
    """

    def __init__(self, *, low: float = -math.inf, high: float = math.inf, **kwargs: Any) -> None:
        super().__init__(allow_none=True, **kwargs)
        self.low = low
        self.high = high

    def _deserialize(  # type: ignore[override]
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> float | None:
        number = to_float(value)
        if number is not None and not self.low <= number <= self.high:
            raise ValidationError(f"Must be between {self.low:g} and {self.high:g}.")
        return number


class Figures(fields.Field[dict[str, Any]]):
    """An object of named numbers: {name: number}."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> dict[str, float | None]:
        if not isinstance(value, Mapping):
            raise ValidationError("Not an object of numbers.")
        if len(value) > MAX_FIGURES:
            raise ValidationError(f"At most {MAX_FIGURES} entries.")
        figures: dict[str, float | None] = {}
        for name, number in value.items():
            if not isinstance(name, str) or not 1 <= len(clean(name)) <= 128:
                raise ValidationError("Names are strings of 1 to 128 characters.")
            try:
                figures[name] = None if number is None else to_float(number)
            except ValidationError:
                raise ValidationError(f"{name!r} is not a number.") from None
        return figures


class Labels(fields.Field[dict[str, str]]):
    """Up to 16 string pairs that tell series of one name apart."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> dict[str, str]:
        if isinstance(value, Mapping) and len(value) > MAX_LABELS:
            raise ValidationError(f"At most {MAX_LABELS} labels.")
        if not isinstance(value, Mapping) or not all(
            isinstance(key, str)
            and isinstance(text, str)
            and 1 <= len(clean(key)) <= 128
            and len(clean(text)) <= 256
            for key, text in value.items()
        ):
            raise ValidationError(
                "Not an object of strings (keys to 128, values to 256 characters)."
            )
        return dict(sorted(value.items()))


class Metadata(fields.Field[dict[str, Any]]):
    """Any JSON object, kept as it is; integers keep their digits, fractions are doubles."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValidationError("Not an object.")
        try:
            raw = dumps(_numbers(value))
        except (TypeError, ValueError, RecursionError):
            raise ValidationError(
                "Not a JSON object, nested too deep, or with a time without a zone."
            ) from None
        if len(raw) > MAX_METADATA_BYTES:
            raise ValidationError(f"At most {MAX_METADATA_BYTES} bytes of JSON.")
        plain: dict[str, Any] = loads_stored(raw.decode())
        return plain


def _numbers(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return clean(value)
    if kind is bool or value is None:
        return value
    if kind is int and -SMALL < value < SMALL:
        return value
    if kind is float and math.isfinite(value):
        return value + 0.0
    if kind is Decimal and "." in str(value) and math.isfinite(number := float(value)):
        return number + 0.0
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("a key that is no text")
        return {clean(key): _numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_numbers(item) for item in value]
    if is_number(value):
        return _number(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError("a naive time")
    return clean(value) if isinstance(value, str) else value


def _number(value: Any) -> int | float | None:
    if isinstance(value, Integral):
        if not is_writable(int(value)):
            raise ValidationError(f"An integer has at most {MAX_DIGITS_OF_INTEGER} digits.")
        return int(value)
    # A host's Decimal without a fraction or an exponent is an integer, too.
    if (
        isinstance(value, Decimal)
        and value.is_finite()
        and value.adjusted() < MAX_DIGITS_OF_INTEGER
        and str(value).lstrip("-").isdigit()  # its digits as a tuple would take ten times as long
    ):
        return int(value)
    return to_float(value)
