"""Records lists of signals, as a batch or imported."""

from __future__ import annotations

from typing import Any, ClassVar

from alphapulse_api.record.batch_recorder import AddAll, BatchRecorder
from alphapulse_api.record.completion import complete
from alphapulse_api.record.recorder import Resources
from alphapulse_api.schemas.agents import SignalRequest
from alphapulse_api.schemas.imports import ImportedSignal


class SignalRecorder(BatchRecorder):
    """Records lists of signals."""

    resource: ClassVar = "agents"

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources, SignalRequest, ImportedSignal)

    def _complete(self, record: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
        return record, complete(record, "timestamp")

    @property
    def _add_all(self) -> AddAll:
        return self._accessors.agents.add_signals
