"""What a log in memory has told of: the same rule as that of a shared log (scripts.py)."""

from __future__ import annotations

import time

from alphapulse_api.events.base import Progress


class Told:
    """By identity, how far along what was told is.

    In two dictionaries: once the younger is full, or old, it takes the place of the older. So all
    that was told since the older began is known, and nothing has to be sorted by age.

    Args:
        size: identities of one dictionary.
        ttl: seconds that one is filled.
    """

    __slots__ = ("_began", "_older", "_reaches_back", "_size", "_ttl", "_younger")

    def __init__(self, size: int, ttl: float) -> None:
        self._size = size
        self._ttl = ttl
        self._younger: dict[str, tuple[int, int]] = {}
        self._older: dict[str, tuple[int, int]] = {}
        self._began = time.monotonic()
        self._reaches_back = float("-inf")

    def __repr__(self) -> str:
        return f"<Told {len(self._younger) + len(self._older)} identities>"

    def is_news(self, progress: Progress) -> bool:
        """Whether this is to be told; if so, it is known as told from now on."""
        now = time.monotonic()
        if len(self._younger) >= self._size or now - self._began > self._ttl:
            if self._older:
                self._reaches_back = self._began
            self._older, self._younger, self._began = self._younger, {}, now
        identity, stage, age = progress
        known = self._younger.get(identity) or self._older.get(identity)
        if known is not None and stage <= known:
            return False
        if known is None and age is not None and now - age <= self._reaches_back:
            return False
        self._younger[identity] = stage
        return True
