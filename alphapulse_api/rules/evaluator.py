"""Evaluates the rules as records are written, in the one process that has the lease.

It follows the event log as the fan-out does. What arrives is queued, and evaluated in slices
between which the loop has other turns. The effects of a slice are stored before the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.times import now as present
from alphapulse_api.domain.times import to_micros
from alphapulse_api.log import Event, EventLog, Gap
from alphapulse_api.rules.effects import Effects
from alphapulse_api.rules.evaluation import Evaluation, unexpected
from alphapulse_api.rules.event_columns import EventColumns, micros_of
from alphapulse_api.rules.groups import Run
from alphapulse_api.rules.priming import Primer
from alphapulse_api.rules.record_reader import RecordReader
from alphapulse_api.rules.rule import Rule
from alphapulse_api.rules.state import Phase, State
from alphapulse_api.runtime.slices import Slices, Steps
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.job_leases import JobLease
from alphapulse_api.storage.tables.rule_states import RuleStates, in_parts
from alphapulse_api.storage.tables.rules import RuleDataAccessor

logger = logging.getLogger(__name__)

JOB: Final = "rules"
CHANNELS: Final = frozenset({"metrics", "portfolio"})
STEP_POINTS: Final = 100
FLUSH_SECONDS: Final = 1.0  # until a change that raises and resolves nothing is stored
MAX_WAITING: Final = 500_000  # events; beyond, windows are filled from the store again
OLD_SECONDS: Final = 600  # a state that has been ok for so long need not be known
_SECOND: Final = 1_000_000


class RuleEvaluator:
    """Evaluates the rules of one database, for one event loop.

    Args:
        accessors: the stores.
        events: the log.
        slices: divides long work on the loop.
        alone: whether this process has the lock of the database file.
    """

    def __init__(
        self, accessors: Accessors, events: EventLog, slices: Slices, *, alone: bool
    ) -> None:
        engine = accessors.engine
        self._accessors = accessors
        self._events = events
        self._slices = slices
        self._lease = JobLease(engine, JOB, alone=alone)
        self._rules = RuleDataAccessor(engine)
        self._states = RuleStates(engine, accessors.directory, self._lease)
        self._primer = Primer(accessors)
        self._queue: deque[Sequence[Event]] = deque()
        self._waiting = 0
        self._wake = asyncio.Event()
        self._reload = self._overrun = False
        self._versions: dict[str, tuple[Any, ...]] | None = None  # of the rules that were read
        self._evaluation = Evaluation()
        self._reader = RecordReader(accessors, 0)
        self._columns = EventColumns()
        events.on_change(self._note)

    def __repr__(self) -> str:
        return f"<RuleEvaluator {self._evaluation} waiting={self._waiting}>"

    async def run_forever(self) -> None:
        """Evaluate while this process has the lease, until cancelled."""
        await self._lease.run_forever(self._work)

    def note_tags(self, tags: Collection[str]) -> None:
        """Take the tags of cached answers that a write of this process has invalidated."""
        for tag in tags:
            self._note(tag)

    def _note(self, tag: str | None) -> None:
        if tag is None or tag == "rules":
            self._reload = True
            self._wake.set()
        if self._reader.note(tag):
            self._wake.set()

    def _on_events(self, events: Sequence[Event]) -> None:
        name = events[0].channel.name
        if name not in CHANNELS or (name == "metrics" and self._unwatched):
            return
        if self._waiting >= MAX_WAITING:
            self._overrun = True
            return
        self._queue.append(events)
        self._waiting += len(events)
        self._wake.set()

    def _on_gap(self, gap: Gap) -> None:
        if gap.channel.name in CHANNELS:
            self._overrun = True
            self._wake.set()

    async def _work(self, epoch: int) -> None:
        """Evaluate under a lease, until cancelled."""
        self._begin()
        unfollow = self._events.follow(self._on_events, self._on_gap)
        try:
            effects = self._effects(epoch)
            await self._retried(self._states.clear_errors, epoch)
            flushed = asyncio.get_running_loop().time()
            while True:
                if self._overrun:
                    self._begin()
                    effects = self._effects(epoch)
                if self._reload:
                    self._reload = False
                    await self._retried(self._load, epoch)
                    self._ready = True
                await self._evaluate(effects)
                await effects.store()
                if asyncio.get_running_loop().time() - flushed >= FLUSH_SECONDS:
                    await effects.flush()
                    self._evaluation.check_bounds()
                    flushed = asyncio.get_running_loop().time()
                await self._pause(effects)
        finally:
            unfollow()
            self._begin()

    def _begin(self) -> None:
        """Forget everything; it is read from the store again."""
        self._queue.clear()
        self._waiting = 0
        self._evaluation.change(remove=tuple(self._evaluation.runs))
        self._reader = RecordReader(self._accessors, to_micros(present()))
        self._overrun, self._reload, self._ready = False, True, False
        self._versions = None

    def _effects(self, epoch: int) -> Effects:
        return Effects(self._evaluation, self._states, self._accessors.directory, epoch)

    @property
    def _unwatched(self) -> bool:
        """Whether metric points need not be looked at."""
        return self._ready and not self._reload and self._evaluation.idle

    async def _pause(self, effects: Effects) -> None:
        """Wait until there is something to do."""
        if self._queue or self._reload or self._overrun:
            await asyncio.sleep(0)
            return
        waits = [self._reader.wait, FLUSH_SECONDS if effects.waiting else None]
        if (due := self._evaluation.next_due) is not None:
            waits.append(max(0, due - to_micros(present())) / _SECOND)
        known = [wait for wait in waits if wait is not None]
        try:
            async with asyncio.timeout(min(known) if known else None):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _evaluate(self, effects: Effects) -> None:
        """Evaluate what has come, and what is due."""
        self._evaluation.tick(to_micros(present()))
        if self._reader.wait == 0:
            try:
                async for watch, samples, at in self._reader.read():
                    self._evaluation.take_record(watch, samples, at, to_micros(present()))
            except Unavailable:
                self._reader.note(None)
        while self._queue and not self._overrun and not self._reload:
            events = self._queue.popleft()
            self._waiting -= len(events)
            if events[0].channel.name == "portfolio":
                for event in events:
                    at = micros_of(event.data["as_of"])
                    self._evaluation.take_portfolio(event.data, at, to_micros(present()))
            else:
                await self._slices.run(self._take_points(events))
            if self._evaluation.effects:
                await effects.store()

    def _take_points(self, events: Sequence[Event]) -> Steps[None]:
        points = self._columns.of(events)
        for at in range(0, len(points), STEP_POINTS):
            stop = at + STEP_POINTS
            self._evaluation.take_points(points, to_micros(present()), at, stop)
            yield

    async def _load(self, epoch: int) -> None:
        """Read the rules that are new or changed, with their states and their past."""
        versions = await self._rules.versions()
        if versions == self._versions:
            return  # only states have changed, which this process itself stored
        rules = await self._read(epoch)
        runs = self._evaluation.runs
        wanted = {rule.id: rule for rule in rules}
        stored = await self._states.load()
        await self._drop_left(wanted, stored, epoch)
        gone = runs.keys() - wanted.keys()
        new = []
        for rule in rules:
            run = runs.get(rule.id)
            if run is None or run.rule.revision != rule.revision:
                new.append(rule)
            else:
                run.rule = rule  # texts and the like
        instant = to_micros(present())
        added = {run.rule.id: run for run in self._evaluation.change(new, gone)}
        for state in stored:
            run = added.get(state["rule_id"])
            if run is not None and state["revision"] == run.rule.revision:
                _restore(run, state)
        for run in added.values():
            await self._prime(run, instant)
        self._versions = versions

    async def _read(self, epoch: int) -> list[Rule]:
        """The rules; those that cannot be read, such as those of a later release, are marked."""
        rules, broken = [], {}
        for record in await self._rules.stored():
            try:
                rules.append(Rule(record))
            except Exception as error:
                logger.error("the rule %r cannot be read", record["id"], exc_info=error)
                broken[record["id"]] = record["revision"], unexpected(error)
        if broken:
            await self._states.fail(broken, epoch)
        return rules

    async def _prime(self, run: Run, now: int) -> None:
        reason = self._primer.reason_against(run.rule)
        if reason is None:
            try:
                await self._primer.prime(run, now)
            except Unavailable:
                raise
            except Exception as error:
                self._evaluation.blame(run, error)
        if reason is not None:
            self._evaluation.fail(run, reason)

    async def _drop_left(
        self, wanted: Mapping[str, Rule], stored: Sequence[Mapping[str, Any]], epoch: int
    ) -> None:
        """Drop the states of rules that were changed or removed, and old ones that are ok."""
        before = to_micros(present()) - OLD_SECONDS * _SECOND
        left = []
        for state in stored:
            rule = wanted.get(state["rule_id"])
            old = state["phase"] == Phase.OK and state["since"] < before
            if rule is None or rule.revision != state["revision"] or old:
                left.append(state)
        for part in in_parts(left):
            await self._states.drop(part, epoch)

    async def _retried(self, work: Callable[[int], Awaitable[None]], epoch: int) -> None:
        while True:
            try:
                await work(epoch)
                return
            except Unavailable:
                await asyncio.sleep(FLUSH_SECONDS)  # until the lease is lost


def _restore(run: Run, state: Mapping[str, Any]) -> None:
    """Give a group the state that is stored."""
    group = run.group(state["labels"], state["seen"])
    group.state = State(Phase(state["phase"]), state["since"], state["fired_at"])
    group.seen = group.stored_seen = state["seen"]
    group.stored = True
