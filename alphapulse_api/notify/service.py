"""The notifier of an application: made from its configuration, woken by its events, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from alphapulse_api.config import Config, NotifyConfig
from alphapulse_api.log import EventLog
from alphapulse_api.log.base import Event
from alphapulse_api.notify.channels import channels_of
from alphapulse_api.notify.notifier import Notifier
from alphapulse_api.runtime.monitor import PREFIX, counter_by
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from alphapulse_api.storage.tables.silences import SilenceDataAccessor

CONSOLE: Final = "/console/"


def link_of(config: Config) -> str:
    """The URL of the console, for messages; empty if it is not known."""
    if not config.public_url:
        return ""
    return config.public_url.rstrip("/") + config.base_path + CONSOLE


def notifier_from(config: Config, engine: Engine, *, serve: bool) -> Notifier:
    """The notifier of a process; one that does not serve has no receivers.

    Args:
        config: the configuration in force.
        engine: the database.
        serve: whether the process serves.

    Raises:
        ConfigError: if a receiver cannot be reached in any way.
    """
    notify = config.notify if serve else NotifyConfig()
    # One process serves an SQLite file. A log in Redis may be away, and then alerts wake nobody.
    alone = isinstance(engine, SQLiteEngine)
    polls = not alone or config.events.type != "memory"
    channels = channels_of(notify)
    return Notifier(engine, notify, channels, link_of(config), alone=alone, polls=polls)


def follow(
    notifier: Notifier, events: EventLog, silences: SilenceDataAccessor
) -> Callable[[], None]:
    """Wake the notifier by changes of alerts and silences; returns a function that stops it."""

    def on_events(batch: Sequence[Event]) -> None:
        if batch and batch[0].channel.name == "alerts":
            notifier.wake()

    if not notifier.sends:
        return lambda: None
    silences.on_change = notifier.wake
    return events.follow(on_events, lambda _: notifier.wake())


def figures_of(notifier: Notifier) -> Iterator[Metric]:
    """The figures of the notifier of this process."""
    yield counter_by(
        "receiver",
        f"{PREFIX}notifications_sent",
        "Messages that receivers took from this process.",
        notifier.sent,
    )
    yield counter_by(
        "receiver",
        f"{PREFIX}notifications_failed",
        "Attempts of this process to send a message that failed.",
        notifier.failed,
    )
    waiting = GaugeMetricFamily(
        f"{PREFIX}notifications_waiting",
        "Changes of alerts that a receiver will be told of; 0 in processes that do not send.",
        labels=("receiver",),
    )
    for receiver in notifier.sent:
        waiting.add_metric((receiver,), notifier.waiting.get(receiver, 0))
    yield waiting
