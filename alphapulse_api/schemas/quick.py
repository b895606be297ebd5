"""Loads valid records without marshmallow's bookkeeping, which takes half of the time.

The schema's fields convert and check each value here too. Anything invalid is left to the schema,
which says what is wrong, so results and errors are the schema's own (a property test compares
them). Schemas may have no hooks except that of `CheckedSchema`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, missing, validates_schema

SCHEMAS: Final = 128  # whose fields are remembered
UNUSUAL: Final = object()  # what a check returns for a value that the field has to convert
Check = Callable[[Any], Any]
_Fields = tuple[tuple[str, fields.Field[Any], Check | None, Any], ...]


def usual_check(field: fields.Field[Any]) -> Check | None:
    """What checks and converts the usual values of a field in one call instead of five.

    It returns what `deserialize` returns for such a value, and UNUSUAL for any other. A class has
    one if it says so itself: the check of its base does not know how it converts.
    """
    for kind in type(field).__mro__:
        if "usual_check" in vars(kind):
            check: Check | None = kind.usual_check(field)  # type: ignore[attr-defined]
            return check
        if "_deserialize" in vars(kind):
            break
    return None


class CheckedSchema(Schema):
    """A schema with a check of the record as a whole."""

    @abstractmethod
    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        """The faults between the fields of a record, by field.

        Args:
            record: the fields that are valid by themselves.
            given: the record as it was sent.
        """

    def usual(self, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """Load a record of the usual shape by a faster path, before it is converted.

        Args:
            data: the record as it was sent; its keys are strings.

        Returns:
            The record as the fields convert it; None if it is unusual, and perhaps invalid.
        """
        return None

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def _check(self, record: Mapping[str, Any], given: Any, **_: Any) -> None:
        if errors := self.errors_of(record, given):
            raise ValidationError(errors)


def quick(schema: Schema, data: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `schema.load(data)` returns for a valid record; None if the schema must be asked.

    Args:
        schema: of one record.
        data: the record in plain Python.
    """
    known = _fields(schema)
    record: dict[str, Any] = {}
    given = 0
    try:
        for name, field, check, default in known:
            if name in data:
                given += 1
                value = data[name]
                if check is None or (checked := check(value)) is UNUSUAL:
                    value = field.deserialize(value, name, data)
                else:
                    value = checked
            elif field.required:
                return None
            else:
                value = default() if callable(default) else default
            if value is not missing:
                record[name] = value
    except ValidationError:
        return None
    if given != len(data) or (isinstance(schema, CheckedSchema) and schema.errors_of(record, data)):
        return None
    return record


def usual(schema: Schema, data: Mapping[str, Any]) -> dict[str, Any] | None:
    """`quick` for a record that is not converted to plain Python yet."""
    if not isinstance(schema, CheckedSchema) or (record := schema.usual(data)) is None:
        return None
    return None if schema.errors_of(record, data) else record


@lru_cache(maxsize=SCHEMAS)
def _fields(schema: Schema) -> _Fields:
    """The fields that records may have, with their checks and defaults."""
    return tuple(
        (name, field, usual_check(field), field.load_default)
        for name, field in schema.load_fields.items()
    )
