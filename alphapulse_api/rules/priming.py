"""Fills windows and states from the store, when a process takes over or a rule is changed.

The points of the last minute are evaluated again, in the order of their times, since the process
before may have died before it evaluated them. Points that a stored state says were evaluated are
only remembered, so no alert is raised twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from alphapulse_api.domain.books import ALL, Books
from alphapulse_api.domain.encoding import canonical, loads_stored
from alphapulse_api.domain.errors import NotFound
from alphapulse_api.domain.rules import PORTFOLIO_FIELDS
from alphapulse_api.domain.times import from_micros, to_micros
from alphapulse_api.rules.groups import Run
from alphapulse_api.rules.rule import Labels, Rule
from alphapulse_api.rules.samples import Samples, of_agent, of_system, samples_of_portfolio
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.tables.agent_states import agent_states

REPLAY_SECONDS: Final = 60
PATIENCE_SECONDS: Final = 60  # before a silence that began earlier is an alert
PAGE: Final = 5000
_SECOND: Final = 1_000_000
_Read = Callable[..., Any]


class Primer:
    """Reads what rules need to know of the past.

    Args:
        accessors: the stores.
    """

    def __init__(self, accessors: Accessors) -> None:
        self._accessors = accessors

    def __repr__(self) -> str:
        return "<Primer>"

    def reason_against(self, rule: Rule) -> str | None:
        """Why a rule cannot be evaluated here; None if it can."""
        resource = {"agent": "agents", "system": "system"}.get(rule.watch)
        if resource is not None and not self._accessors.managed(resource):
            return f"the host keeps the {resource} itself"
        if not self._accessors.managed("alerts"):
            return "the host keeps the alerts itself"
        return None

    async def prime(self, run: Run, now: int) -> None:
        """Fill the groups of a rule, which may have states already.

        Raises:
            Unavailable: if the database is away.
            WindowFull, TooManyGroups: if the rule cannot be evaluated.
        """
        if (expected := run.rule.expected) is not None and run.rule.silence:
            run.group(expected, run.rule.changed_at)
        await _PRIMERS[run.rule.watch](self, run, now)
        for group in tuple(run.groups.values()):
            if run.rule.silence:
                # Nobody could be heard while no server was running.
                patience = min(run.rule.window, PATIENCE_SECONDS * _SECOND)
                group.heard = max(group.heard, now - run.rule.window + patience)
            group.look(now)

    async def _metric(self, run: Run, now: int) -> None:
        rule, metrics = run.rule, self._accessors.metrics
        if not self._accessors.managed("metrics"):
            return
        if rule.threshold_series is not None:
            metric_type, name, labels = rule.threshold_series
            asked = {"metric_type": metric_type, "name": name, "labels": loads_stored(labels)}
            async for page in _pages(metrics.get_latest_metrics, **asked):
                for point in page:
                    if canonical(point["labels"]) == labels:
                        at = to_micros(point["timestamp"])
                        run.threshold_taker.remember(at, point["value"])
        metric_type, name = rule.metric
        asked = {"metric_type": metric_type, "name": name, "labels": rule.matchers or None}
        start = from_micros(_start(rule, now))
        async for page in _pages(metrics.get_metrics, **asked, start_time=start):
            for point in page:
                at = to_micros(point["timestamp"])
                _remember(run, point["labels"], at, point["value"], now)
        async for page in _pages(metrics.get_latest_metrics, **asked):
            for point in page:
                group = run.group(point["labels"], 0)
                at = to_micros(point["timestamp"])
                group.remember_newest(at, point["value"], min(at, now))

    async def _portfolio(self, run: Run, now: int) -> None:
        if not self._accessors.managed("portfolio"):
            return
        rule = run.rule
        books = await self._accessors.books.of(ALL).get_ids() if rule.book is None else [rule.book]
        for book in books:
            portfolio = self._accessors.of(Books((book,))).portfolio
            if rule.silence or rule.field in PORTFOLIO_FIELDS:
                start = from_micros(_start(rule, now))
                async for page in _pages(portfolio.get_history, start_time=start):
                    for point in page:
                        at = to_micros(point["timestamp"])
                        self._remember_portfolio(run, {**point, "book": book}, at, now)
            try:
                current = await portfolio.get_portfolio()
            except NotFound:
                continue
            at = to_micros(current["as_of"])
            self._remember_portfolio(run, {**current, "book": book}, at, now)

    def _remember_portfolio(
        self, run: Run, portfolio: Mapping[str, Any], at: int, now: int
    ) -> None:
        for labels, value in samples_of_portfolio(run.rule.field, portfolio):
            _remember(run, labels, at, value, now)

    async def _agent(self, run: Run, now: int) -> None:
        ids = None if run.rule.agent_id is None else (run.rule.agent_id,)
        for agent in await agent_states(self._accessors.engine, ids):
            _remember_record(run, of_agent(agent), to_micros(agent["updated_at"]), now)

    async def _system(self, run: Run, now: int) -> None:
        start = from_micros(_start(run.rule, now))
        read = self._accessors.system.get_system
        async for page in _pages(read, component=run.rule.component, start_time=start):
            for sample in page:
                at = to_micros(sample["timestamp"])
                _remember_record(run, of_system(sample), at, now)


_PRIMERS: Final[Mapping[str, Callable[[Primer, Run, int], Any]]] = {
    "metric": Primer._metric,
    "portfolio": Primer._portfolio,
    "agent": Primer._agent,
    "system": Primer._system,
}


def _start(rule: Rule, now: int) -> int:
    return now - max(rule.window, REPLAY_SECONDS * _SECOND)


def _remember(run: Run, labels: Labels, at: int, value: float | None, now: int) -> None:
    """Add a point of the past, and evaluate it if the process before may not have done so."""
    group = run.group(labels, 0)
    number = group.number(canonical(labels))
    again = max(group.stored_seen, run.rule.changed_at, now - REPLAY_SECONDS * _SECOND)
    if at <= again:
        group.remember(at, number, value)
        group.heard = max(group.heard, at)
    else:
        group.take(at, number, value, min(at, now))


def _remember_record(run: Run, samples: Samples, at: int, now: int) -> None:
    for labels, value in samples(run.rule):
        _remember(run, labels, at, value, now)


async def _pages(read: _Read, **asked: Any) -> AsyncIterator[Page]:
    cursor = None
    while True:
        page = await read(**asked, limit=PAGE, cursor=cursor)
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return
