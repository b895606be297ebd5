"""Converts what a host passes to the feed into lists of records of a bounded length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from marshmallow import Schema, ValidationError
from marshmallow.fields import Field

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.host_objects import extras_in_metadata, fields_of, items_of
from alphapulse_api.domain.plain import plain
from alphapulse_api.runtime.slices import Steps
from alphapulse_api.schemas.batches import ON_ERROR, STOP
from alphapulse_api.schemas.fields import BookId, Identifier
from alphapulse_api.schemas.fields.base import kind_of
from alphapulse_api.schemas.loading import read_only_fields

MAX_BATCH: Final = 10_000
# Required: to a field that may be left out, None means that it is.
_IDENTIFIER: Final = Identifier(required=True)
_BOOK_ID: Final = BookId(required=True)
STEP: Final = 50  # records of an iterable that are taken in one step

# A mapping, or an object with the record's fields; see `domain.host_objects`.
Record = Mapping[str, Any] | Any
Records = Iterable[Record] | Any
Extras = Literal["refuse", "metadata"]


def listing(records: Records, on_error: str = STOP) -> Steps[list[Any]]:
    """The records of a list, a DataFrame or another iterable, in steps.

    Raises:
        ValidationProblem: if it is not a list, has more than `MAX_BATCH` records, or if `on_error`
            is neither "stop" nor "continue".
    """
    if on_error not in ON_ERROR:
        raise ValidationProblem.parameter("on_error", f"Must be one of: {', '.join(ON_ERROR)}.")
    if type(records) is list:
        if len(records) > MAX_BATCH:
            raise _too_many(f"At most {MAX_BATCH} records a call, not {len(records)}.")
        return records
    items = items_of(records) if fields_of(records) is None else None
    if items is None:
        detail = (
            f"Not a list of records but {kind_of(records)}: give a list, another iterable or a "
            "DataFrame."
        )
        raise ValidationProblem([{"pointer": "", "detail": detail}])
    taken: list[Any] = []
    for number, item in enumerate(items):
        if number == MAX_BATCH:
            raise _too_many(f"At most {MAX_BATCH} records a call.")
        taken.append(item)
        if number % STEP == 0:
            yield
    return taken


def with_extras(schema: Schema, record: Record, extras: Extras) -> Record:
    """A record with its unknown fields moved into its metadata, if `extras` says so.

    Raises:
        ValidationProblem: if `extras` is neither "refuse" nor "metadata".
    """
    if extras == "refuse":
        return record
    if extras != "metadata":
        raise ValidationProblem.parameter("extras", "Must be one of: refuse, metadata.")
    return extras_in_metadata(record, schema.fields.keys() | read_only_fields(schema))


def _too_many(detail: str) -> ValidationProblem:
    return ValidationProblem([{"pointer": "", "detail": detail}])


def checked_agent_id(agent_id: str) -> str:
    """The id; raises `ValidationProblem` for one that cannot be part of a path."""
    return _checked(_IDENTIFIER, agent_id, "/agent_id")


def checked_alert_id(alert_id: str) -> str:
    """The id of an alert to change; raises `ValidationProblem` for a value that is no id.

    Text is not checked further: if no alert has it, the alert is not found.
    """
    return alert_id if type(alert_id) is str else _checked(_IDENTIFIER, alert_id, "/id")


def checked_rule_id(rule_id: str) -> str:
    """The id of a rule; raises `ValidationProblem` for one that cannot be part of a path."""
    return _checked(_IDENTIFIER, rule_id, "/id")


def checked_book(book: str) -> str:
    """The id of a book; raises `ValidationProblem` for one that is not a slug."""
    return _checked(_BOOK_ID, book, "/book")


def _checked(field: Field[Any], value: Any, pointer: str) -> str:
    try:
        return str(field.deserialize(plain(value)))
    except ValidationError as error:
        raise ValidationProblem([{"pointer": pointer, "detail": str(error.messages[0])}]) from None
