"""Records calls of models that were reported by themselves."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from alphapulse_api.domain.books import Books
from alphapulse_api.domain.errors import NotFound, ValidationProblem
from alphapulse_api.domain.tags import tags_of
from alphapulse_api.domain.times import now
from alphapulse_api.record.batch_recorder import AddAll, BatchRecorder
from alphapulse_api.record.batches import Refused, loading_each
from alphapulse_api.record.completion import complete
from alphapulse_api.record.recorder import Resources
from alphapulse_api.schemas.usage import UsageRecordRequest

MAX_REASON: Final = 200  # characters


class UsageRecorder(BatchRecorder):
    """Records calls of models."""

    resource: ClassVar = "usage"

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources, UsageRecordRequest, UsageRecordRequest)

    async def record_spans(self, spans: list[dict[str, Any]], books: Books) -> list[str]:
        """Store calls of models that were decoded from spans of traces.

        A span that is stored already is left as it is. An invalid one is refused alone.

        Args:
            spans: records, not checked yet.
            books: that they may be in.

        Returns:
            Why spans were refused, a text for each.
        """
        refused: Refused = {}
        loaded = await self._slices.run(loading_each(self._one, spans, refused))
        reasons = [f"{spans[n]['id']}: {refusal.error}" for n, refusal in refused.items()]
        records = []
        for record in loaded.values():
            try:
                books.place(record)
                await self._accessors.directory.check(record["book"])
            except (NotFound, ValidationProblem) as error:
                reasons.append(f"{record['id']}: {error.detail}")
                continue
            records.append({**record, "received_at": now(), "span": True})
        if records:
            work = self._accessors.usage.add_usage(records, conflicts={})
            await self._publisher.stored(work, lambda: tags_of("usage", records))
            await self._publisher.published("usage")
        return [reason[:MAX_REASON] for reason in reasons]

    def _complete(self, record: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
        server_set = complete(record, "timestamp")
        record["received_at"] = now()
        return record, server_set

    @property
    def _add_all(self) -> AddAll:
        return self._accessors.usage.add_usage
