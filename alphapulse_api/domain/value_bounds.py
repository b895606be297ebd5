"""How many values a host's value may have, where each counts as often as it is referred to.

A few lists that contain one another twice stand for more values than any memory holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MAX_VALUES: Final = 1_048_576  # as many as in a request's body
USUAL_VALUES: Final = 10_000  # up to which values are only counted
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_CONTAINERS: Final = frozenset({dict, list, tuple})
# How many values may still follow while one is converted, and that one until it is measured.
# A list, because one is made for every record.
Room = list[Any]
_Sizes = dict[int, tuple[Any, int]]  # by id; the value is kept, so that no other gets its id


class TooManyValues(Exception):
    """There are more than `MAX_VALUES`."""


def room_for(value: Any) -> Room:
    """The room that a value starts with."""
    return [USUAL_VALUES, value]


def widen(room: Room) -> None:
    """Look once at the whole of a large value: that takes no longer for what is shared.

    Raises:
        TooManyValues: if there is no room for what was taken.
    """
    value, room[1] = room[1], None
    if value is None or size(value) > MAX_VALUES:
        raise TooManyValues
    room[0] += MAX_VALUES - USUAL_VALUES  # in objects of other kinds, too
    if room[0] < 0:
        raise TooManyValues


def size(value: Any, known: _Sizes | None = None) -> int:
    """How many values the dicts, lists and tuples in a value have; too many, if it has itself.

    Args:
        value: which is looked through in time proportional to the memory that it takes.
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
    known[id(value)] = value, MAX_VALUES + 1  # which stays for what is within itself
    total = len(value)
    for item in items:
        if type(item) not in _SCALARS:
            total += size(item, known)
    known[id(value)] = value, total
    return total


def is_bounded(record: dict[str, Any]) -> bool:
    """Whether whatever writes the record as JSON has a bounded number of values to write."""
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
