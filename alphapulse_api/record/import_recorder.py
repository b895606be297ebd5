"""Imports history: checked, completed and stored like other records, but not published one by one.

Whoever watches reads the history again after a `resync` of the trades. The newest point of an
equity curve becomes the current portfolio, if nothing newer is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from alphapulse_api.domain.tags import tags_of
from alphapulse_api.record.completion import completing_trades
from alphapulse_api.record.inputs import Extras, with_extras
from alphapulse_api.record.recorder import Recorder, Resources
from alphapulse_api.runtime.slices import Steps
from alphapulse_api.schemas.imports import EquityPoint, ImportedTrade
from alphapulse_api.schemas.loading import load, loading
from alphapulse_api.schemas.portfolio import Currency


class ImportRecorder(Recorder):
    """Records history."""

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self._points = resources.clocked(EquityPoint(many=True))
        self._trades = resources.clocked(ImportedTrade(many=True))
        self._currency = Currency()

    async def record_trades(self, trades: list[Any], extras: Extras, last: bool) -> int:
        """Store trades, all or none; returns how many are new."""
        if extras != "refuse":
            trades = [with_extras(self._trades, trade, extras) for trade in trades]
        records = await self._slices.run(loading(self._trades, trades))
        server_set = await self._slices.run(completing_trades(records))
        work = self._accessors.trades.add_trades(records, server_set=server_set, events=False)
        stored = await self._publisher.stored(work, lambda: tags_of("trades", records))
        await self._publisher.published("trades")
        if last:
            await self._publisher.resync("trades")
        return sum(new for _, new in stored)

    async def record_equity(self, points: list[Any], currency: str, last: bool) -> int:
        """Store points of an equity curve as snapshots, all or none; returns how many are new."""
        code = load(self._currency, {"currency": currency})["currency"]
        loaded = await self._slices.run(loading(self._points, points))
        snapshots = await self._slices.run(_snapshots(loaded, code))
        work = self._accessors.portfolio.add_history(snapshots, last=last)
        new = await self._publisher.stored(work, lambda: ("portfolio",))
        await self._publisher.published("portfolio")
        return new


def _snapshots(points: Sequence[dict[str, Any]], currency: str) -> Steps[list[dict[str, Any]]]:
    """Points of an equity curve as snapshots without positions; what is not cash is unknown."""
    snapshots = []
    for number, point in enumerate(points):
        total = point["total_value"]
        cash = point.get("cash")
        worth = point.get("positions_value")
        if cash is None:
            cash = total if worth is None else total - worth
        snapshots.append(
            {
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
