"""The cache of one process: bounded in bytes, each answer with its own time to live."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any, NamedTuple

from cachetools import TLRUCache

from alphapulse_api.cache.base import Entry

# What an entry costs beside its body: key, headers, bookkeeping.
ENTRY_OVERHEAD = 2048


class _Kept(NamedTuple):
    entry: Entry
    ttl: float


class MemoryCache:
    """Answers in this process's memory.

    Args:
        max_bytes: the bound on what is kept; the least recently used goes first.
    """

    def __init__(self, max_bytes: int) -> None:
        self._versions: Counter[str] = Counter()  # reading a resource's leaves no trace
        self._entries: TLRUCache[Any, _Kept] = TLRUCache(
            max_bytes,
            ttu=lambda _key, kept, now: now + kept.ttl,
            timer=time.monotonic,
            getsizeof=lambda kept: len(kept.entry.body) + ENTRY_OVERHEAD,
        )

    async def version(self, resource: str) -> int:
        return self._versions[resource]

    async def move_on(self, resource: str) -> None:
        self._versions[resource] += 1

    async def get(self, key: Any) -> Entry | None:
        try:
            return self._entries[key].entry
        except KeyError:
            return None

    async def put(self, key: Any, entry: Entry, ttl: float) -> None:
        if ttl > 0 and len(entry.body) + ENTRY_OVERHEAD <= self._entries.maxsize:
            self._entries[key] = _Kept(entry, ttl)
