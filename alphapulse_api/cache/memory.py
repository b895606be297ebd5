"""The cache of one process: bounded in bytes, each answer with its own time to live."""

from __future__ import annotations

import time
from collections import Counter
from typing import NamedTuple

from cachetools import TLRUCache

from alphapulse_api.cache.base import Entry, Key, Version, slot

# Estimated bytes of an entry in addition to its key and body: headers, bookkeeping.
ENTRY_OVERHEAD = 2048


class _Kept(NamedTuple):
    entry: Entry
    version: Version
    ttl: float
    size: int


def _size(key: Key, entry: Entry) -> int:
    return len(entry.body) + sum(map(len, key)) + ENTRY_OVERHEAD


class MemoryCache:
    """Answers in this process's memory.

    Args:
        max_bytes: bound on the size of all entries; the least recently used is evicted first.
        keeps_outdated: whether to store an answer that is outdated by the time it is computed.
    """

    def __init__(self, max_bytes: int, *, keeps_outdated: bool = False) -> None:
        self._keeps_outdated = keeps_outdated
        self._versions: Counter[str] = Counter()  # a Counter: reading a version stores nothing
        self._clears = 0  # part of every version
        self._entries: TLRUCache[Key, _Kept] = TLRUCache(
            max_bytes,
            ttu=lambda _key, kept, now: now + kept.ttl,
            timer=time.monotonic,
            getsizeof=lambda kept: kept.size,
        )

    async def look(self, resource: str, key: Key) -> tuple[Version | None, Entry | None]:
        version = self._version(resource)
        try:
            kept = self._entries[key]
        except KeyError:
            return version, None
        return version, kept.entry if kept.version == version else None

    async def outdated(self, key: Key) -> Entry | None:
        kept = self._entries.get(key)
        return None if kept is None else kept.entry

    async def put(
        self, resource: str, key: Key, version: Version, entry: Entry, ttl: float
    ) -> None:
        size = _size(key, entry)
        useful = self._keeps_outdated or version == self._version(resource)
        if ttl > 0 and size <= self._entries.maxsize and useful:
            self._entries[key] = _Kept(entry, version, ttl, size)

    async def invalidate(self, *resources: str) -> None:
        self._versions.update(map(slot, resources))

    async def clear(self) -> None:
        self.forget(None)

    def forget(self, resource: str | None) -> None:
        """Invalidate a resource that another process has changed; None: all of them."""
        if resource is None:
            self._clears += 1
            self._entries.clear()
        else:
            self._versions[slot(resource)] += 1

    def _version(self, resource: str) -> Version:
        return self._clears, self._versions[slot(resource)]
