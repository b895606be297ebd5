"""Items of a list that were sent before, and what was made of them.

Whoever sends the same list again and again, as a portfolio's positions, changes little of it. An
item that is the same as in the last list is not checked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

# Equal representations of these are equal values, with every digit.
_TYPES: Final = frozenset({str, int, float, bool, Decimal, type(None)})
_NAMES: Final = frozenset({str})


class Item(dict[str, Any]):
    """A valid item.

    Attributes:
        derived: what was made of it, for whoever made it.
    """

    __slots__ = ("derived",)

    def __init__(self, item: Mapping[str, Any]) -> None:
        super().__init__(item)
        self.derived: Any = None


class Remembered:
    """The items of the list that was loaded last, by what was sent."""

    __slots__ = ("_items",)

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def __repr__(self) -> str:
        return f"<Remembered items={len(self._items)}>"

    def next(self) -> Following:
        """What to load the next list with."""
        return Following(self, self._items)

    def replace(self, items: dict[str, Item]) -> None:
        """Remember these items instead."""
        self._items = items


class Following:
    """The items of a list while it is loaded.

    Args:
        remembered: what it replaces in the end.
        known: the items of the list before.
    """

    __slots__ = ("_items", "_known", "_remembered", "_sent")

    def __init__(self, remembered: Remembered, known: Mapping[str, Item]) -> None:
        self._remembered = remembered
        self._known = known
        self._items: dict[str, Item] = {}
        self._sent = ""

    def known(self, sent: Any) -> Item | None:
        """The item that is the same as one of the list before."""
        self._sent = ""
        if (
            type(sent) is not dict
            or not _TYPES.issuperset(map(type, sent.values()))
            or not _NAMES.issuperset(map(type, sent))
        ):
            return None
        self._sent = repr(sent)
        if (item := self._known.get(self._sent)) is not None:
            self._items[self._sent] = item
        return item

    def loaded(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """Remember what was made of the value that `known` was asked for last."""
        if not self._sent:
            return value
        item = self._items[self._sent] = Item(value)
        return item

    def end(self) -> None:
        """The list is complete."""
        self._remembered.replace(self._items)
