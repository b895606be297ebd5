"""Loads records by their schemas, and flattens marshmallow's errors to a list of JSON pointers.

A body may be wrong in a million places. So lengths are checked before content, the work is done in
steps, and only the first errors are kept; the rest are counted. Values are first converted to plain
Python, because an embedding host passes objects of its own classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from marshmallow import Schema, ValidationError, fields, validate

from alphapulse_api.domain.errors import Problem, ValidationProblem
from alphapulse_api.domain.host_objects import items_of
from alphapulse_api.domain.plain import MAX_ITEMS, plain, plain_fields
from alphapulse_api.runtime.slices import Steps, finish
from alphapulse_api.schemas.fields.base import Items, kind_of
from alphapulse_api.schemas.quick import quick, usual

MAX_ERRORS: Final = 100  # reported for one body
MAX_TEXT: Final = 200  # characters of a detail, and of a pointer
STEP_ITEMS: Final = 20  # longer lists are checked in several steps
_FAILED: Final = object()
_NAMES: Final = frozenset({str})  # the types of a plain record's keys
_UNKNOWN: Final = "Unknown field."


class Faults:
    """The errors of one body: the first 100 of them, and how many there are."""

    def __init__(self) -> None:
        self.count = 0
        self._errors: list[dict[str, Any]] = []

    def add(self, pointer: str, messages: Any) -> None:
        """Add marshmallow's tree of messages about the value at a pointer."""
        for error in flat(pointer, messages):
            self.count += 1
            if len(self._errors) < MAX_ERRORS:
                self._errors.append(error)

    def merge(self, other: Faults) -> None:
        """Add the errors of another part of the body."""
        self.count += other.count
        self._errors += other._errors[: MAX_ERRORS - len(self._errors)]

    def problem(self) -> ValidationProblem:
        """The refusal that names these errors."""
        return ValidationProblem(self._errors, count=self.count)


def load(schema: Schema, data: Any) -> Any:
    """`data`, validated and converted.

    Raises:
        ValidationProblem: naming the fields that are wrong, by JSON pointer.
    """
    return finish(loading(schema, data))


def loading(schema: Schema, data: Any) -> Steps[Any]:
    """The same in steps."""
    faults = Faults()
    if schema.many and isinstance(data, Sequence) and not isinstance(data, str | bytes):
        value: Any = []
        for index, record in enumerate(data):
            value.append((yield from load_record(schema, record, f"/{index}", faults)))
            yield
    else:
        value = yield from load_record(schema, data, "", faults)
    if faults.count:
        raise faults.problem()
    return value


def read_only_fields(schema: Schema) -> frozenset[str]:
    """The fields that only the server sets: a record that was read may be sent back with them."""
    names: frozenset[str] = getattr(schema, "read_only", frozenset())
    return names


def load_record(schema: Schema, data: Any, pointer: str, faults: Faults) -> Steps[Any]:
    """One record, validated and converted; None if it is invalid, with its errors in `faults`."""
    if type(data) is not dict or not _NAMES.issuperset(map(type, data)):
        data = _converted(plain_fields, data, pointer, faults)
        if data is _FAILED:
            return None
    if not isinstance(data, Mapping):
        faults.add(pointer, [f"Not an object but {kind_of(data)}."])
        return None
    if (record := usual(schema, data)) is not None:
        return record
    before = faults.count
    read_only = read_only_fields(schema)
    if not read_only.isdisjoint(data):
        data = {name: value for name, value in data.items() if name not in read_only}
    if len(data) > len(schema.load_fields):
        data = _known(schema, data, pointer, faults)
    elsewhere: dict[str, Any] = {}  # fields that are loaded by themselves
    for name, items in tuple(data.items()):
        if isinstance(field := schema.load_fields.get(name), fields.List):
            if not isinstance(items, list | tuple):
                items = yield from _listed(items, f"{pointer}/{name}", faults)
                data = {**data, name: items}
            if not isinstance(items, list | tuple):
                continue
            if (message := _wrong_length(field, items)) is not None:
                faults.add(f"{pointer}/{name}", message)
                elsewhere[name] = None
            elif isinstance(field.inner, fields.Nested) and len(items) > STEP_ITEMS:
                elsewhere[name] = yield from _items(field, items, f"{pointer}/{name}", faults)
    if elsewhere:
        data = {name: value for name, value in data.items() if name not in elsewhere}
    data = _converted(plain, data, pointer, faults)
    if data is _FAILED:
        return None
    if faults.count == before and not elsewhere and (value := quick(schema, data)) is not None:
        return value
    value = _load(schema, data, pointer, faults, partial=tuple(elsewhere) or None)
    return {**value, **elsewhere} if faults.count == before else None


def _items(
    field: fields.List[Any], items: Sequence[Any], pointer: str, faults: Faults
) -> Steps[list[Any]]:
    """The items of a long list, each a record."""
    assert isinstance(field.inner, fields.Nested)
    schema = field.inner.schema
    remembered = field.remembered if isinstance(field, Items) else None
    following = None if remembered is None else remembered.next()
    loaded: list[Any] = []
    for index, item in enumerate(items):
        value: Any = None if following is None else following.known(item)
        if value is None:
            value = yield from load_record(schema, item, f"{pointer}/{index}", faults)
            if following is not None and value is not None:
                value = following.loaded(item, value)
        loaded.append(value)
        yield
    if following is not None:
        following.end()
    return loaded


def _load(
    schema: Schema, data: Any, pointer: str, faults: Faults, partial: tuple[str, ...] | None = None
) -> Any:
    try:
        return schema.load(data, many=False, partial=partial)
    except ValidationError as error:
        faults.add(pointer, error.messages)


def _listed(value: Any, pointer: str, faults: Faults) -> Steps[Any]:
    """The items of a frame or another iterable as a list, in steps; anything else as it is.

    Returns at most one item more than is allowed, so that the check of the length refuses it.
    """
    try:
        if (items := items_of(value)) is None:
            return value
        listed = []
        for number, item in enumerate(islice(items, MAX_ITEMS + 1)):
            listed.append(item)
            if number % STEP_ITEMS == 0:
                yield
    except Exception as error:
        _unreadable(error, pointer, faults)
        return []
    return listed


def _converted(convert: Callable[[Any], Any], data: Any, pointer: str, faults: Faults) -> Any:
    """The converted value, or `_FAILED`: a host's objects may raise anything when read."""
    try:
        return convert(data)
    except ValidationProblem as problem:
        for error in problem.errors:
            faults.add(f"{pointer}{error['pointer']}", error["detail"])
        return _FAILED
    except Exception as error:
        _unreadable(error, pointer, faults)
        return _FAILED


def _unreadable(error: Exception, pointer: str, faults: Faults) -> None:
    faults.add(pointer, f"The record cannot be read: {type(error).__name__}: {error}")


def _known(
    schema: Schema, data: Mapping[Any, Any], pointer: str, faults: Faults
) -> Mapping[Any, Any]:
    """The fields that the schema has; the others are added to `faults` as unknown.

    marshmallow's time would grow with the square of the number of unknown fields.
    """
    known = {name: value for name, value in data.items() if name in schema.fields}
    unknown = [name for name in data if name not in known]
    for name in unknown[:MAX_ERRORS]:
        faults.add(_below(pointer, name), _UNKNOWN)
    faults.count += len(unknown[MAX_ERRORS:])
    return known


def _wrong_length(field: fields.List[Any], items: Sequence[Any]) -> Any:
    """Why a list's length is invalid, checked before its items; None if it is valid."""
    for validator in field.validators:
        if isinstance(validator, validate.Length):
            try:
                validator(items)
            except ValidationError as error:
                return error.messages
    return None


def load_parameters(schema: Schema, data: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a query string: errors name parameters.

    Raises:
        ValidationProblem: naming every parameter that is wrong.
    """
    try:
        loaded: dict[str, Any] = schema.load(data)
    except ValidationError as error:
        raise ValidationProblem(
            [
                {
                    "parameter": e["pointer"].split("/")[1],
                    "detail": e["detail"].replace(_UNKNOWN, "Unknown parameter."),
                }
                for e in flat("", error.messages)
            ]
        ) from None
    return loaded


def flat(pointer: str, messages: Any) -> Iterator[dict[str, str]]:
    """The errors of a tree of messages, one by one."""
    if isinstance(messages, Mapping):
        for key, below in messages.items():
            # "_schema" is marshmallow's name for the whole object.
            yield from flat(pointer if key == "_schema" else _below(pointer, key), below)
    elif isinstance(messages, str):
        yield {"pointer": short(pointer), "detail": short(messages)}
    else:
        for message in messages:
            yield from flat(pointer, message)


def _below(pointer: str, key: Any) -> str:
    step = str(key)[: MAX_TEXT + 1]
    return f"{pointer}/{step.replace('~', '~0').replace('/', '~1')}"


class Refusal(NamedTuple):
    """Why one record of a batch was refused; kept short, because there may be ten thousand."""

    status: int
    error: str

    @classmethod
    def of(cls, problem: Problem) -> Refusal:
        """The refusal for a problem."""
        return cls(problem.kind.status, short(problem.detail))


def short(text: str) -> str:
    """The text, cut to the length that an error may have."""
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
