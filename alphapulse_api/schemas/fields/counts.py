"""Fields of whole numbers, and of true and false."""

from __future__ import annotations

from decimal import Decimal
from numbers import Integral
from typing import Any, Final

from marshmallow import ValidationError, fields

from alphapulse_api.schemas.fields.base import BaseField, kind_of

MAX_COUNT: Final = 2**53 - 1  # the largest that every reader of JSON can hold
_WORDS: Final = {"true": True, "false": False}


class Count(BaseField, fields.Integer):
    """A whole number of things.

    Args:
        low: the least that is allowed.
    """

    def __init__(self, low: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.low = low

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (Integral, Decimal, float)):
            raise ValidationError(f"Not a whole number but {kind_of(value)}.")
        try:
            number = int(value)
        except (ValueError, OverflowError, ArithmeticError):  # NaN and infinities
            raise ValidationError("Not a whole number.") from None
        if number != value:
            raise ValidationError("Not a whole number.")
        if not self.low <= number <= MAX_COUNT:
            raise ValidationError(f"Must be between {self.low} and {MAX_COUNT}.")
        return number


class Flag(BaseField, fields.Boolean):
    """true or false; their text is accepted, too, which is what a CSV has."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if isinstance(value, str):
            value = _WORDS.get(value.lower(), value)
        if not isinstance(value, bool):
            raise ValidationError(f"Must be true or false, not {kind_of(value)}.")
        return value
