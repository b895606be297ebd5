"""Fields of numbers: exact decimals, doubles, objects of named doubles."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from numbers import Integral, Real
from typing import Any, Final

from marshmallow import ValidationError

from alphapulse_api.schemas.fields.base import BaseField, kind_of
from alphapulse_api.schemas.fields.text import clean
from alphapulse_api.schemas.quick import UNUSUAL, Check

MAX_DIGITS: Final = 38  # on either side of the point; more than any exchange quotes
MAX_NUMBER_TEXT: Final = 3 * MAX_DIGITS  # with sign, point, exponent, and zeros in front
MAX_FIGURES: Final = 256  # entries of a {name: number} object
_DECIMAL: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_USUAL: Final = re.compile(r"-?[1-9]\d{0,30}(\.\d{1,30})?|0\.\d{0,30}[1-9]", re.ASCII)
_ACCEPTED: Final = 'give a number, or text such as "67123.50"'


def is_number(value: object) -> bool:
    """Whether JSON calls the value a number; a bool is not one."""
    return isinstance(value, (Real, Decimal)) and not isinstance(value, bool)


def to_float(value: Any) -> float | None:
    """A double, or None for NaN and the infinities.

    Raises:
        ValidationError: if it is not a number, or one that no double can hold.
    """
    if not is_number(value):
        raise ValidationError(f"Not a number but {kind_of(value)}.")
    try:
        number = float(value)
    except (OverflowError, ValueError):  # ValueError: a signalling NaN
        number = math.inf
    if math.isfinite(number):
        return number + 0.0  # -0.0 becomes 0.0: not every store keeps the sign
    # An infinity means that the value is not known; 1e400 is a number that would be lost.
    if isinstance(value, Integral) or (isinstance(value, Decimal) and value.is_finite()):
        raise ValidationError(
            "The number is too large: at most 1.7976931348623157e308, on either side of 0."
        )
    return None


class Money(BaseField):
    """An exact decimal: a string or a number in, a string out, every digit kept.

    Args:
        positive: refuse zero and less.
        signed: allow less than zero.
    """

    def __init__(self, *, positive: bool = False, signed: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.positive = positive
        self.signed = signed

    def usual_check(self) -> Check:
        signed = self.signed and not self.positive

        def checked(value: Any) -> Any:
            if type(value) is str and _USUAL.fullmatch(value) and (signed or value[0] != "-"):
                return Decimal(value)
            return UNUSUAL

        return checked

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if isinstance(value, str):
            if len(value) > MAX_NUMBER_TEXT:
                raise ValidationError(f"At most {MAX_DIGITS} digits on either side of the point.")
            if not _DECIMAL.fullmatch(value):
                raise ValidationError(f"Not a decimal number: {_ACCEPTED}.")
        elif not is_number(value):
            raise ValidationError(f"Not a decimal number but {kind_of(value)}: {_ACCEPTED}.")
        try:
            # Converted from text: a float's shortest repr is the number that its author wrote.
            number = value if isinstance(value, Decimal) else Decimal(str(value))
        except (InvalidOperation, ValueError):  # ValueError: an int of more than 4300 digits
            raise ValidationError(f"Not a decimal number: {_ACCEPTED}.") from None
        if not number.is_finite():
            raise ValidationError("Not a finite number.")
        # The size of the number is checked before its text, which may be long, and its digits.
        if (
            number.adjusted() >= MAX_DIGITS
            or (number and number.adjusted() < -MAX_DIGITS)
            or len(str(number)) > MAX_NUMBER_TEXT
            or (exponent := int(number.as_tuple().exponent)) < -MAX_DIGITS
        ):
            raise ValidationError(f"At most {MAX_DIGITS} digits on either side of the point.")
        if self.positive and number <= 0:
            raise ValidationError("Must be greater than 0.")
        if not self.signed and number < 0:
            raise ValidationError("Must not be negative.")
        if number and exponent <= 0:
            return number  # its text has no exponent already
        return Decimal(format(number if number else number.copy_abs(), "f"))


class Figure(BaseField):
    """A double; NaN and the infinities become null.

    Args:
        low: the least that is allowed.
        high: the most that is allowed.
    """

    def __init__(self, *, low: float = -math.inf, high: float = math.inf, **kwargs: Any) -> None:
        super().__init__(allow_none=True, **kwargs)
        self.low = low
        self.high = high

    def usual_check(self) -> Check:
        low, high = max(self.low, -sys.float_info.max), min(self.high, sys.float_info.max)

        def checked(value: Any) -> Any:
            # NaN is in no range.
            return value + 0.0 if type(value) is float and low <= value <= high else UNUSUAL

        return checked

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float | None:
        number = to_float(value)
        if number is not None and not self.low <= number <= self.high:
            raise ValidationError(f"Must be {self._range()}.")
        return number

    def _range(self) -> str:
        if self.high == math.inf:
            return f"{self.low:g} or more"
        return f"between {self.low:g} and {self.high:g}"


class Figures(BaseField):
    """An object of named numbers: {name: number}."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> dict[str, float | None]:
        if not isinstance(value, Mapping):
            raise ValidationError(f"Not an object of numbers but {kind_of(value)}.")
        if len(value) > MAX_FIGURES:
            raise ValidationError(f"At most {MAX_FIGURES} entries.")
        figures: dict[str, float | None] = {}
        for name, number in value.items():
            if not isinstance(name, str) or not 1 <= len(clean(name)) <= 128:
                raise ValidationError("Names are strings of 1 to 128 characters.")
            try:
                figures[name] = None if number is None else to_float(number)
            except ValidationError:
                raise ValidationError(
                    f"{name!r} is not a number but {kind_of(number)}."
                    if not is_number(number)
                    else f"{name!r} is too large a number."
                ) from None
        return figures
