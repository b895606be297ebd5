"""Whole portfolios from the changes of their positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.client.values import PORTFOLIO, convert
from alphapulse_api.domain.derived import share

CHANGES: Final = "portfolio_changes"


class Folding:
    """Keeps the portfolio of each book that was sent last, and applies changes to it."""

    __slots__ = ("_positions",)

    def __init__(self) -> None:
        self._positions: dict[str | None, list[dict[str, Any]]] = {}  # by book

    def key_frame(self, portfolio: Mapping[str, Any]) -> None:
        """Begin with a whole portfolio, whose values are converted."""
        # Copies, because callers may change what they get.
        self._positions[portfolio.get("book")] = _copied(portfolio["positions"])

    def folded(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the whole portfolio after the changes in the data of a message."""
        changes = convert(data, PORTFOLIO)
        runs = changes.pop("runs")
        total: Decimal = changes["total_value"]
        before = self._positions[changes.get("book")]
        listed = [*before, *changes["positions"]]
        places = [place for start, length in runs for place in range(start, start + length)]
        positions = [
            {**listed[place], "weight": share(listed[place]["value"], total)}
            if place < len(before)
            else listed[place]
            for place in places
        ]
        self._positions[changes.get("book")] = positions
        return {**changes, "positions": _copied(positions)}


def _copied(positions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [dict(position) for position in positions]
