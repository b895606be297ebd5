"""Fields of objects: labels of a series, and metadata."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from numbers import Integral
from typing import Any, Final

from marshmallow import ValidationError

from alphapulse_api.domain.durations import duration_text
from alphapulse_api.domain.encoding import dumps, loads_stored
from alphapulse_api.domain.integers import MAX_DIGITS as MAX_DIGITS_OF_INTEGER
from alphapulse_api.domain.integers import is_writable
from alphapulse_api.domain.plain import zoned
from alphapulse_api.domain.times import localised
from alphapulse_api.schemas.fields.base import BaseField, kind_of, text_of
from alphapulse_api.schemas.fields.numbers import is_number, to_float
from alphapulse_api.schemas.fields.text import clean

SMALL: Final = 10**18  # integers that every writer of JSON can write
MAX_METADATA_BYTES: Final = 65_536
MAX_LABELS: Final = 16
# orjson writes 254 levels, and answers and frames put records some levels deep.
MAX_DEPTH: Final = 200
_TOO_DEEP: Final = f"Nested too deeply: at most {MAX_DEPTH} levels."


class Labels(BaseField):
    """Up to 16 pairs of text that distinguish series of one name.

    A number or a boolean is taken as its JSON text; a pair whose value is None is left out.
    """

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise ValidationError(f"Not an object of text but {kind_of(value)}.")
        if len(value) > MAX_LABELS:
            raise ValidationError(f"At most {MAX_LABELS} labels.")
        labels = {}
        for key, given in value.items():
            if given is None:
                continue
            if not isinstance(key, str) or not 1 <= len(clean(key)) <= 128:
                raise ValidationError("Keys are text of 1 to 128 characters.")
            if len(text := clean(_label(key, given))) > 256:
                raise ValidationError(f"{key!r} has more than 256 characters.")
            labels[key] = text
        return dict(sorted(labels.items()))


def _label(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(text := text_of(value), str):
        return text
    if not is_number(value):
        raise ValidationError(f"{key!r} is not text but {kind_of(value)}.")
    try:
        return str(value)
    except ValueError:  # an int of more than 4300 digits
        raise ValidationError(f"{key!r} has more than 256 characters.") from None


class Metadata(BaseField):
    """Any JSON object, kept as it is; integers keep their digits, fractions are doubles.

    Attributes:
        zone: the time zone of a host's datetimes that have none; None refuses them. See
            `set_clock`.
    """

    zone: tzinfo | None = None

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValidationError(f"Not an object but {kind_of(value)}.")
        try:
            raw = dumps(_numbers(zoned(value, self.zone)))
        except (TypeError, ValueError, RecursionError):
            raise ValidationError(_fault_in(value, self.zone)) from None
        if len(raw) > MAX_METADATA_BYTES:
            raise ValidationError(f"At most {MAX_METADATA_BYTES} bytes of JSON.")
        if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
            raise ValidationError(_TOO_DEEP)
        plain: dict[str, Any] = loads_stored(raw.decode())
        return plain


def _depth(value: Any) -> int:
    """The number of levels of objects and lists."""
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, (Mapping, list, tuple))]:
        depth += 1
        level = [
            item for one in level for item in (one.values() if isinstance(one, Mapping) else one)
        ]
    return depth


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
    if isinstance(value, timedelta):
        return duration_text(value)
    return clean(value) if isinstance(value, str) else value


def _fault_in(value: Any, zone: tzinfo | None) -> Any:
    """Why metadata cannot be written as JSON, as marshmallow's tree of messages."""
    try:
        return _misfit(value, zone) or _TOO_DEEP
    except RecursionError:
        return _TOO_DEEP


def _misfit(value: Any, zone: tzinfo | None) -> Any:
    """The parts of a value that are not JSON, as messages by place; None if there are none.

    Raises:
        RecursionError: if it is nested too deeply.
    """
    if isinstance(value, (Mapping, list, tuple)):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, item in pairs:
            if isinstance(value, Mapping) and not isinstance(name, str):
                return [f"A key is not text but {kind_of(name)}."]
            if (fault := _misfit(item, zone)) is not None:
                return {name: fault}
        return None
    if isinstance(value, date):
        try:
            localised(value, zone)
        except ValueError as error:
            text = str(error)
            return [f"{text[:1].upper()}{text[1:]}."]
        return None
    if value is None or isinstance(value, (str, bool, time, timedelta)) or is_number(value):
        return None
    return [
        f"Not a JSON value but {kind_of(value)}: give text, a number, a boolean, null, a time, "
        "a list or an object."
    ]


def _number(value: Any) -> int | float | None:
    if isinstance(value, Integral):
        if not is_writable(int(value)):
            raise ValidationError(f"An integer has at most {MAX_DIGITS_OF_INTEGER} digits.")
        return int(value)
    # A host's Decimal without a fraction or an exponent is an integer too.
    if (
        isinstance(value, Decimal)
        and value.is_finite()
        and value.adjusted() < MAX_DIGITS_OF_INTEGER
        and str(value).lstrip("-").isdigit()  # as_tuple() would take ten times as long
    ):
        return int(value)
    return to_float(value)
