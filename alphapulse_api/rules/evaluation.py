"""Evaluates rules on what is written. It has no input or output and no clock of its own.

A point finds its groups by its series. Time finds them by one heap of timers. All times are
microseconds since the epoch.
"""

from __future__ import annotations

import heapq
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from alphapulse_api.domain.encoding import canonical
from alphapulse_api.domain.points import Key, Points, SeriesName
from alphapulse_api.domain.rules import MAX_ALL_POINTS
from alphapulse_api.rules.groups import Effect, Group, Run, Threshold, TooManyGroups
from alphapulse_api.rules.rule import Rule
from alphapulse_api.rules.samples import (
    Sample,
    Samples,
    closed_positions,
    samples_of_portfolio,
)
from alphapulse_api.rules.windows import WindowFull

logger = logging.getLogger(__name__)

MAX_SERIES: Final = 50_000  # whose groups are remembered
_Target = tuple[Group | Threshold, int]
_BOUNDS: Final = (WindowFull, TooManyGroups)


class Evaluation:
    """The rules that are evaluated, and their states.

    Attributes:
        effects: the changes of states that nobody has taken yet, in order.
    """

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.runs: dict[str, Run] = {}
        self._by_metric: dict[tuple[str, str], list[Run]] = {}
        self._by_threshold: dict[Key, list[Run]] = {}
        self._by_watch: dict[str, list[Run]] = {}
        # By the object that the points of a series share.
        self._targets: dict[SeriesName, tuple[_Target, ...]] = {}
        self._timers: list[tuple[int, int, Group]] = []
        self._timer_number = 0
        self._failed: list[Run] = []

    def __repr__(self) -> str:
        return f"<Evaluation rules={len(self.runs)} timers={len(self._timers)}>"

    def change(self, put: Iterable[Rule] = (), remove: Iterable[str] = ()) -> list[Run]:
        """Add rules, or replace those with their ids, whose states are forgotten; remove others.

        Returns:
            The evaluations of the added rules.
        """
        for rule_id in remove:
            self.runs.pop(rule_id, None)
        added = [Run(rule, self.effects.append, self._schedule) for rule in put]
        self.runs.update((run.rule.id, run) for run in added)
        self._failed = self.failed
        self._index()
        return added

    def watching(self, watch: str) -> Sequence[Run]:
        """The rules that watch such records and work."""
        return [run for run in self._by_watch.get(watch, ()) if run.error is None]

    @property
    def idle(self) -> bool:
        """Whether no rule watches metrics."""
        return not self._by_metric and not self._by_threshold

    def take_points(
        self, points: Points, now: int, start: int = 0, stop: int | None = None
    ) -> None:
        """Evaluate a batch of metric points, or a part of it."""
        targets_of = self._targets
        columns = points.series[start:stop], points.instants[start:stop], points.values[start:stop]
        for series, at, value in zip(*columns, strict=True):
            targets = targets_of.get(series)
            if targets is None:
                targets = self._find(series, now)
            for group, number in targets:
                if group.run.error is None:
                    try:
                        group.take(at, number, value, now)
                    except Exception as error:
                        self.blame(group.run, error)

    def take_portfolio(self, portfolio: Mapping[str, Any], at: int, now: int) -> None:
        """Evaluate an update of a portfolio."""
        book = portfolio.get("book") or "main"
        for run in self.watching("portfolio"):
            if run.rule.book in (None, book):
                self._take(run, partial(_of_portfolio, run, portfolio, book), at, now)

    def take_record(self, watch: str, samples: Samples, at: int, now: int) -> None:
        """Evaluate a record of an agent or of the system.

        Args:
            watch: which of them.
            samples: of the record.
            at: the time of the record.
            now: the present.
        """
        for run in self.watching(watch):
            self._take(run, partial(samples, run.rule), at, now)

    def tick(self, now: int) -> None:
        """Look at the groups whose timers are due."""
        timers = self._timers
        while timers and timers[0][0] <= now:
            due, _, group = heapq.heappop(timers)
            if group.scheduled != due or group.run is not self.runs.get(group.run.rule.id):
                continue
            group.scheduled = None
            if group.run.error is None:
                try:
                    group.look(now)
                except Exception as error:
                    self.blame(group.run, error)

    @property
    def next_due(self) -> int | None:
        """When the next timer is due; None if there is none."""
        return self._timers[0][0] if self._timers else None

    def take_effects(self) -> list[Effect]:
        """The changes of states since the last call, in order."""
        taken = self.effects[:]
        self.effects.clear()
        return taken

    @property
    def failed(self) -> list[Run]:
        """The rules that are not evaluated because they failed."""
        return [run for run in self._failed if run is self.runs.get(run.rule.id)]

    def blame(self, run: Run, error: Exception) -> None:
        """Stop evaluating a rule whose evaluation raised an error; the others go on."""
        if isinstance(error, _BOUNDS):
            self.fail(run, str(error))
            return
        logger.error("the rule %r cannot be evaluated", run.rule.id, exc_info=error)
        self.fail(run, unexpected(error))

    def fail(self, run: Run, reason: str) -> None:
        """Stop evaluating a rule that cannot be evaluated."""
        self._failed.append(run)
        run.error = reason
        run.groups.clear()
        self._targets.clear()

    def check_bounds(self) -> None:
        """Stop evaluating the rules with the most points until the rest is within the bound."""
        held = {
            rule_id: sum(len(group.values) for group in run.groups.values() if group.values)
            for rule_id, run in self.runs.items()
        }
        total = sum(held.values())
        for rule_id, count in sorted(held.items(), key=lambda item: -item[1]):
            if total <= MAX_ALL_POINTS:
                return
            total -= count
            self.fail(
                self.runs[rule_id],
                f"the windows of all rules hold more than {MAX_ALL_POINTS} points, and this rule "
                f"has the most ({count}): choose shorter windows",
            )

    def _take(self, run: Run, samples: Callable[[], Iterable[Sample]], at: int, now: int) -> None:
        try:
            for labels, value in samples():
                group = run.group(labels, now)
                group.take(at, group.number(canonical(labels)), value, now)
        except Exception as error:
            self.blame(run, error)

    def _find(self, series: SeriesName, now: int) -> tuple[_Target, ...]:
        """The groups of a series, made where they are missing."""
        found: list[_Target] = []
        for run in self._by_metric.get(series.key[:2], ()):
            if run.error is None:
                try:
                    if run.rule.matches(series.labels):
                        group = run.group(series.labels, now)
                        found.append((group, group.number(series.key[2])))
                except Exception as error:
                    self.blame(run, error)
        for run in self._by_threshold.get(series.key, ()):
            found.append((run.threshold_taker, 0))
        if len(self._targets) >= MAX_SERIES:
            self._targets.clear()
        targets = self._targets[series] = tuple(found)
        return targets

    def _schedule(self, group: Group, now: int) -> None:
        due = group.due(now)
        if due is None or (group.scheduled is not None and group.scheduled <= due):
            return
        group.scheduled = due
        self._timer_number += 1
        heapq.heappush(self._timers, (due, self._timer_number, group))

    def _index(self) -> None:
        by_metric, by_threshold = defaultdict(list), defaultdict(list)
        by_watch = defaultdict(list)
        for run in self.runs.values():
            by_watch[run.rule.watch].append(run)
            if run.rule.watch == "metric":
                by_metric[run.rule.metric].append(run)
            if run.rule.threshold_series is not None:
                by_threshold[run.rule.threshold_series].append(run)
        self._by_metric, self._by_threshold = dict(by_metric), dict(by_threshold)
        self._by_watch = dict(by_watch)
        self._targets.clear()


def unexpected(error: Exception) -> str:
    """The reason that is shown for an error that no rule should raise."""
    return f"an unexpected {type(error).__name__}; the log of the server has the traceback"


def _of_portfolio(run: Run, portfolio: Mapping[str, Any], book: str) -> list[Sample]:
    """What a rule watches in a portfolio, with the positions that were closed."""
    field = run.rule.field
    samples = samples_of_portfolio(field, portfolio)
    known = (group.labels for group in run.groups.values())
    return [*samples, *closed_positions(field, book, known, samples)]
