"""The adapter for a host's own alerts accessor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

from alphapulse_api.domain.deeds import HOST, Actor
from alphapulse_api.domain.errors import Conflict
from alphapulse_api.storage.host.calls import HostObject, booked, each, in_main, page_of
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.stores import NONE_SET, Record, Written
from alphapulse_api.storage.tables.alert_changes import ACKNOWLEDGE, RESOLVE, Change
from alphapulse_api.storage.tables.audit import AuditDataAccessor


class HostAlerts(HostObject):
    """A host's alerts.

    Args:
        resource: the name of the resource.
        accessor: the host's object.
        audit: notes changes after the host has made them; the host's object has no transaction.
    """

    def __init__(self, resource: str, accessor: Any, audit: AuditDataAccessor) -> None:
        super().__init__(resource, accessor)
        self._audit = audit
        # One change at a time, because changes are found by comparing before and after.
        self._changing = asyncio.Lock()

    async def get_alerts(self, *args: Any, **query: Any) -> Page:
        return booked(await self._page("get_alerts", *args, **query))

    async def unresolved_in_parts(
        self, severities: Collection[str] | None = None, sources: Collection[str] | None = None
    ) -> AsyncIterator[Page]:
        # A host's accessor may not support these filters; the snapshot applies them too.
        page = await self.get_alerts()
        yield page_of([row for row in page if row["status"] != "resolved"])

    async def get_alert(self, alert_id: str) -> Record:
        return in_main(await self._call("get_alert", alert_id))

    async def add_alert(
        self, alert: Mapping[str, Any], *, server_set: frozenset[str] = NONE_SET
    ) -> Written:
        stored, new = await self._call("add_alert", self._of_main(alert))
        return in_main(stored), bool(new)

    async def add_alerts(
        self,
        alerts: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,  # it publishes none by itself
    ) -> list[Written]:
        return await each(self.add_alert, alerts, conflicts)

    async def report_alerts(self, reports: Sequence[Mapping[str, Any]]) -> list[Written]:
        stored = await self._call("report_alerts", list(map(self._of_main, reports)))
        return [(in_main(alert), changed) for alert, changed in stored]

    async def try_to_acknowledge(
        self, alert_id: str, user: str, comments: str | None = None, *, actor: Actor = HOST
    ) -> Written:
        return await self._change("acknowledge_alert", ACKNOWLEDGE, actor, alert_id, user, comments)

    async def try_to_resolve(self, alert_id: str, *, actor: Actor = HOST) -> Written:
        return await self._change("resolve_alert", RESOLVE, actor, alert_id)

    async def _change(
        self, name: str, change: Change, actor: Actor, alert_id: str, *args: Any
    ) -> Written:
        async with self._changing:
            before = None
            if hasattr(self._accessor, "get_alert"):
                before = await self.get_alert(alert_id)
            after = in_main(await self._call(name, alert_id, *args))
            changed = after != before
            if changed:
                await self._audit.add(change.deed(actor, after))
            return after, changed
