"""The event log: the only way from a write to a socket."""

from __future__ import annotations

from alphapulse_api.config import EventsConfig
from alphapulse_api.log.base import Event, EventLog, Gap
from alphapulse_api.log.memory import MemoryEventLog
from alphapulse_api.runtime.redis import RedisLink

__all__ = ["Event", "EventLog", "Gap", "event_log_from"]


def event_log_from(config: EventsConfig, link: RedisLink | None, *, read: bool = True) -> EventLog:
    """The log that `events.type` names, not yet open.

    Args:
        config: the section `events`.
        link: to its Redis, if one is configured.
        read: whether this process needs the events, or only appends.
    """
    if link is None:
        return MemoryEventLog(config.history_size, config.history_ttl, config.max_bytes)
    from alphapulse_api.log.redis.log import RedisEventLog

    return RedisEventLog(link, config.history_size, config.history_ttl, config.max_bytes, read=read)
