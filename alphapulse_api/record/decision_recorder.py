"""Records decisions with their signals and trades: one, a batch, or imported ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.record.batch_recorder import AddAll, BatchRecorder
from alphapulse_api.record.completion import complete_decision
from alphapulse_api.record.recorder import Resources
from alphapulse_api.schemas.decisions import DecisionRequest, ImportedDecision
from alphapulse_api.storage.stores import Written

ABREAST: Final = 100  # transactions that share a commit


class DecisionRecorder(BatchRecorder):
    """Records decisions."""

    resource: ClassVar = "decisions"

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources, DecisionRequest, ImportedDecision)

    def _complete(self, record: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
        return record, complete_decision(record)

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
        store = self._accessors.decisions
        try:
            if conflicts is None or len(records) > 1:
                return await store.add_decisions(records, server_set=server_set, events=events)
        except Conflict:
            if conflicts is None:
                raise

        # A decision is stored with its signals and trades or not at all, so each is a transaction.
        async def add(index: int) -> Written:
            record = records[index]
            try:
                (written,) = await store.add_decisions(
                    [record], server_set=[server_set[index]], one=True, events=events
                )
            except Conflict as conflict:
                conflicts[index] = conflict
                return dict(record), False
            return written

        stored: list[Written] = []
        for begin in range(0, len(records), ABREAST):
            some = range(begin, min(begin + ABREAST, len(records)))
            stored += await asyncio.gather(*map(add, some))
        return stored
