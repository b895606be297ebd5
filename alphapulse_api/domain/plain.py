"""A host's values as plain Python: one conversion for the feed and for the client.

Trading code passes numpy scalars, pandas' times, enums, UUIDs and objects of its own classes. They
are converted here first, so that a record means the same in the process's own feed and over HTTP.

| given | becomes |
|---|---|
| `Enum` | its value, converted |
| `UUID` | its text |
| numpy scalar | the Python number, bool, text or time; a narrow float by its shortest text |
| `Fraction` | a `Decimal` if that is exact, else the nearest double |
| a record of `domain.host_objects` | a dict of its fields |
| a list of `domain.host_objects`, numpy array | a list |
| NaN, infinity (float, `Decimal`), NaT, `pandas.NA` | None, which means *left out* or *null* |
| aware `datetime` (`pandas.Timestamp` too) | `datetime` in UTC, floored to the microsecond |
| `datetime` without a zone (`pandas.Timestamp` too) | `datetime` without one |
| `numpy.datetime64`, which is in UTC | the same |
| time of day | its ISO 8601 text |
| `timedelta` (`pandas.Timedelta` too), `numpy.timedelta64` | `timedelta`, to the microsecond |
| key of a mapping | its text; an enum's value |

All other values stay unchanged, and the schema accepts or refuses them: dates and naive datetimes,
for example, whose zone the configuration may name. In a text field a date or an aware datetime
becomes its ISO 8601 text, and so does a duration.

A value that is referred to twice is converted twice, so `domain.value_bounds` limits their number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Context, Decimal
from enum import Enum
from fractions import Fraction
from itertools import islice
from typing import Any, Final
from uuid import UUID

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.host_objects import fields_of, items_of
from alphapulse_api.domain.plain_times import duration, instant, of_datetime64, of_timedelta64
from alphapulse_api.domain.times import localised
from alphapulse_api.domain.value_bounds import (
    MAX_VALUES,
    Room,
    TooManyValues,
    room_for,
    size,
    widen,
)

MAX_DEPTH: Final = 64  # deeper levels stay unconverted: no record has them
MAX_DIGITS: Final = 38  # on either side of the point of an exact decimal
MAX_ITEMS: Final = 10_000  # longer lists stay unconverted: no record may have them
_EXACT: Final = Context(prec=2 * MAX_DIGITS)
_SAME: Final = frozenset({str, int, bool, type(None)})


def plain(value: Any) -> Any:
    """The value with everything in it converted; the original is not changed.

    Raises:
        ValidationProblem: naming the field that has too many values.
    """
    kind = type(value)
    if kind in _SAME:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    try:
        return _plain(value, 0, room_for(value))
    except TooManyValues:
        detail = f"More than {MAX_VALUES} values, each counted as often as it is referred to."
        raise ValidationProblem([{"pointer": _place(value), "detail": detail}]) from None


def _plain(value: Any, depth: int, room: Room) -> Any:
    kind = type(value)
    if kind in _SAME:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is Decimal:
        return _decimal(value, depth, room)
    if kind is datetime and value.tzinfo is UTC:
        return value
    if depth > MAX_DEPTH:
        return _as_it_is(value, room)
    if kind is dict or isinstance(value, Mapping):
        room[0] -= len(value)
        if room[0] < 0:
            widen(room)
        return {
            name if type(name) is str else _key(name): item
            if type(item) in _SAME
            else _plain(item, depth + 1, room)
            for name, item in value.items()
        }
    if kind is list or kind is tuple:
        if len(value) > MAX_ITEMS:
            return _as_it_is(value, room)
        room[0] -= len(value)
        if room[0] < 0:
            widen(room)
        return [item if type(item) in _SAME else _plain(item, depth + 1, room) for item in value]
    return _other(value, depth, room)


def _as_it_is(value: Any, room: Room) -> Any:
    """The value itself, after its size is checked, so that the code that refuses it can walk it."""
    with suppress(RecursionError):  # that code gets it too
        room[0] -= size(value)
        if room[0] < 0:
            widen(room)
    return value


def _place(value: Any) -> str:
    """The field with too many values, as a JSON pointer; of a list of records, with its index."""
    pointer = ""
    if isinstance(value, (list, tuple)) and fields_of(value) is None:
        index = next((n for n, item in enumerate(value) if _is_too_much(item)), None)
        if index is None:
            return pointer
        pointer, value = f"/{index}", value[index]
    for name, item in (fields_of(value) or {}).items():
        if _is_too_much(item):
            return f"{pointer}/{name}"
    return pointer


def _is_too_much(value: Any) -> bool:
    try:
        _plain(value, 1, room_for(value))
    except TooManyValues:
        return True
    return False


def plain_fields(value: Any) -> Any:
    """The fields of a record with plain names and unconverted values; of anything else `plain`.

    For records with long lists, which are converted item by item.
    """
    fields = fields_of(value)
    if fields is None or isinstance(value, Enum):
        return plain(value)
    return {name if type(name) is str else _key(name): item for name, item in fields.items()}


def zoned(value: Any, zone: tzinfo | None) -> Any:
    """A plain value whose datetimes without a zone get this one, unless it is None."""
    if zone is None:
        return value
    if isinstance(value, dict):
        return {name: zoned(item, zone) for name, item in value.items()}
    if isinstance(value, list):
        return [zoned(item, zone) for item in value]
    naive = isinstance(value, datetime) and value.utcoffset() is None
    return localised(value, zone) if naive else value


def _other(value: Any, depth: int, room: Room) -> Any:
    converted = _scalar(value, depth, room)
    if converted is not value:
        return converted
    if (fields := fields_of(value)) is not None:
        return _plain(fields, depth, room)
    if isinstance(value, (str, date)) or (items := items_of(value)) is None:
        return value
    # One more than allowed, so that the check of the length fails.
    listed = list(islice(items, MAX_ITEMS + 1))
    room[0] -= len(listed)
    if room[0] < 0:
        widen(room)
    return [_plain(item, depth + 1, room) for item in listed]


def _scalar(value: Any, depth: int, room: Room) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value, depth + 1, room)
    module = type(value).__module__.partition(".")[0]
    if (convert := _BY_LIBRARY.get(module)) is not None:
        return convert(value, depth, room)
    for kind, convert in _BY_TYPE.items():
        if isinstance(value, kind):
            return convert(value, depth, room)
    return value


def _pandas(value: Any, depth: int, room: Room) -> Any:
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(value, timedelta):
        return duration(value)
    return instant(value) if isinstance(value, datetime) else value


def _numpy(value: Any, depth: int, room: Room) -> Any:
    """Converts numpy's values, recognised by attributes, so that numpy need not be installed."""
    if hasattr(value, "tolist") and getattr(value, "shape", ()) != ():
        return _plain(value.tolist(), depth + 1, room) if value.size <= MAX_ITEMS else value
    if getattr(value, "dtype", None) is None:
        return value
    if value.dtype.kind == "f":
        # The shortest text of a float32 is the number its author wrote: 0.1, not 0.10000000149.
        return _plain(float(str(value)), depth, room)
    if value.dtype.kind == "M":
        return of_datetime64(value)
    if value.dtype.kind == "m":
        return of_timedelta64(value)
    return _plain(value.item(), depth + 1, room)


def _float(value: Any, depth: int, room: Room) -> float | None:
    try:
        return _plain(float(value), depth, room)  # type: ignore[no-any-return]
    except OverflowError:
        return value  # type: ignore[no-any-return]  # the schema names the largest number


def _decimal(value: Decimal, depth: int, room: Room) -> Decimal | None:
    if not value.is_finite():
        return None
    return value if type(value) is Decimal else Decimal(value)


def _fraction(value: Fraction, depth: int, room: Room) -> Decimal | float | None:
    twos = fives = 0
    rest = value.denominator
    while rest % 2 == 0 and twos <= MAX_DIGITS:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0 and fives <= MAX_DIGITS:
        rest, fives = rest // 5, fives + 1
    digits = max(twos, fives)
    if rest == 1 and digits <= MAX_DIGITS and abs(value) < 10**MAX_DIGITS:
        return Decimal(int(value * 10**digits)).scaleb(-digits, _EXACT)
    return _float(value, depth, room)


# The order matters: a datetime is a date, and an IntEnum is an int.
_BY_TYPE: Final[Mapping[type, Callable[[Any, int, Room], Any]]] = {
    Decimal: _decimal,
    datetime: lambda value, depth, room: instant(value),
    date: lambda value, depth, room: date(value.year, value.month, value.day),
    UUID: lambda value, depth, room: str(value),
    Fraction: _fraction,
    timedelta: lambda value, depth, room: duration(value),
    time: lambda value, depth, room: value.isoformat(),
    str: lambda value, depth, room: str.__str__(value),
    int: lambda value, depth, room: int(value),
    float: _float,
}
_BY_LIBRARY: Final[Mapping[str, Callable[[Any, int, Room], Any]]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    # Its Cython classes name their module this way.
    "uuid_utils": lambda value, depth, room: str(value) if hasattr(value, "hex") else value,
}


def _key(name: Any) -> Any:
    if isinstance(name, tuple):
        return name
    name = plain(name)
    if name is None or isinstance(name, bool):
        return {None: "null", True: "true", False: "false"}[name]
    return str(name) if isinstance(name, (int, float)) else name
