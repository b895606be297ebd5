"""The way of trades: checked, completed, stored, published; alone, as a list, or as a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.domain.tags import tags_of
from alphapulse_api.record.batches import Refused, loading_each, outcomes_of, result_of
from alphapulse_api.record.completion import Stored, complete_trade, completing_trades
from alphapulse_api.record.inputs import Extras, Record, with_extras
from alphapulse_api.record.recorder import Recorder, Resources
from alphapulse_api.runtime.slices import releasing
from alphapulse_api.schemas.batches import STOP
from alphapulse_api.schemas.loading import Refusal, load, loading
from alphapulse_api.schemas.trades import TradeRequest
from alphapulse_api.storage.stores import Written


class TradeRecorder(Recorder):
    """Records trades."""

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self._one = resources.clocked(TradeRequest())
        self._many = resources.clocked(TradeRequest(many=True))

    async def record(self, trade: Record, extras: Extras) -> Stored:
        """Record one trade; returns it as stored."""
        loaded = load(self._one, with_extras(self._one, trade, extras))
        record, server_set = complete_trade(loaded)
        ((stored, new),) = await self._store([record], [server_set], one=True)
        return Stored(stored, new)

    async def record_all(self, trades: list[Any], extras: Extras) -> list[dict[str, Any]]:
        """Record all trades of a list or none; returns them as stored."""
        given = self._given(trades, extras)
        records = await self._slices.run(loading(self._many, given))
        server_set = await self._slices.run(completing_trades(records))
        stored = await self._store(records, server_set)
        await self._slices.run(releasing(records))
        return [trade for trade, _ in stored]

    async def record_batch(
        self, trades: list[Any], on_error: str, extras: Extras
    ) -> dict[str, Any]:
        """Record trades and report on each: the answer of `BatchResult`."""
        given = self._given(trades, extras)
        refused: Refused = {}
        positions: Sequence[int]
        if on_error == STOP:
            records = await self._slices.run(loading(self._many, given))
            positions = range(len(records))
        else:
            loaded = await self._slices.run(loading_each(self._one, given, refused))
            positions, records = list(loaded), list(loaded.values())
            loaded.clear()
        server_set = await self._slices.run(completing_trades(records))
        conflicts: dict[int, Conflict] = {}
        stored = await self._store(records, server_set, None if on_error == STOP else conflicts)
        await self._slices.run(releasing(records))
        refused.update((positions[n], Refusal.of(conflict)) for n, conflict in conflicts.items())
        results = await self._slices.run(outcomes_of(positions, stored))
        await self._slices.run(releasing(stored))
        return await self._slices.run(result_of(len(given), refused, results))

    def _given(self, trades: list[Any], extras: Extras) -> list[Any]:
        if extras == "refuse":
            return trades
        return [with_extras(self._one, trade, extras) for trade in trades]

    async def _store(
        self,
        records: Sequence[dict[str, Any]],
        server_set: Sequence[frozenset[str]],
        conflicts: dict[int, Conflict] | None = None,
        *,
        one: bool = False,
    ) -> list[Written]:
        """Each trade as stored, and whether it is new; see `TradeStore.add_trades`."""
        work = self._accessors.trades.add_trades(
            records, server_set=server_set, one=one or conflicts is not None, conflicts=conflicts
        )
        stored = await self._publisher.stored(work, lambda: tags_of("trades", records))
        new = (trade for n, (trade, new) in enumerate(stored) if new and n not in (conflicts or ()))
        await self._publisher.published("trades", new)
        return stored
