"""Imports an equity curve: checks and stores its points as snapshots, without an event for each.

Subscribers read the portfolio again after its `resync`. The newest point becomes the current
portfolio, unless there is a newer snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from alphapulse_api.domain.tags import tags_of
from alphapulse_api.record.recorder import Recorder, Resources
from alphapulse_api.runtime.slices import Steps
from alphapulse_api.schemas.imports import EquityPoint
from alphapulse_api.schemas.loading import load, loading
from alphapulse_api.schemas.portfolio import Currency


class EquityRecorder(Recorder):
    """Records equity curves."""

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self._points = resources.clocked(EquityPoint(many=True))
        self._currency = Currency()

    async def record_equity(
        self, points: list[Any], book: str, currency: str | None, last: bool
    ) -> int:
        """Store points of an equity curve as snapshots, all or none; returns how many are new."""
        await self._accessors.directory.check(book)
        if currency is None:
            currency = await self._accessors.directory.currency(book) or "USD"
        code = load(self._currency, {"currency": currency})["currency"]
        loaded = await self._slices.run(loading(self._points, points))
        snapshots = await self._slices.run(_snapshots(loaded, book, code))
        work = self._accessors.portfolio.add_history(snapshots, last=last)
        new = await self._publisher.stored(work, lambda: tags_of("portfolio", [{"book": book}]))
        await self._publisher.published("portfolio")
        if last:
            await self.resync()
        return new

    async def resync(self) -> None:
        """Make the subscribers of the portfolio read it and its history again."""
        await self._publisher.resync("portfolio")


def _snapshots(
    points: Sequence[dict[str, Any]], book: str, currency: str
) -> Steps[list[dict[str, Any]]]:
    """Points of an equity curve as snapshots without positions.

    Without `cash`, it is the total less `positions_value`, which is 0 if it is missing too.
    """
    snapshots = []
    for number, point in enumerate(points):
        total = point["total_value"]
        cash = point.get("cash")
        worth = point.get("positions_value")
        if cash is None:
            cash = total if worth is None else total - worth
        snapshots.append(
            {
                "book": book,
                "as_of": point["timestamp"],
                "total_value": total,
                "cash": cash,
                "positions_value": Decimal(0) if worth is None else worth,
                "currency": currency,
                "positions": [],
                "performance": {},
            }
        )
        if number % 50 == 0:
            yield
    return snapshots
