"""Tells one receiver what is due, one message at a time."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Protocol

import uuid_utils

from alphapulse_api.domain.times import to_micros
from alphapulse_api.notify.channels import Channel
from alphapulse_api.notify.message import Message, Told, in_order
from alphapulse_api.notify.outcome import Outcome
from alphapulse_api.notify.planning import Row, Silence, judge, repeats, retry_at
from alphapulse_api.notify.quiet_hours import QuietHours
from alphapulse_api.notify.routing import Router
from alphapulse_api.notify.windows import Pace
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.tables.delivery_queue import DeliveryQueue
from alphapulse_api.storage.tables.delivery_rows import Alert, Due, New, key_of
from alphapulse_api.storage.tables.silences import in_force

logger = logging.getLogger(__name__)


class Counts(Protocol):
    """Where messages are counted, by receiver."""

    sent: Counter[str]
    failed: Counter[str]


class Teller:
    """Sends the messages of one receiver.

    Args:
        name: of the receiver.
        channel: the way to it.
        router: knows how often it is told again.
        quiet: its quiet hours.
        counts: counts messages that were sent, and attempts that failed.
        engine: where silences are stored.
        retry_for: microseconds for which a message is tried again.
        link: the URL of the console.
        clock: microseconds since the epoch.
        chance: random numbers between 0 and 1.

    Attributes:
        pace: how many messages it got lately.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        router: Router,
        quiet: QuietHours,
        counts: Counts,
        *,
        engine: Engine,
        retry_for: int,
        link: str,
        clock: Callable[[], int],
        chance: Callable[[], float],
    ) -> None:
        self._name = name
        self._channel = channel
        self._router = router
        self._quiet = quiet
        self._counts = counts
        self._engine = engine
        self._retry_for = retry_for
        self._link = link
        self._clock = clock
        self._chance = chance
        self._failing = False
        self.pace = Pace()

    def __repr__(self) -> str:
        return f"<Teller of {self._name}>"

    async def tell(self, queue: DeliveryQueue) -> None:
        """Send the next message that is due, if any, and record what became of it.

        Raises:
            LeaseLost: if another process sends by now.
            Unavailable: if the database is away.
        """
        bound = await queue.bound(self._name, self._clock())
        if bound is not None:
            rows = await queue.in_message(bound.id)
            reached = frozenset(map(int, bound.reached.split()))
            await self._send(queue, bound.id, rows, bound.attempts, reached)
            return
        message_id = f"msg_{uuid_utils.uuid7().hex}"
        if rows := await self._take(queue, message_id):
            attempts = max(row.attempts for row in rows)
            await self._send(queue, message_id, rows, attempts, frozenset())

    async def _take(self, queue: DeliveryQueue, message_id: str) -> list[Due]:
        """Put rows that are due into a message; returns them."""
        at = self._clock()
        due = {row.id: row for row in await queue.due(self._name, at)}
        found = await in_force(self._engine, at)
        silences = [Silence.of(silence, to_micros(silence["until"])) for silence in found]
        verdicts = judge(
            [Row(r.id, self._name, r.cause, r.state, r.group, r.alert) for r in due.values()],
            silences,
            self._quiet,
            at,
        )
        ready = [verdict.row for verdict in verdicts if verdict.sent(at)]
        if ready and not self.pace.merges(at):
            ready = [row for row in ready if row.group == ready[0].group]
        removed = [v.row.id for v in verdicts if v.state is None]
        put_off: dict[tuple[str, int | None, str | None], list[str]] = defaultdict(list)
        for verdict in verdicts:
            if verdict.state is not None and not verdict.sent(at):
                put_off[verdict.state, verdict.due, verdict.silence].append(verdict.row.id)
        await queue.take(message_id, [row.id for row in ready], removed, put_off)
        return [due[row.id] for row in ready]

    async def _send(
        self,
        queue: DeliveryQueue,
        message_id: str,
        rows: Sequence[Due],
        attempts: int,
        reached: frozenset[int],
    ) -> None:
        message = self._message(message_id, rows)
        self.pace.note(self._clock())
        outcome = await self._attempt(message, reached)
        at = self._clock()
        again = [
            New(self._name, plan.cause, plan.group, at, plan.due, alert)
            for alert, plan in repeats(
                self._router, self._name, [told.alert for told in message.told], at
            )
        ]
        if outcome.error is None:
            await queue.delivered(message_id, self._name, at, again)
            self._counts.sent[self._name] += 1
            self._log(None)
            return
        self._counts.failed[self._name] += 1
        self._log(outcome.error)
        when = retry_at(attempts + 1, at, self._chance(), outcome.retry_after)
        await queue.failed(
            message_id,
            self._name,
            at,
            outcome.error,
            retry_at=None if outcome.final else when,
            since=at - self._retry_for,
            reached=" ".join(map(str, sorted(outcome.reached))),
            keeps=outcome.uncertain,
            repeats=again,
        )

    async def _attempt(self, message: Message, reached: frozenset[int]) -> Outcome:
        if not message.told:
            return Outcome("the alerts were deleted", final=True)
        try:
            return await self._channel.send(message, reached)
        except Exception as error:
            # A fault of one way must not stop the others. Its traceback may have secrets.
            what = f"could not be sent: {type(error).__name__}"
            return Outcome(what, uncertain=True, reached=reached)

    def _message(self, message_id: str, rows: Sequence[Due]) -> Message:
        """The message about some rows: each alert once, as it is now."""
        alerts: dict[tuple[str, str], Alert] = {}
        causes: dict[tuple[str, str], dict[str, None]] = {}
        for row in rows:
            if row.alert is not None:
                key = key_of(row.alert)
                alerts[key] = row.alert
                causes.setdefault(key, {})[row.cause] = None
        told = in_order([Told(alert, tuple(causes[key])) for key, alert in alerts.items()])
        groups = {row.group for row in rows}
        group = groups.pop() if len(groups) == 1 else ""
        return Message(message_id, self._name, group, told, self._link)

    def _log(self, error: str | None) -> None:
        """Log the first failure of several, and the end of them."""
        if error is not None and not self._failing:
            logger.warning("the receiver %r does not take messages: %s", self._name, error)
        elif error is None and self._failing:
            logger.warning("the receiver %r takes messages again", self._name)
        self._failing = error is not None
