"""Records signals: one, a batch, or imported ones."""

from __future__ import annotations

from typing import Any, ClassVar

from alphapulse_api.domain.books import Books
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.tags import tags_of
from alphapulse_api.record.batch_recorder import AddAll, BatchRecorder
from alphapulse_api.record.completion import Stored, complete_signal
from alphapulse_api.record.inputs import Extras, Record, with_extras
from alphapulse_api.record.recorder import Resources
from alphapulse_api.schemas.imports import ImportedSignal
from alphapulse_api.schemas.loading import load
from alphapulse_api.schemas.signals import SignalRequest


class SignalRecorder(BatchRecorder):
    """Records signals."""

    resource: ClassVar = "agents"
    logged: ClassVar = "signals"

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources, SignalRequest, ImportedSignal)

    async def record(self, agent_id: str, signal: Record, books: Books, extras: Extras) -> Stored:
        """Record a signal of an agent; returns it as stored."""
        record = load(self._one, with_extras(self._one, signal, extras))
        if record.setdefault("agent_id", agent_id) != agent_id:
            raise ValidationProblem(
                [{"pointer": "/agent_id", "detail": f"Must be {agent_id!r}, as in the path."}]
            )
        books.place(record)
        await self._accessors.directory.check(record["book"])
        server_set = complete_signal(record)
        work = self._accessors.agents.add_signal(record, server_set=server_set)
        stored, new = await self._publisher.stored(work, lambda: tags_of("agents", (record,)))
        await self._publisher.published("agents", [stored] if new else [], channel=self.logged)
        return Stored(stored, new)

    def _complete(self, record: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
        return record, complete_signal(record)

    @property
    def _add_all(self) -> AddAll:
        return self._accessors.agents.add_signals
