"""The protocol of a store of samples of the system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.stores.records import Written


class SystemStore(Protocol):
    """Samples of the system's components."""

    async def get_system(
        self,
        component: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """One page, oldest first."""

    async def add_sample(self, sample: Mapping[str, Any]) -> Written:
        """Store a validated sample; returns whether it replaced none."""

    async def add_samples(
        self,
        samples: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
    ) -> list[Written]:
        """Store validated samples; the arguments are those of `TradeStore.add_trades`."""
