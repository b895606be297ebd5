"""Remembers the items of the last list that was loaded, and the results of checking them.

A client that sends a list again and again, such as a portfolio's positions, changes little of it.
An item that is the same as in the last list is not checked again. Of a changed item, only the
changed fields are checked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from marshmallow import Schema, ValidationError, missing

# Equal representations of these are equal values, with every digit.
_TYPES: Final = frozenset({str, int, float, bool, Decimal, type(None)})
_NAMES: Final = frozenset({str})


class Item(dict[str, Any]):
    """A valid item.

    Attributes:
        derived: values that other code has computed from the item.
    """

    __slots__ = ("derived",)

    def __init__(self, item: Mapping[str, Any]) -> None:
        super().__init__(item)
        self.derived: Any = None


class Kept(NamedTuple):
    """An item, and the input that it was made of."""

    sent: dict[str, Any]
    item: Item


class Remembered:
    """The items of the list that was loaded last, by their input.

    Args:
        schema: the schema of an item, which has no checks between fields.
        key: the fields by which a changed item of the next list is recognized.
    """

    __slots__ = ("_by_key", "_by_text", "_key", "_schema")

    def __init__(self, schema: Schema, key: tuple[str, ...]) -> None:
        self._schema = schema
        self._key = key
        self._by_text: dict[str, Kept] = {}
        self._by_key: dict[tuple[Any, ...], Kept] | None = None

    def __repr__(self) -> str:
        return f"<Remembered items={len(self._by_text)}>"

    def next(self) -> Following:
        """The state for loading the next list."""
        return Following(self)

    def known(self, sent: dict[str, Any], text: str) -> Kept | None:
        """The item for this input, if the last list had the same item, or one with a few changes.

        Args:
            sent: the input, whose names and values have plain types.
            text: its representation.
        """
        return self._by_text.get(text) or self._changed(sent)

    def replace(self, by_text: dict[str, Kept]) -> None:
        """Remember these items instead."""
        self._by_text = by_text
        self._by_key = None

    def _changed(self, sent: dict[str, Any]) -> Kept | None:
        if self._by_key is None:
            self._by_key = {self._key_of(kept.sent): kept for kept in self._by_text.values()}
        before = self._by_key.get(self._key_of(sent))
        if before is None or before.sent.keys() != sent.keys():
            return None
        fields = self._schema.load_fields
        values = dict(before.item)
        try:
            for name, value in sent.items():
                if not _same(value, before.sent[name]):
                    values[name] = fields[name].deserialize(value, name, sent)
                    if values[name] is missing:
                        return None
        except (KeyError, ValidationError):
            return None  # the schema says what is wrong
        return Kept(dict(sent), Item(values))

    def _key_of(self, sent: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple([sent.get(name) for name in self._key])


class Following:
    """The items of a list while it is loaded.

    Args:
        remembered: the items that it replaces at the end.
    """

    __slots__ = ("_by_text", "_remembered", "_text")

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered
        self._by_text: dict[str, Kept] = {}
        self._text = ""

    def known(self, sent: Any) -> Item | None:
        """The item for this input, if the last list had it, perhaps with a few other fields."""
        self._text = ""
        if (
            type(sent) is not dict
            or not _TYPES.issuperset(map(type, sent.values()))
            or not _NAMES.issuperset(map(type, sent))
        ):
            return None
        self._text = repr(sent)
        if (kept := self._remembered.known(sent, self._text)) is None:
            return None
        self._by_text[self._text] = kept
        return kept.item

    def loaded(self, sent: Any, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """Remember the result for the value that `known` was asked for last."""
        if not self._text:
            return value
        item = Item(value)
        # Keep a copy: a host may change its record and send it again.
        self._by_text[self._text] = Kept(dict(sent), item)
        return item

    def end(self) -> None:
        """Called when the list is complete."""
        self._remembered.replace(self._by_text)


def _same(one: Any, other: Any) -> bool:
    """Whether two values of plain types have the same representation."""
    kind = type(one)
    if kind is not type(other) or one != other:
        return False
    if kind is Decimal:
        return str(one) == str(other)
    return kind is not float or math.isfinite(one)
