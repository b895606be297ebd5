"""The protocol of a store of decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from alphapulse_api.storage.page import Page
from alphapulse_api.storage.stores.records import Record, Written


class DecisionStore(Protocol):
    """Decisions, which are never changed."""

    async def get_decisions(
        self,
        agent_id: str | None = None,
        symbol: str | None = None,
        cycle_id: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
        sort: str | None = None,
        *,
        in_full: bool = False,
    ) -> Page:
        """One page, in the order of `get_trades`; with `in_full`, with their `reasoning`."""

    async def get_decision(self, decision_id: str, expand: Collection[str] = ()) -> Record:
        """One decision, with its `reasoning` and the parts to expand; raises `NotFound`."""

    async def explain_trade(self, trade_id: str) -> Record:
        """One trade, with its decision, the signals of that, and the links that lead nowhere."""

    async def add_decisions(
        self,
        decisions: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]],
        one: bool = False,
        events: bool = True,
    ) -> list[Written]:
        """Store completed decisions with their signals and trades, all of them or none.

        Args:
            decisions: their `signals` and `trades` are pairs of a completed record and the fields
                that the server set in it.
            server_set: for each decision, the fields that the server set.
            one: whether the sender sent a single decision; errors then point at "/id".
            events: whether what is new is published.

        Raises:
            Conflict: if an id exists with other content.
            Ring: if a correction would correct itself.
        """
