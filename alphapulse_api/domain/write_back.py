"""Portfolios that were read, changed and sent back: which of their values are computed again.

A program that changes a quantity and sends the whole portfolio back repeats the values that were
computed from the old quantity. They are computed again. A value that a sender stated itself, such
as that of an inverse contract, does not follow from the other fields, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import count
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.derived import DERIVED, valued
from alphapulse_api.domain.holdings import Holdings, position_of

REMEMBERED: Final = 1024  # positions
SIDES: Final = ("long", "short")

Position = Mapping[str, Any]


class Basis(NamedTuple):
    """The snapshot that a sender may have read before it sends another."""

    total_value: Decimal
    holdings: Holdings
    book: str

    def like(self, position: Position) -> Iterator[Position]:
        """Its positions of the same symbol; the side may have changed."""
        for side in SIDES:
            for rank in count():
                text = self.holdings.stored.get((position["symbol"], side, rank))
                if text is None:
                    break
                yield position_of(text, self.total_value)


class WriteBacks:
    """Leaves out of positions the computed values that their sender only repeats.

    A request that is sent twice has the same result: the last positions in which values were left
    out are remembered.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], tuple[Position, Decimal, frozenset[str]]] = {}

    def current(self, position: Position, total_value: Decimal, basis: Basis | None) -> Position:
        """The position without the values that only repeat what was computed for the basis.

        Args:
            position: validated.
            total_value: of the snapshot that has the position.
            basis: the snapshot that the sender may have read; None if there is none.
        """
        if basis is None or DERIVED.isdisjoint(position):
            return position
        key = basis.book, position["symbol"], position["side"]
        sent, total, names = self._known.get(key, (None, None, frozenset[str]()))
        if sent != position or total != total_value:
            names = frozenset[str]()
            for before in basis.like(position):
                names |= _repeated(position, total_value, before, basis.total_value)
            if not names:
                return position
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = position, total_value, names
        return _without(position, names)


def _repeated(
    position: Position, total_value: Decimal, before: Position, total_before: Decimal
) -> frozenset[str]:
    """The computed values of an earlier position that a position repeats although they changed."""
    same = {
        name
        for name in DERIVED
        if position.get(name) is not None and position[name] == before.get(name)
    }
    names = frozenset(
        name
        for name in same
        if valued(_without(before, {name}), total_before)[name] == before[name]
    )
    if not names:
        return names
    now = valued(_without(position, names), total_value)
    # An amount that still holds keeps the digits that were sent.
    return frozenset(name for name in names if now[name] != position[name])


def _without(position: Position, names: frozenset[str] | set[str]) -> Position:
    return {name: value for name, value in position.items() if name not in names}
