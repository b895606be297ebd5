"""Which outbox rows a log in memory has: the same rule as that of a shared log (scripts.py)."""

from __future__ import annotations

import time


class Dedup:
    """Ids that were seen.

    In two sets: once the younger is full, or old, it takes the place of the older. So all ids since
    the older began are known, and nothing has to be sorted by age.

    Args:
        size: ids of one set.
        ttl: seconds that one is filled.
    """

    __slots__ = ("_began", "_older", "_size", "_ttl", "_younger")

    def __init__(self, size: int, ttl: float) -> None:
        self._size = size
        self._ttl = ttl
        self._younger: set[str] = set()
        self._older: set[str] = set()
        self._began = time.monotonic()

    def __repr__(self) -> str:
        return f"<Dedup {len(self._younger) + len(self._older)} ids>"

    def is_new(self, id_: str) -> bool:
        """Whether an id was not seen before; it is known from now on."""
        if id_ in self._younger or id_ in self._older:
            return False
        now = time.monotonic()
        if len(self._younger) >= self._size or now - self._began > self._ttl:
            self._older, self._younger, self._began = self._younger, set(), now
        self._younger.add(id_)
        return True
