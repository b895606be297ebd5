"""Deduplicates outbox rows in a log in memory, by the rule of a shared log (append.lua)."""

from __future__ import annotations

import time
from collections.abc import Callable


class Dedup:
    """Ids that were seen, in two sets.

    When the younger set is full or old, it replaces the older one. So every id since the older set
    began is known, and nothing has to be sorted by age.

    Args:
        size: ids in one set.
        ttl: seconds until a set is old.
        clock: seconds, monotonic.
    """

    __slots__ = ("_began", "_clock", "_older", "_size", "_ttl", "_younger")

    def __init__(self, size: int, ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._ttl = ttl
        self._clock = clock
        self._younger: set[str] = set()
        self._older: set[str] = set()
        self._began = clock()

    def __repr__(self) -> str:
        return f"<Dedup {len(self._younger) + len(self._older)} ids>"

    def is_new(self, id_: str) -> bool:
        """Remember an id; return whether it was unknown."""
        if id_ in self._younger or id_ in self._older:
            return False
        now = self._clock()
        if len(self._younger) >= self._size or now - self._began > self._ttl:
            self._older, self._younger, self._began = self._younger, set(), now
        self._younger.add(id_)
        return True
