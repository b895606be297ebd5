"""What a cache promises.

Each resource has a version. A write moves it on; an answer is kept with the version that was read
before its data were, and is found under that version alone. So what was computed before a write, or
while it committed, can never be found after it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, NamedTuple, Protocol
from zlib import crc32

from multidict import CIMultiDict

# What was asked: the path, the question and the format.
Key = tuple[str, ...]
Version = Hashable


# Versions of one kind of resource that are kept apart. Two names that share one cost a computation.
SLOTS: Final = 1024


def slot(resource: str) -> str:
    """Where the version of a resource is kept.

    Readers choose the name in "metrics:risk", so names share a fixed number of slots: what is kept
    of them does not grow with what is asked for.
    """
    kind, colon, name = resource.partition(":")
    return f"{kind}:{crc32(name.encode(errors='replace')) % SLOTS}" if colon else resource


class Entry(NamedTuple):
    """One answer: its bytes, and the headers that are the same for everyone who gets it."""

    body: bytes
    etag: str
    headers: CIMultiDict[str]


class Cache(Protocol):
    """A bounded store of answers. No method raises because it is away."""

    async def look(self, resource: str, key: Key) -> tuple[Version | None, Entry | None]:
        """The resource's version, and the answer under the key if it is of that version.

        Without a version the cache is away: what is computed now cannot be kept.
        """
        ...

    async def put(
        self, resource: str, key: Key, version: Version, entry: Entry, ttl: float
    ) -> None:
        """Keep an answer of that version for at most `ttl` seconds, unless a write overtook it."""
        ...

    async def invalidate(self, *resources: str) -> None:
        """Make every answer about the resources unreachable, in every process."""
        ...

    async def clear(self) -> None:
        """Make every answer unreachable."""
        ...
