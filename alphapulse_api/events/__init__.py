"""The event log: the only way from a write to a socket."""

from __future__ import annotations

from alphapulse_api.config import EventsConfig
from alphapulse_api.errors import ConfigError
from alphapulse_api.events.base import CHANNELS, Channel, Event, EventLog
from alphapulse_api.events.memory import MemoryEventLog

__all__ = ["CHANNELS", "Channel", "Event", "EventLog", "event_log_from"]


def event_log_from(config: EventsConfig) -> EventLog:
    """The log that `events.type` names, not yet open.

    Raises:
        ConfigError: if this release has no such log.
    """
    if config.type == "redis":
        raise ConfigError("events.type: this release keeps events in memory only, not in redis")
    return MemoryEventLog(size=config.history_size, ttl=config.history_ttl)
