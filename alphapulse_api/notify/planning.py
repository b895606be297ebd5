"""What the sender does with changes of alerts, and with rows that are due. No I/O and no clock.

Instants are microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.matching import Matcher
from alphapulse_api.domain.notifications import (
    ACKNOWLEDGED,
    ESCALATED,
    PENDING,
    PLANNED,
    RAISED,
    REPEATED,
    RESOLVED,
    SEVERITY,
    SILENCED,
    is_open,
)
from alphapulse_api.notify.quiet_hours import QuietHours
from alphapulse_api.notify.routing import Router
from alphapulse_api.notify.windows import SECOND, Windows

Alert = Mapping[str, Any]

FIRST_RETRY: Final = 5 * SECOND
LONGEST_RETRY: Final = 15 * 60 * SECOND


class Planned(NamedTuple):
    """What a receiver will be told, and when."""

    receiver: str
    cause: str
    group: str
    due: int


class Row(NamedTuple):
    """A row that is due: what a receiver is to be told of an alert."""

    id: str
    receiver: str
    cause: str
    state: str
    group: str
    alert: Alert | None


class Verdict(NamedTuple):
    """What becomes of a row that is due.

    Attributes:
        row: the row.
        state: its state from now on; None: it is removed, since there is nothing to tell any more.
        due: when it is looked at again; None: never.
        silence: the id of the silence that holds it back.
    """

    row: Row
    state: str | None
    due: int | None
    silence: str | None = None

    def sent(self, now: int) -> bool:
        """Whether the row is sent now."""
        return self.state == PENDING and self.due == now


class Silence(NamedTuple):
    """A silence in force: its id, which alerts it is about, and its end."""

    id: str
    matcher: Matcher
    until: int

    @classmethod
    def of(cls, silence: Mapping[str, Any], until: int) -> Silence:
        """The silence in a record of one."""
        return cls(silence["id"], Matcher.of(silence["matchers"]), until)


def route(
    router: Router,
    windows: Windows,
    cause: str,
    alert: Alert,
    told: Collection[str],
    now: int,
) -> list[Planned]:
    """What receivers will be told of a change of an alert.

    Args:
        router: finds the receivers.
        windows: the messages that wait; the new ones are added.
        cause: what happened; not one that the sender plans.
        alert: as it is now.
        told: who was told of it before. They are told how it ends, too, even if another route
            matches the alert by now.
        now: the present.
    """
    planned: list[Planned] = []
    targets = {target.receiver: target.settings for target in router.targets(alert)}
    if cause in (ACKNOWLEDGED, RESOLVED):
        for receiver in sorted(told):
            targets.setdefault(receiver, router.settings(alert, receiver))
    for receiver, settings in targets.items():
        if (cause == RESOLVED and not settings.resolved) or (
            cause == ACKNOWLEDGED and not settings.acknowledged
        ):
            continue
        group = settings.group(alert)
        due = windows.due(receiver, group, settings, now)
        planned.append(Planned(receiver, cause, group, due))
        if cause in (RAISED, SEVERITY) and settings.escalate_to is not None and is_open(alert):
            after = now + round(settings.escalate_after * SECOND)
            escalation = router.settings(alert, settings.escalate_to)
            planned.append(Planned(settings.escalate_to, ESCALATED, escalation.group(alert), after))
    return _once(planned)


def judge(
    rows: Iterable[Row],
    silences: Sequence[Silence],
    quiet: QuietHours,
    now: int,
) -> list[Verdict]:
    """What becomes of the rows of a receiver that are due.

    Args:
        rows: those that are due and in no message.
        silences: those in force.
        quiet: the quiet hours of the receiver.
        now: the present.
    """
    return [_judge(row, silences, quiet, now) for row in rows]


def _judge(row: Row, silences: Sequence[Silence], quiet: QuietHours, now: int) -> Verdict:
    alert = row.alert
    if row.cause in PLANNED and not is_open(alert):
        return Verdict(row, None, None)
    if row.state == SILENCED and not is_open(alert):
        return Verdict(row, SILENCED, None)
    if alert is None:
        return Verdict(row, None, None)  # retention has deleted it
    for silence in silences:
        if silence.matcher.matches(alert):
            # What began under a silence is told when that ends, if it still matters.
            later = silence.until if row.cause not in (ACKNOWLEDGED, RESOLVED) else None
            return Verdict(row, SILENCED, later, silence.id)
    return Verdict(row, PENDING, quiet.until(alert["severity"], now))


def repeats(
    router: Router, receiver: str, alerts: Iterable[Alert], now: int
) -> list[tuple[Alert, Planned]]:
    """When a receiver is told again of alerts, unless somebody acknowledges them before.

    Args:
        router: knows how often.
        receiver: who was told of them.
        alerts: as they are now.
        now: the present.
    """
    found = []
    for alert in alerts:
        settings = router.settings(alert, receiver)
        if is_open(alert) and settings.repeat_interval:
            due = now + round(settings.repeat_interval * SECOND)
            found.append((alert, Planned(receiver, REPEATED, settings.group(alert), due)))
    return found


def retry_at(attempts: int, now: int, chance: float, after: float | None = None) -> int:
    """When a message that failed is sent again.

    The pause doubles from 5 s to 15 minutes, and is up to a fifth shorter by chance, so that
    receivers that came back are not asked by all senders at once.

    Args:
        attempts: how often it was sent, at least 1.
        now: the present.
        chance: a random number between 0 and 1.
        after: seconds that the receiver asked to wait.
    """
    pause = min(FIRST_RETRY << min(attempts - 1, 20), LONGEST_RETRY)
    wanted = min(round((after or 0) * SECOND), LONGEST_RETRY)
    return now + max(wanted, round(pause * (1 - chance / 5)))


def _once(planned: Iterable[Planned]) -> list[Planned]:
    """Each receiver once a cause, at the earliest time."""
    found: dict[tuple[str, str], Planned] = {}
    for plan in planned:
        known = found.setdefault((plan.receiver, plan.cause), plan)
        if plan.due < known.due:
            found[plan.receiver, plan.cause] = plan
    return list(found.values())
