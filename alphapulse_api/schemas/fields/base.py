"""The base of all fields: None leaves an optional field out, and errors name a value's kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from marshmallow import ValidationError, fields, missing

from alphapulse_api.domain.durations import duration_text
from alphapulse_api.domain.foreign import Foreign, type_name
from alphapulse_api.domain.times import rfc3339
from alphapulse_api.schemas.quick import UNUSUAL, Check, quick, usual_check
from alphapulse_api.schemas.remembered import Remembered

_KINDS: Final = {
    bool: "a boolean", int: "a number", float: "a number", Decimal: "a number", str: "text",
    dict: "an object", list: "a list", tuple: "a list", type(None): "null",
}  # fmt: skip


def kind_of(value: object) -> str:
    """What a value is, for an error message: in JSON's words, or the name of a Python type."""
    if isinstance(value, Foreign):
        return _with_article(value.name)
    kind = type(value)
    return _KINDS.get(kind) or _with_article(type_name(kind))


def _with_article(name: str) -> str:
    return f"{'an' if name[:1] in 'AEIOaeio' else 'a'} {name}"


def text_of(value: Any) -> Any:
    """A date, a duration or an aware datetime as the text that the client sends; else the value."""
    if isinstance(value, datetime):
        try:
            return value if value.utcoffset() is None else rfc3339(value)
        except OverflowError:
            return value  # in UTC it is in no year from 1 to 9999
    if isinstance(value, timedelta):
        return duration_text(value)
    return value.isoformat() if isinstance(value, date) else value


class BaseField(fields.Field[Any]):
    """A field for which None means *left out*, unless it is required or nullable.

    Hosts write None for unknown values.
    """

    # NaN and the like of a host are None by now.
    default_error_messages = {"null": "Must not be null, and NaN and NA stand for null."}  # noqa: RUF012

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any
    ) -> Any:
        if value is not None and value is not missing:
            # marshmallow does the same, and checks twice that there is a value.
            output = self._deserialize(value, attr, data, **kwargs)
            if self.validators:
                self._validate(output)
            return output
        if not self.required and (value is missing or not self.allow_none):
            default = self.load_default
            return default() if callable(default) else default
        return super().deserialize(value, attr, data, **kwargs)


class Items(BaseField, fields.List[Any]):
    """A list of values of one kind.

    Attributes:
        remembered: for long lists of records, the items of the last list.
    """

    remembered: Remembered | None = None

    def __init__(self, item: fields.Field[Any], **kwargs: Any) -> None:
        super().__init__(item, **kwargs)
        # In a list nothing can be left out: a null would be an item that is `missing`.
        self.inner.required = True

    def usual_check(self) -> Check | None:
        check = usual_check(self.inner)
        if check is None:
            return None

        def checked(values: Any) -> Any:
            if type(values) is not list or UNUSUAL in (items := list(map(check, values))):
                return UNUSUAL
            self._validate(items)
            return items

        return checked

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise ValidationError(f"Not a list but {kind_of(value)}.")
        if isinstance(self.inner, fields.Nested):
            if strange := {
                number: [f"Not an object but {kind_of(item)}."]
                for number, item in enumerate(value)
                if type(item) is not dict and not isinstance(item, Mapping)
            }:
                raise ValidationError(strange)
            # marshmallow takes ten times as long; it is asked where an item is not valid.
            schema = self.inner.schema
            # Ignored as in a record by itself, so that what was read may be sent back.
            if read_only := getattr(schema, "read_only", None):
                value = [_writable(item, read_only) for item in value]
            loaded = [quick(schema, item) if type(item) is dict else None for item in value]
            if None not in loaded:
                return loaded
        return super()._deserialize(value, attr, data, **kwargs)


def _writable(item: Any, read_only: frozenset[str]) -> Any:
    if type(item) is not dict or read_only.isdisjoint(item):
        return item
    return {name: value for name, value in item.items() if name not in read_only}
