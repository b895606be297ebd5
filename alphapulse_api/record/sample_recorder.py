"""Records lists of system samples, as a batch or imported."""

from __future__ import annotations

from typing import Any, ClassVar

from alphapulse_api.record.batch_recorder import AddAll, BatchRecorder
from alphapulse_api.record.completion import set_time
from alphapulse_api.record.recorder import Resources
from alphapulse_api.schemas.imports import ImportedSample
from alphapulse_api.schemas.system import SystemSampleRequest


class SampleRecorder(BatchRecorder):
    """Records lists of system samples."""

    resource: ClassVar = "system"
    booked: ClassVar = False

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources, SystemSampleRequest, ImportedSample)

    def _complete(self, record: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
        return record, set_time(record, "timestamp")

    @property
    def _add_all(self) -> AddAll:
        return self._accessors.system.add_samples
