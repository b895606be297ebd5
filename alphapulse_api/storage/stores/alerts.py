"""The protocol of a store of alerts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from alphapulse_api.domain.deeds import HOST, Actor
from alphapulse_api.domain.errors import Conflict
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.stores.records import NONE_SET, Record, Written


class AlertStore(Protocol):
    """Alerts and their changes."""

    async def get_alerts(
        self,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        severity: Sequence[str] | None = None,
        acknowledged: bool | None = None,
        source: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        *,
        status: str | None = None,
        sort: str | None = None,
    ) -> Page:
        """One page, newest first unless `sort` is "asc"."""

    def unresolved_in_parts(
        self, severities: Collection[str] | None = None, sources: Collection[str] | None = None
    ) -> AsyncIterator[Page]:
        """All alerts that are not resolved, newest first, in pages; some may not match."""

    async def get_alert(self, alert_id: str) -> Record:
        """One alert; raises `NotFound`."""

    async def add_alert(
        self, alert: Mapping[str, Any], *, server_set: frozenset[str] = NONE_SET
    ) -> Written:
        """Store a validated alert; raises `Conflict`."""

    async def add_alerts(
        self,
        alerts: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
    ) -> list[Written]:
        """Store validated alerts; the arguments are those of `TradeStore.add_trades`."""

    async def report_alerts(self, reports: Sequence[Mapping[str, Any]]) -> list[Written]:
        """Store another system's reports of its alerts, all or none.

        Args:
            reports: alerts with an id and a `created_at`, and a `resolved_at` once resolved.

        Returns:
            Of each report the alert as it is now, and whether the report changed it.
        """

    async def try_to_acknowledge(
        self, alert_id: str, user: str, comments: str | None = None, *, actor: Actor = HOST
    ) -> Written:
        """Acknowledge an alert, unless it is acknowledged already; raises `NotFound`.

        Args:
            actor: who does it, for the audit log.
        """

    async def try_to_resolve(self, alert_id: str, *, actor: Actor = HOST) -> Written:
        """Resolve an alert, unless it is resolved already; raises `NotFound`."""
