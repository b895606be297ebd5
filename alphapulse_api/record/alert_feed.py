"""The methods of a feed that raise and change alerts."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from alphapulse_api.domain.deeds import HOST, Actor
from alphapulse_api.domain.plain import plain
from alphapulse_api.domain.tags import tags_of
from alphapulse_api.record.calls import to_its_end
from alphapulse_api.record.completion import Stored, complete
from alphapulse_api.record.counting import one_record
from alphapulse_api.record.inputs import Extras, Record, Records, checked_alert_id, with_extras
from alphapulse_api.record.list_feed import ListFeed
from alphapulse_api.record.publishing import Publisher
from alphapulse_api.schemas.alerts import AlertRequest
from alphapulse_api.schemas.loading import load
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.stores import Written


class AlertFeed(ListFeed):
    """Raises and changes alerts; see `Feed`."""

    _accessors: Accessors
    _publisher: Publisher
    _alert: AlertRequest

    @one_record
    async def raise_alert(self, alert: Record, *, extras: Extras = "refuse") -> dict[str, Any]:
        """Store an alert and publish it; returns it as stored."""
        record = load(self._alert, with_extras(self._alert, alert, extras))
        server_set = complete(record, "created_at")
        self._books.place(record)
        await self._accessors.directory.check(record["book"])
        work = self._accessors.alerts.add_alert(record, server_set=server_set)
        stored, new = await self._publisher.stored(work, lambda: tags_of("alerts", (record,)))
        await self._publisher.published("alerts", [stored] if new else [])
        return Stored(stored, new)

    @to_its_end
    async def report_alerts(self, reports: Records) -> list[dict[str, Any]]:
        """Store another system's reports of its alerts, all or none.

        Args:
            reports: alerts with an `id`, a `created_at` (when the alert began to fire), and a
                `resolved_at` once it is resolved. A later `created_at` opens the alert again.

        Returns:
            Each alert as it is now.
        """

        def work(given: list[Any]) -> Awaitable[list[dict[str, Any]]]:
            return self._alerts.report(given, self._books)

        return await self._counted("report_alerts", reports, work)

    @one_record
    async def acknowledge_alert(
        self, alert_id: str, user: str, comments: str | None = None, *, actor: Actor = HOST
    ) -> dict[str, Any]:
        """Acknowledge an alert, once; returns it. Raises `NotFound`."""
        alert_id = checked_alert_id(alert_id)
        user, comments = plain(user), plain(comments)
        alerts = self._accessors.of(self._books).alerts
        return await self._change_alert(
            alerts.try_to_acknowledge(alert_id, user, comments, actor=actor)
        )

    @one_record
    async def resolve_alert(self, alert_id: str, *, actor: Actor = HOST) -> dict[str, Any]:
        """Resolve an alert, once; returns it. Raises `NotFound`."""
        alert_id = checked_alert_id(alert_id)
        alerts = self._accessors.of(self._books).alerts
        return await self._change_alert(alerts.try_to_resolve(alert_id, actor=actor))

    async def _change_alert(self, work: Awaitable[Written]) -> dict[str, Any]:
        books = [{"book": book} for book in self._books.ids or ()]
        alert, changed = await self._publisher.stored(work, lambda: tags_of("alerts", books))
        await self._publisher.published("alerts", [alert] if changed else [])
        return alert
