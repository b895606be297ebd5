"""Answers kept for a while, and made unreachable by writes."""

from __future__ import annotations

from alphapulse_api.cache.base import Cache, Entry, Key, Version
from alphapulse_api.cache.memory import MemoryCache
from alphapulse_api.cache.redis import RedisCache
from alphapulse_api.cache.single_flight import SingleFlight
from alphapulse_api.cache.values import etag_of
from alphapulse_api.config import CacheConfig
from alphapulse_api.runtime.redis import RedisLink

__all__ = ["Cache", "Entry", "Key", "SingleFlight", "Version", "cache_from", "etag_of"]


def cache_from(config: CacheConfig, link: RedisLink | None) -> Cache:
    """The cache that `cache.type` names; `link` is to its Redis, if that is where it is."""
    return MemoryCache(config.max_bytes) if link is None else RedisCache(link)
