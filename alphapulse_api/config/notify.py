"""The section of messages to people: who receives them, and which alerts go to whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from alphapulse_api.config import checks
from alphapulse_api.config.masks import hide
from alphapulse_api.config.options import Condition, Section, option


def _both_ends(start: str, end: str) -> str | None:
    if bool(start) != bool(end):
        return "notify.receivers.NAME.quiet_hours: needs both start and end"
    if start and start == end:
        return "notify.receivers.NAME.quiet_hours: start and end must differ"
    return None


@dataclass(frozen=True, slots=True)
class QuietHoursConfig(Section):
    """The hours of each day in which a receiver gets no messages; they wait until the end."""

    path: ClassVar[str] = "notify.receivers.NAME.quiet_hours"
    conditions: ClassVar[tuple[Condition, ...]] = (Condition(("start", "end"), _both_ends),)

    start: str = field(
        default="",
        metadata=option(
            'Time of day at which quiet hours begin, such as "22:00". Empty: there are none.',
            checks.time_of_day,
        ),
    )
    end: str = field(
        default="",
        metadata=option(
            'Time of day at which they end, such as "07:00"; on the next day if it is before the '
            "start.",
            checks.time_of_day,
        ),
    )
    timezone: str = field(
        default="",
        metadata=option("IANA time zone of these times. Empty: UTC.", checks.time_zone),
    )
    exempt: tuple[str, ...] = field(
        default=("critical",),
        metadata=option("Severities of alerts that are sent all the same.", checks.severity),
    )


def _url_and_secret(url: str | None, secret: str | None) -> str | None:
    if url is not None and secret is None:
        return "notify.receivers.NAME.webhook.secret: is required, to sign messages with"
    if url is None and secret is not None:
        return "notify.receivers.NAME.webhook.url: is required"
    return None


@dataclass(frozen=True, slots=True)
class WebhookConfig(Section):
    """A URL that gets signed JSON, as Standard Webhooks describes it."""

    path: ClassVar[str] = "notify.receivers.NAME.webhook"
    conditions: ClassVar[tuple[Condition, ...]] = (Condition(("url", "secret"), _url_and_secret),)

    url: str | None = field(
        default=None,
        repr=False,
        metadata=option(
            "http:// or https:// URL that gets signed JSON.", checks.webhook_url, mask=hide
        ),
    )
    secret: str | None = field(
        default=None,
        repr=False,
        metadata=option(
            "Secret that signs it: whsec_ and the base64 of 24 to 64 random bytes.",
            checks.webhook_secret,
            mask=hide,
        ),
    )


def _one_way(urls: tuple[str, ...], webhook: WebhookConfig) -> str | None:
    if bool(urls) == (webhook.url is not None):
        return "notify.receivers.NAME: needs either urls or a webhook"
    return None


@dataclass(frozen=True, slots=True)
class ReceiverConfig(Section):
    """Who gets messages, and in which way."""

    path: ClassVar[str] = "notify.receivers.NAME"
    conditions: ClassVar[tuple[Condition, ...]] = (Condition(("urls", "webhook"), _one_way),)

    urls: tuple[str, ...] = field(
        default=(),
        repr=False,
        metadata=option(
            "Apprise URLs, such as ntfy:// or mailtos://; needs the extra `notify`.",
            checks.apprise_url,
            mask=hide,
        ),
    )
    webhook: WebhookConfig = field(default_factory=WebhookConfig)
    quiet_hours: QuietHoursConfig = field(default_factory=QuietHoursConfig)


@dataclass(frozen=True, slots=True)
class MatchConfig(Section):
    """Which alerts a route takes: those that meet every condition. Without conditions: all."""

    path: ClassVar[str] = "notify.routes[].match"

    severity: tuple[str, ...] = field(
        default=(), metadata=option("Any of these severities.", checks.severity)
    )
    min_severity: Literal["info", "warning", "error", "critical"] | None = field(
        default=None, metadata=option("This severity, or a higher one.")
    )
    source: tuple[str, ...] = field(default=(), metadata=option("Any of these sources."))
    rule_id: tuple[str, ...] = field(default=(), metadata=option("Any of these rules."))
    tags: tuple[str, ...] = field(default=(), metadata=option("Any of these tags."))
    labels: tuple[str, ...] = field(
        default=(),
        metadata=option(
            "Labels of the alert, as `name:value`; of each name that is given, any of its values.",
            checks.label,
        ),
    )
    book: tuple[str, ...] = field(
        default=(), metadata=option('Any of these books; "": alerts of no book.')
    )


def _escalation(to: str | None, after: float | None) -> str | None:
    if to is not None and after is None:
        return "notify.routes[].escalate_after: is required with escalate_to"
    return None


@dataclass(frozen=True, slots=True)
class RouteConfig(Section):
    """Which alerts go to which receivers. What a route leaves out is as `notify` has it."""

    path: ClassVar[str] = "notify.routes[]"
    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(("escalate_to", "escalate_after"), _escalation),
    )

    match: MatchConfig = field(default_factory=MatchConfig)
    receivers: tuple[str, ...] = field(
        default=(),
        metadata=option("Names of receivers. Empty: nobody is told of these alerts."),
    )
    continues: bool = field(
        default=False,
        metadata=option("Whether later routes are looked at, too.", word="continue"),
    )
    group_by: tuple[str, ...] | None = field(
        default=None, metadata=option("As notify.group_by.", checks.grouping)
    )
    group_wait: float | None = field(
        default=None,
        metadata=option("As notify.group_wait.", checks.SECONDS_OR_ZERO, duration=True),
    )
    group_interval: float | None = field(
        default=None,
        metadata=option("As notify.group_interval.", checks.SECONDS_OR_ZERO, duration=True),
    )
    repeat_interval: float | None = field(
        default=None,
        metadata=option("As notify.repeat_interval.", checks.repeat_seconds, duration=True),
    )
    escalate_to: str | None = field(
        default=None,
        metadata=option("Receiver that is told if nobody acknowledges the alert in time."),
    )
    escalate_after: float | None = field(
        default=None,
        metadata=option("How long that is.", checks.SECONDS, duration=True),
    )
    resolved: bool | None = field(default=None, metadata=option("As notify.resolved."))
    acknowledged: bool | None = field(default=None, metadata=option("As notify.acknowledged."))


def _known_receivers(
    receivers: Mapping[str, ReceiverConfig], routes: tuple[RouteConfig, ...]
) -> str | None:
    known = ", ".join(receivers) or "none"
    for at, route in enumerate(routes):
        for index, name in enumerate(route.receivers):
            if name not in receivers:
                key = f"notify.routes[{at}].receivers[{index}]"
                return f"{key}: there is no receiver {name!r}; there are {known}"
        if route.escalate_to is not None and route.escalate_to not in receivers:
            key = f"notify.routes[{at}].escalate_to"
            return f"{key}: there is no receiver {route.escalate_to!r}; there are {known}"
    return None


@dataclass(frozen=True, slots=True)
class NotifyConfig(Section):
    """Messages to people about alerts."""

    path: ClassVar[str] = "notify"
    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(("receivers", "routes"), _known_receivers),
    )

    receivers: Mapping[str, ReceiverConfig] = field(
        default_factory=dict,
        metadata=option("Who gets messages, by name. Empty: nobody is notified."),
    )
    routes: tuple[RouteConfig, ...] = field(
        default=(),
        metadata=option(
            "Which alerts go to whom; the first that matches, and those after it as long as they "
            "say `continue`. Empty: every alert goes to every receiver."
        ),
    )
    group_by: tuple[str, ...] = field(
        default=(),
        metadata=option(
            "Fields whose equal values put alerts into one message: severity, source, rule_id, "
            "book, or a label as `label:name`. Empty: all alerts of a receiver.",
            checks.grouping,
        ),
    )
    group_wait: float = field(
        default=10.0,
        metadata=option(
            "How long the first alert of a group waits for others.",
            checks.SECONDS_OR_ZERO,
            duration=True,
        ),
    )
    group_interval: float = field(
        default=60.0,
        metadata=option(
            "How long a group waits after a message before it sends another.",
            checks.SECONDS_OR_ZERO,
            duration=True,
        ),
    )
    repeat_interval: float = field(
        default=14_400.0,
        metadata=option(
            "After how long an alert that nobody has acknowledged is sent again; at least 1 s. 0s: "
            "never.",
            checks.repeat_seconds,
            duration=True,
        ),
    )
    resolved: bool = field(
        default=True, metadata=option("Whether a message says that an alert is resolved.")
    )
    acknowledged: bool = field(
        default=False, metadata=option("Whether a message says that an alert is acknowledged.")
    )
    retry_for: float = field(
        default=43_200.0,
        metadata=option(
            "How long a message that fails is tried again, at intervals that grow from 5 s to 15 "
            "minutes.",
            checks.SECONDS_OR_ZERO,
            duration=True,
        ),
    )
    timeout: float = field(
        default=15.0,
        metadata=option("Seconds that a receiver has to take a message.", checks.between(0.1, 300)),
    )
