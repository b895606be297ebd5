"""Answers kept for a while, and made unreachable by writes."""

from __future__ import annotations

from alphapulse_api.cache.base import Cache, Entry
from alphapulse_api.cache.flights import Flights
from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.config import CacheConfig
from alphapulse_api.errors import ConfigError

__all__ = ["Cache", "Entry", "Flights", "cache_from"]


def cache_from(config: CacheConfig) -> Cache:
    """The cache that `cache.type` names, not yet open.

    Raises:
        ConfigError: if this release has no such cache.
    """
    if config.type == "redis":
        raise ConfigError("cache.type: this release caches in memory only, not in redis")
    return MemoryCache(config.max_bytes)
