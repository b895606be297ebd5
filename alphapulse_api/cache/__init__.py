"""Cached answers, invalidated by writes."""

from __future__ import annotations

from alphapulse_api.cache.base import Cache, Entry, Key, Version
from alphapulse_api.cache.coalescer import Coalescer
from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.cache.redis import RedisCache
from alphapulse_api.cache.single_flight import SingleFlight
from alphapulse_api.cache.values import etag_of
from alphapulse_api.config import CacheConfig
from alphapulse_api.runtime.redis import RedisLink

__all__ = ["Cache", "Coalescer", "Entry", "Key", "SingleFlight", "Version", "cache_from", "etag_of"]


def cache_from(config: CacheConfig, link: RedisLink | None) -> Cache:
    """The cache that the configuration asks for: in the Redis of `link`, or else in memory."""
    keeps_outdated = config.max_staleness > 0
    if link is None:
        return MemoryCache(config.max_bytes, keeps_outdated=keeps_outdated)
    return RedisCache(link, keeps_outdated=keeps_outdated)
