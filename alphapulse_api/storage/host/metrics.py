"""The adapter for a host's own metrics accessor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from copy import copy
from datetime import datetime, timedelta
from typing import Any, Final

from alphapulse_api.domain.books import Books
from alphapulse_api.domain.points import Place
from alphapulse_api.domain.times import now
from alphapulse_api.storage.host.calls import HostObject, page_of
from alphapulse_api.storage.metrics.scope import Scope
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import window_before

METRICS_WINDOW: Final = timedelta(hours=24)


class HostMetrics(HostObject):
    """A host's metrics."""

    _scope = Scope()

    def within(self, books: Books, *, prices: bool) -> HostMetrics:
        other = copy(self)
        other._scope = Scope(books, prices)
        return other

    async def _page(self, name: str, /, *args: Any, **query: Any) -> Page:
        page = await super()._page(name, *args, **query)
        if self._scope.mark is None:
            return page
        allows = self._scope.allows
        rows = [row for row in page if allows(row["metric_type"], row.get("labels") or {})]
        return page_of(rows, page.next_cursor)

    async def list_series(self, *args: Any, **query: Any) -> Page:
        return await self._page("list_series", *args, **query)

    async def get_metrics(
        self,
        metric_type: str,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        *args: Any,
        **query: Any,
    ) -> Page:
        # A host's accessor may not know parameters that have defaults.
        end = end_time or now()
        start = start_time or window_before(end, METRICS_WINDOW)
        return await self._page("get_metrics", metric_type, start, end, *args, **query)

    async def get_latest_metrics(self, *args: Any, **query: Any) -> Page:
        return await self._page("get_latest_metrics", *args, **query)

    async def latest_in_parts(
        self, metric_type: str | None = None, name: str | None = None
    ) -> AsyncIterator[Page]:
        query = {"name": name} if self._takes("get_latest_metrics", "name") and name else {}
        page = await self.get_latest_metrics(metric_type, **query)
        yield page_of([row for row in page if name in (None, row["name"])])

    async def add_points(
        self,
        points: Sequence[Mapping[str, Any]],
        *,
        events: bool = True,
        known: set[Place] | None = None,  # a host does not say
    ) -> int:
        # A new list of dicts, because the host may change it.
        return int(await self._call("add_points", list(points)))
