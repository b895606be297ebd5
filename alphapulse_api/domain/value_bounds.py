"""Bounds the number of values in a host's value; each counts as often as it is referred to.

A few lists that each contain the next one twice stand for more values than any memory holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MAX_VALUES: Final = 1_048_576  # as many as in a request's body
USUAL_VALUES: Final = 10_000  # up to here values are only counted, not measured
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_CONTAINERS: Final = frozenset({dict, list, tuple})
# How many more values may follow while a value is converted, and that value until it is measured.
# A list, because one is made for every record, and a list is cheap.
Room = list[Any]
_Sizes = dict[int, tuple[Any, int]]  # by id; the value is kept, so that no other gets its id


class TooManyValues(Exception):
    """There are more than `MAX_VALUES`."""


def room_for(value: Any) -> Room:
    """The initial room of a value."""
    return [USUAL_VALUES, value]


def widen(room: Room) -> None:
    """Measure the whole of a large value, once; shared parts take no extra time.

    Raises:
        TooManyValues: if it has too many values.
    """
    value, room[1] = room[1], None
    if value is None or size(value) > MAX_VALUES:
        raise TooManyValues
    room[0] += MAX_VALUES - USUAL_VALUES  # in objects of other kinds, too
    if room[0] < 0:
        raise TooManyValues


def size(value: Any, known: _Sizes | None = None) -> int:
    """How many values the dicts, lists and tuples in a value have; too many if it contains itself.

    Args:
        value: the value; the time is proportional to the memory that it takes.
        known: sizes by id.

    Raises:
        RecursionError: if they are nested too deeply.
    """
    items: Any
    if type(value) is dict or isinstance(value, Mapping):
        items = value.values()
    elif isinstance(value, (list, tuple)):
        items = value
    else:
        return 0
    known = {} if known is None else known
    if (found := known.get(id(value))) is not None:
        return found[1]
    known[id(value)] = value, MAX_VALUES + 1  # replaced below, unless the value contains itself
    total = len(value)
    for item in items:
        if type(item) not in _SCALARS:
            total += size(item, known)
    known[id(value)] = value, total
    return total


def is_bounded(record: dict[str, Any]) -> bool:
    """Whether the JSON of the record has a bounded number of values."""
    for value in record.values():
        kind = type(value)
        if kind is dict:
            items = value.values()
        elif kind is list or kind is tuple:
            items = value
        else:
            continue
        if not _CONTAINERS.isdisjoint(map(type, items)):
            break
    else:
        return True
    try:
        return size(record) <= MAX_VALUES
    except RecursionError:
        return False
