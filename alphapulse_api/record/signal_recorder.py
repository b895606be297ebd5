"""The way of signals in lists: checked, completed, stored; as a batch, or imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.record.batch_recorder import BatchRecorder
from alphapulse_api.record.completion import complete
from alphapulse_api.record.recorder import Resources
from alphapulse_api.runtime.slices import Steps
from alphapulse_api.schemas.agents import SignalRequest
from alphapulse_api.schemas.imports import ImportedSignal
from alphapulse_api.storage.stores import Written


class SignalRecorder(BatchRecorder):
    """Records lists of signals."""

    resource: ClassVar = "agents"

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources, SignalRequest, ImportedSignal)

    def _completing(self, records: list[dict[str, Any]]) -> Steps[list[frozenset[str]]]:
        server_set = []
        for record in records:
            server_set.append(complete(record, "timestamp"))
            yield
        return server_set

    async def _add(
        self,
        records: Sequence[Mapping[str, Any]],
        server_set: Sequence[frozenset[str]],
        conflicts: dict[int, Conflict] | None,
        *,
        events: bool,
    ) -> list[Written]:
        return await self._accessors.agents.add_signals(
            records, server_set=server_set, conflicts=conflicts, events=events
        )
