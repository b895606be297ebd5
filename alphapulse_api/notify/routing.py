"""Which receivers are told of an alert. No I/O and no clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from alphapulse_api.config import NotifyConfig, RouteConfig
from alphapulse_api.domain.matching import LABEL, Matcher, labels_of

Alert = Mapping[str, Any]


class Settings(NamedTuple):
    """How a receiver is told; the intervals are in seconds, and those of 0 are none.

    Attributes:
        group_by: fields whose equal values put alerts into one message.
        group_wait: how long the first alert of a group waits for others.
        group_interval: how long a group waits after a message.
        repeat_interval: after how long an alert that nobody acknowledged is sent again.
        resolved: whether a message says that the alert is resolved.
        acknowledged: whether a message says that it is acknowledged.
        escalate_to: who is told if nobody acknowledges the alert in time.
        escalate_after: how long that is.
    """

    group_by: tuple[str, ...]
    group_wait: float
    group_interval: float
    repeat_interval: float
    resolved: bool
    acknowledged: bool
    escalate_to: str | None = None
    escalate_after: float = 0.0

    def group(self, alert: Alert) -> str:
        """The group of an alert, as text such as `severity=critical source=rules`."""
        return " ".join(f"{name}={_value(alert, name)}" for name in self.group_by)


class Target(NamedTuple):
    """A receiver, and how it is told."""

    receiver: str
    settings: Settings


class Router:
    """Finds the receivers of alerts."""

    def __init__(self, config: NotifyConfig) -> None:
        self._routes = [
            (Matcher.of(_conditions(route)), route, _settings(config, route))
            for route in config.routes
        ]
        self._default = _settings(config, RouteConfig())
        if not config.routes:
            everyone = RouteConfig(receivers=tuple(config.receivers))
            self._routes = [(Matcher(), everyone, self._default)]

    def __repr__(self) -> str:
        return f"<Router of {len(self._routes)} routes>"

    def targets(self, alert: Alert) -> list[Target]:
        """The receivers of an alert, each as the first of its routes has it."""
        found: dict[str, Target] = {}
        for matcher, route, settings in self._routes:
            if not matcher.matches(alert):
                continue
            for receiver in route.receivers:
                found.setdefault(receiver, Target(receiver, settings))
            if not route.continues:
                break
        return list(found.values())

    def settings(self, alert: Alert, receiver: str) -> Settings:
        """How a receiver is told of an alert again, such as one to whom it was escalated."""
        for target in self.targets(alert):
            if target.receiver == receiver:
                return target.settings
        return self._default


def _conditions(route: RouteConfig) -> Mapping[str, Any]:
    match = route.match
    names = ("severity", "min_severity", "source", "rule_id", "tags", "labels", "book")
    return {name: getattr(match, name) for name in names}


def _settings(config: NotifyConfig, route: RouteConfig) -> Settings:
    def chosen(name: str) -> Any:
        value = getattr(route, name)
        return getattr(config, name) if value is None else value

    return Settings(
        group_by=chosen("group_by"),
        group_wait=chosen("group_wait"),
        group_interval=chosen("group_interval"),
        repeat_interval=chosen("repeat_interval"),
        resolved=chosen("resolved"),
        acknowledged=chosen("acknowledged"),
        escalate_to=route.escalate_to,
        escalate_after=route.escalate_after or 0.0,
    )


def _value(alert: Alert, name: str) -> str:
    if name.startswith(LABEL):
        return str(labels_of(alert).get(name.removeprefix(LABEL), ""))
    return str(alert.get(name) or "")
