"""Records trades: checks, completes, stores and publishes one, a list or a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from alphapulse_api.domain.books import Books
from alphapulse_api.domain.errors import Conflict
from alphapulse_api.record.batch_recorder import AddAll, BatchRecorder
from alphapulse_api.record.completion import complete_trade
from alphapulse_api.record.inputs import Extras
from alphapulse_api.record.recorder import Resources
from alphapulse_api.runtime.slices import releasing
from alphapulse_api.schemas.imports import ImportedTrade
from alphapulse_api.schemas.loading import loading
from alphapulse_api.schemas.trades import TradeRequest
from alphapulse_api.storage.stores import Written


class TradeRecorder(BatchRecorder):
    """Records trades."""

    resource: ClassVar = "trades"

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources, TradeRequest, ImportedTrade)

    async def record_all(
        self, trades: list[Any], books: Books, extras: Extras
    ) -> list[dict[str, Any]]:
        """Record all trades of a list or none; returns them as stored."""
        given = self._given(trades, extras)
        records = await self._slices.run(loading(self._many, given))
        server_set = await self._slices.run(self._completing(records, books))
        await self._check_books(records)
        stored = await self._store(records, server_set)
        await self._slices.run(releasing(records))
        return [trade for trade, _ in stored]

    def _complete(self, record: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
        return complete_trade(record)

    @property
    def _add_all(self) -> AddAll:
        return self._add

    async def _add(
        self,
        records: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]],
        conflicts: dict[int, Conflict] | None,
        events: bool,
    ) -> list[Written]:
        return await self._accessors.trades.add_trades(
            records, server_set=server_set, one=conflicts is not None, conflicts=conflicts,
            events=events,
        )  # fmt: skip
