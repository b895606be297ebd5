"""Stores the effects of an evaluation: states, and the alerts that they raise and resolve."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import Any, Final

from alphapulse_api.domain.books import BOOK_LABEL
from alphapulse_api.domain.errors import Problem, Unavailable
from alphapulse_api.domain.times import from_micros
from alphapulse_api.rules.evaluation import Evaluation
from alphapulse_api.rules.groups import Effect, Group
from alphapulse_api.rules.rule import SOURCE
from alphapulse_api.rules.state import Phase
from alphapulse_api.storage.tables.book_directory import BookDirectory
from alphapulse_api.storage.tables.rule_states import RuleStates, StateChange, in_parts

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0


class Effects:
    """Stores the effects of one evaluation, while a lease lasts.

    Args:
        evaluation: whose effects are stored.
        states: where.
        directory: the books.
        epoch: of the lease.
    """

    def __init__(
        self, evaluation: Evaluation, states: RuleStates, directory: BookDirectory, epoch: int
    ) -> None:
        self._evaluation = evaluation
        self._states = states
        self._directory = directory
        self._epoch = epoch
        # Changes that raise and resolve nothing are stored a second later, if they last.
        self._later: dict[Group, Effect] = {}
        self._reported: dict[str, int] = {}  # revisions of rules whose errors are stored

    def __repr__(self) -> str:
        return f"<Effects epoch={self._epoch} later={len(self._later)}>"

    @property
    def waiting(self) -> bool:
        """Whether changes wait to be stored by `flush`."""
        return bool(self._later)

    async def store(self) -> None:
        """Store what raises or resolves an alert, and why rules are not evaluated.

        Raises:
            LeaseLost: if the lease has gone to another.
        """
        now: list[Effect] = []
        for effect in self._evaluation.take_effects():
            if effect.changes_alert:
                now.append(effect)
                self._later.pop(effect.group, None)
            else:
                self._later[effect.group] = effect
        await self._store(now)
        await self._store_errors()

    async def flush(self) -> None:
        """Store the changes that raise and resolve nothing; raises as `store`."""
        effects = [
            effect
            for effect in self._later.values()
            if effect.group.stored or effect.after.phase is not Phase.OK
        ]
        self._later.clear()
        await self._store(effects)

    async def _store(self, effects: Sequence[Effect]) -> None:
        if not effects:
            return
        known = await self._known_books(effects)
        for part in in_parts(effects):
            changes = [_change(effect, known) for effect in part]
            try:
                await self._until_stored(changes)
            except Problem:
                await self._store_each(part, changes)
            for effect in part:
                effect.group.stored = True

    async def _store_each(self, effects: Sequence[Effect], changes: Sequence[StateChange]) -> None:
        """Store changes one by one, since one of them is refused; its rule fails alone."""
        for effect, change in zip(effects, changes, strict=True):
            try:
                await self._until_stored([change])
            except Problem as problem:
                self._evaluation.fail(effect.group.run, problem.detail)

    async def _until_stored(self, changes: Sequence[StateChange]) -> None:
        while True:
            try:
                return await self._states.store(changes, self._epoch)
            except Unavailable:
                await asyncio.sleep(RETRY_SECONDS)  # until the lease is lost

    async def _store_errors(self) -> None:
        reasons = {
            run.rule.id: (run.rule.revision, run.error)
            for run in self._evaluation.failed
            if run.error is not None and self._reported.get(run.rule.id) != run.rule.revision
        }
        if not reasons:
            return
        for rule_id, (_, reason) in reasons.items():
            logger.warning("the rule %r is not evaluated: %s", rule_id, reason)
        while True:
            try:
                await self._states.fail(reasons, self._epoch)
                break
            except Unavailable:
                await asyncio.sleep(RETRY_SECONDS)
        self._reported |= {rule_id: revision for rule_id, (revision, _) in reasons.items()}

    async def _known_books(self, effects: Sequence[Effect]) -> Collection[str]:
        """Those of the books in labels that exist: any text may be such a label."""
        named = {effect.group.labels.get(BOOK_LABEL) for effect in effects} - {None}
        while True:
            try:
                missing = await self._directory.missing(named)
            except Unavailable:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return {book for book in named if book is not None and book not in missing}


def _change(effect: Effect, books: Collection[str]) -> StateChange:
    group, after = effect.group, effect.after
    rule = group.run.rule
    fired_at = after.fired_at if after.phase.fires else effect.before.fired_at
    raises = effect.changes_alert and after.phase.fires
    return StateChange(
        rule.id,
        rule.revision,
        group.labels,
        after.phase,
        after.since,
        after.fired_at,
        effect.value,
        effect.seen,
        None if fired_at is None else rule.alert_id(group.key, fired_at),
        _alert(effect, books) if raises else None,
        resolves=effect.changes_alert and not raises,
    )


def _alert(effect: Effect, books: Collection[str]) -> dict[str, Any]:
    group, fired_at = effect.group, effect.after.fired_at
    assert fired_at is not None
    rule = group.run.rule
    title, message = rule.texts(group.labels, effect.value, effect.threshold)
    book = group.labels.get(BOOK_LABEL)
    return {
        "id": rule.alert_id(group.key, fired_at),
        "title": title,
        "message": message,
        "severity": rule.severity,
        "source": SOURCE,
        "rule_id": rule.id,
        "metric_name": rule.watched,
        "metric_value": effect.value,
        "threshold": effect.threshold,
        "created_at": from_micros(fired_at),
        "tags": [],
        "metadata": {"labels": {**group.labels, **rule.own_labels}},
        "book": book if book in books else None,
    }
