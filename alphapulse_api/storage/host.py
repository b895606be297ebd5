"""Adapters: a host's own accessor as a store of ours.

A host's object needs only the methods that are called, with only the parameters that it serves. It
has no outbox, and it does not say whether it changed anything.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from alphapulse_api.domain.errors import NOT_IMPLEMENTED, Conflict, Problem, ValidationProblem
from alphapulse_api.domain.times import now
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import window_before
from alphapulse_api.storage.stores import NONE_SET, Record, Written

METRICS_WINDOW: Final = timedelta(hours=24)


class _HostObject:
    """Base of the adapters: calls the methods of a host's object.

    Args:
        resource: the name of its resource.
        accessor: the object.
    """

    def __init__(self, resource: str, accessor: Any) -> None:
        self._resource = resource
        self._accessor = accessor

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._accessor!r}>"

    def _method(self, name: str) -> Callable[..., Any]:
        """A method of the object.

        Raises:
            Problem: 501, if it does not have the method.
        """
        found: Callable[..., Any] | None = getattr(self._accessor, name, None)
        if found is None:
            raise Problem(
                NOT_IMPLEMENTED,
                f"The host's own {self._resource} accessor has no method {name}; "
                "it can be added there.",
            )
        return found

    def _takes(self, name: str, parameter: str) -> bool:
        return not _not_taken(self._method(name), [parameter])

    async def _call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """The result of a method.

        Raises:
            Problem: 501, if the object does not have the method.
            ValidationProblem: naming the parameters that the method does not take.
        """
        method = self._method(name)
        if strangers := _not_taken(method, kwargs):
            detail = "The host's own accessor does not know this parameter."
            raise ValidationProblem([{"parameter": n, "detail": detail} for n in strangers])
        return await method(*args, **kwargs)

    async def _page(self, name: str, /, *args: Any, **kwargs: Any) -> Page:
        """The rows that a method returns, as a page; raises as `_call` does."""
        rows = await self._call(name, *args, **kwargs)
        return rows if isinstance(rows, Page) else _page_of(rows)


class HostMetrics(_HostObject):
    """A host's metrics."""

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
        yield _page_of([row for row in page if name in (None, row["name"])])

    async def add_points(self, points: Sequence[Mapping[str, Any]], *, events: bool = True) -> int:
        # A new list of dicts, because the host may change it.
        return int(await self._call("add_points", list(points)))


class HostAlerts(_HostObject):
    """A host's alerts."""

    def __init__(self, resource: str, accessor: Any) -> None:
        super().__init__(resource, accessor)
        # One change at a time, because changes are found by comparing before and after.
        self._changing = asyncio.Lock()

    async def get_alerts(self, *args: Any, **query: Any) -> Page:
        return await self._page("get_alerts", *args, **query)

    async def unresolved_in_parts(
        self, severities: Collection[str] | None = None, sources: Collection[str] | None = None
    ) -> AsyncIterator[Page]:
        # A host's accessor need not know these filters; the snapshot applies them too.
        page = await self.get_alerts()
        yield _page_of([row for row in page if row["status"] != "resolved"])

    async def get_alert(self, alert_id: str) -> Record:
        alert: Record = await self._call("get_alert", alert_id)
        return alert

    async def add_alert(
        self, alert: Mapping[str, Any], *, server_set: frozenset[str] = NONE_SET
    ) -> Written:
        stored, new = await self._call("add_alert", alert)
        return stored, bool(new)

    async def add_alerts(
        self,
        alerts: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,  # it publishes none by itself
    ) -> list[Written]:
        return await _each(self.add_alert, alerts, conflicts)

    async def report_alerts(self, reports: Sequence[Mapping[str, Any]]) -> list[Written]:
        stored: list[Written] = await self._call("report_alerts", list(reports))
        return stored

    async def try_to_acknowledge(
        self, alert_id: str, user: str, comments: str | None = None
    ) -> Written:
        return await self._change("acknowledge_alert", alert_id, user, comments)

    async def try_to_resolve(self, alert_id: str) -> Written:
        return await self._change("resolve_alert", alert_id)

    async def _change(self, name: str, alert_id: str, *args: Any) -> Written:
        async with self._changing:
            before = None
            if hasattr(self._accessor, "get_alert"):
                before = await self.get_alert(alert_id)
            after = await self._call(name, alert_id, *args)
            return after, after != before


class HostTrades(_HostObject):
    """A host's trades."""

    async def get_trades(self, *args: Any, **query: Any) -> Page:
        return await self._page("get_trades", *args, **query)

    async def get_trade(self, trade_id: str) -> Record:
        trade: Record = await self._call("get_trade", trade_id)
        return trade

    async def add_trades(
        self,
        trades: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        one: bool = False,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,  # it publishes none by itself
    ) -> list[Written]:
        if conflicts is None:
            return await self._add(trades, one)
        # The host stores all that it is given or raises, so each trade is a call.
        stored: list[Written] = []
        for index, trade in enumerate(trades):
            try:
                stored += await self._add([trade], True)
            except Conflict as conflict:
                conflicts[index] = conflict
                stored.append((dict(trade), False))
        return stored

    async def _add(self, trades: Sequence[Mapping[str, Any]], one: bool) -> list[Written]:
        options = {"one": one} if self._takes("add_trades", "one") else {}
        stored: list[Written] = await self._call("add_trades", trades, **options)
        return stored


class HostPortfolio(_HostObject):
    """A host's portfolio."""

    async def get_portfolio(self, *args: Any, **query: Any) -> Record:
        portfolio: Record = await self._call("get_portfolio", *args, **query)
        return portfolio

    async def get_history(self, *args: Any, **query: Any) -> Page:
        if hasattr(self._accessor, "get_history"):
            return await self._page("get_history", *args, **query)
        portfolio = await self.get_portfolio(include_history=True, **query)
        return _page_of(portfolio.get("history", ()))

    async def show_portfolio(self, *args: Any, **query: Any) -> Record:
        return await self.get_portfolio(*args, **query)

    async def set_portfolio(
        self, portfolio: Mapping[str, Any], *, server_set: frozenset[str] = NONE_SET
    ) -> tuple[Record, int | None]:
        stored, revision = await self._call("set_portfolio", portfolio)
        # A host may return only whether the snapshot is current.
        current = revision is not None and revision is not False
        return stored, int(revision) if current else None

    async def add_history(self, snapshots: Sequence[Mapping[str, Any]], *, last: bool) -> int:
        for snapshot in snapshots:
            await self.set_portfolio(
                {name: value for name, value in snapshot.items() if name != "positions_value"}
            )
        return len(snapshots)


class HostAgents(_HostObject):
    """A host's agents."""

    async def get_agents(self, *args: Any, **query: Any) -> Page:
        return await self._page("get_agents", *args, **query)

    async def get_signals(self, *args: Any, **query: Any) -> Page:
        return await self._page("get_signals", *args, **query)

    async def set_agent(self, agent_id: str, update: Mapping[str, Any]) -> Record:
        agent: Record = await self._call("set_agent", agent_id, update)
        return agent

    async def add_signal(
        self, signal: Mapping[str, Any], *, server_set: frozenset[str] = NONE_SET
    ) -> Written:
        stored, new = await self._call("add_signal", signal)
        return stored, bool(new)

    async def add_signals(
        self,
        signals: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,  # it publishes none by itself
    ) -> list[Written]:
        return await _each(self.add_signal, signals, conflicts)


class HostSystem(_HostObject):
    """A host's samples of its components."""

    async def get_system(self, *args: Any, **query: Any) -> Page:
        return await self._page("get_system", *args, **query)

    async def add_sample(self, sample: Mapping[str, Any]) -> Written:
        stored = await self._call("add_sample", sample)
        if isinstance(stored, tuple):
            record, new = stored
            return record, bool(new)
        return stored, True  # a host may return only the sample

    async def add_samples(
        self,
        samples: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,  # it publishes none by itself
    ) -> list[Written]:
        return await _each(self.add_sample, samples, conflicts)


async def _each(
    add: Callable[[Mapping[str, Any]], Awaitable[Written]],
    records: Sequence[Mapping[str, Any]],
    conflicts: dict[int, Conflict] | None,
) -> list[Written]:
    """Store records one by one, as a host's object takes them.

    Raises:
        Conflict: without `conflicts`, which are filled otherwise; what is stored by then stays.
    """
    stored: list[Written] = []
    for index, record in enumerate(records):
        try:
            stored.append(await add(record))
        except Conflict as conflict:
            if conflicts is None:
                raise
            conflicts[index] = conflict
            stored.append((dict(record), False))
    return stored


def _not_taken(method: Callable[..., Any], names: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """The keyword arguments that a method does not take, sorted."""
    parameters = inspect.signature(method).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return []
    return sorted(set(names) - parameters.keys())


def _page_of(rows: Any) -> Page:
    """A host's dicts, with the attributes of a page that its sequence has."""
    following = getattr(rows, "next_cursor", None)
    return Page(rows, _as_given, following, getattr(rows, "approximate", ()))


def _as_given(rows: Sequence[Any], plain: bool) -> list[Record]:
    return list(rows)
