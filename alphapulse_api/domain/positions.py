"""Positions as changes: the difference between two lists of positions, and how to apply it.

A position is identified by its symbol, its side, and its rank among positions with the same two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Key = tuple[str, str, int]
"""Symbol, side, and the rank among the positions that have both, from 0."""


def keys_of(positions: Iterable[Mapping[str, Any]]) -> list[Key]:
    """The key of each position."""
    keys: list[Key] = []
    seen: dict[tuple[str, str], int] = {}
    for position in positions:
        symbol, side = position["symbol"], position.get("side", "long")
        rank = seen.get((symbol, side), 0)
        seen[symbol, side] = rank + 1
        keys.append((symbol, side, rank))
    return keys


@dataclass(frozen=True, slots=True)
class Changes(Generic[T]):
    """The difference between two lists of positions.

    The natural order is: the positions that stay, in their order, then those that are new.

    Attributes:
        changed: the content of each position that is new or different, in the order of the result.
        removed: the keys of positions that no longer exist.
        order: the order of the result as runs of the natural order, each with its start and length;
            empty if it is the natural order.
    """

    changed: Mapping[Key, T]
    removed: Sequence[Key]
    order: Sequence[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.changed) + len(self.removed) + len(self.order)


def changes(before: Mapping[Key, T], after: Mapping[Key, T]) -> Changes[T]:
    """The changes that turn `before` into `after`.

    Args:
        before: the content of each position, in order; contents are compared by `==`.
        after: the content of each later position, likewise.
    """
    absent = object()
    changed = {key: content for key, content in after.items() if before.get(key, absent) != content}
    removed = [key for key in before if key not in after]
    natural = _natural(before, changed, removed)
    if list(natural) == list(after):
        return Changes(changed, removed, ())
    places = {key: place for place, key in enumerate(natural)}
    runs: list[tuple[int, int]] = []
    for key in after:
        place = places[key]
        if runs and place == sum(runs[-1]):
            runs[-1] = runs[-1][0], runs[-1][1] + 1
        else:
            runs.append((place, 1))
    return Changes(changed, removed, runs)


def applied(before: Mapping[Key, T], changes: Changes[T]) -> dict[Key, T]:
    """`before` with the changes applied."""
    natural = _natural(before, changes.changed, changes.removed)
    if not changes.order:
        return natural
    items = list(natural.items())
    return dict(item for start, length in changes.order for item in items[start : start + length])


def _natural(
    before: Mapping[Key, T], changed: Mapping[Key, T], removed: Iterable[Key]
) -> dict[Key, T]:
    natural = dict(before)
    for key in removed:
        del natural[key]
    natural.update(changed)
    return natural
