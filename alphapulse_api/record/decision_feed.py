"""The methods of a feed that record decisions, and what thinking cost."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from alphapulse_api.record.calls import to_its_end
from alphapulse_api.record.counting import one_record
from alphapulse_api.record.decision_recorder import DecisionRecorder
from alphapulse_api.record.inputs import Extras, Record, Records
from alphapulse_api.record.list_feed import ListFeed
from alphapulse_api.record.usage_recorder import UsageRecorder
from alphapulse_api.schemas.batches import STOP


class DecisionFeed(ListFeed):
    """Records decisions and usage; see `Feed`."""

    _decisions: DecisionRecorder
    _usage: UsageRecorder

    @one_record
    async def record_usage(self, usage: Record, *, extras: Extras = "refuse") -> dict[str, Any]:
        """Store calls of a model that no signal and no decision states; returns the record."""
        return await self._usage.record_one(usage, self._books, extras)

    @to_its_end
    async def record_usage_batch(
        self, usage: Records, *, on_error: str = STOP, extras: Extras = "refuse"
    ) -> dict[str, Any]:
        """Store up to 10000 such records and report on each, as `record_trades_batch` does."""

        def work(given: list[Any]) -> Awaitable[dict[str, Any]]:
            return self._usage.record_batch(given, self._books, on_error, extras)

        return await self._counted("record_usage_batch", usage, work, on_error)

    @to_its_end
    async def record_spans(self, spans: list[dict[str, Any]]) -> list[str]:
        """Store calls of models that were decoded from spans; returns why some were refused."""
        return await self._usage.record_spans(spans, self._books)

    @one_record
    async def record_decision(
        self, decision: Record, *, extras: Extras = "refuse"
    ) -> dict[str, Any]:
        """Store a decision, with the `signals` and `trades` in it; returns it as stored.

        The signals and trades that it names may be recorded before or after it.

        Raises:
            Ring: if it would correct itself, by way of other corrections.
        """
        return await self._decisions.record_one(decision, self._books, extras)

    @to_its_end
    async def record_decisions_batch(
        self, decisions: Records, *, on_error: str = STOP, extras: Extras = "refuse"
    ) -> dict[str, Any]:
        """Store up to 10000 decisions and report on each, as `record_trades_batch` does.

        A decision is stored with its `signals` and `trades`, or not at all.
        """

        def work(given: list[Any]) -> Awaitable[dict[str, Any]]:
            return self._decisions.record_batch(given, self._books, on_error, extras)

        return await self._counted("record_decisions_batch", decisions, work, on_error)

    @to_its_end
    async def import_decisions(
        self, decisions: Records, *, extras: Extras = "refuse", last: bool = False
    ) -> int:
        """Store one batch of past decisions, each with its `made_at`.

        Args:
            decisions: the records.
            extras: what becomes of unknown fields.
            last: as `import_trades` takes it.

        Returns:
            How many decisions are new.
        """

        def work(given: list[Any]) -> Awaitable[int]:
            return self._decisions.record_past(given, self._books, extras, last)

        return await self._counted("import_decisions", decisions, work)
