"""The way of system samples in lists: checked, completed, stored; as a batch, or imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.record.batch_recorder import BatchRecorder
from alphapulse_api.record.completion import set_time
from alphapulse_api.record.recorder import Resources
from alphapulse_api.runtime.slices import Steps
from alphapulse_api.schemas.imports import ImportedSample
from alphapulse_api.schemas.system import SystemSampleRequest
from alphapulse_api.storage.stores import Written


class SampleRecorder(BatchRecorder):
    """Records lists of system samples."""

    resource: ClassVar = "system"

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources, SystemSampleRequest, ImportedSample)

    def _completing(self, records: list[dict[str, Any]]) -> Steps[list[frozenset[str]]]:
        server_set = []
        for record in records:
            server_set.append(set_time(record, "timestamp"))
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
        return await self._accessors.system.add_samples(
            records, server_set=server_set, conflicts=conflicts, events=events
        )
