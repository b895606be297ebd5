"""The interface of a cache of answers.

Each resource has a version, which every write changes. An answer is stored under the version that
was read before its data, and is found only while that version is current. So an answer computed
before a write, or while it committed, is never found after it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, NamedTuple, Protocol
from zlib import crc32

from multidict import CIMultiDict

# Identifies a request: path, normalized query and format.
Key = tuple[str, ...]
Version = Hashable


# Versions of each kind of resource. Two names that share a version invalidate each other's answers.
SLOTS: Final = 65_536


def slot(resource: str) -> str:
    """The name under which the version of a resource is stored.

    Clients choose the second part of a name such as "metrics:risk". Such names share a fixed number
    of slots, so that memory does not grow with the names that are requested.
    """
    kind, colon, name = resource.partition(":")
    return f"{kind}:{crc32(name.encode(errors='replace')) % SLOTS}" if colon else resource


class Entry(NamedTuple):
    """One answer.

    Attributes:
        headers: those that are the same for every recipient.
        read_at: when its data were about to be read, in seconds since the epoch.
    """

    body: bytes
    etag: str
    headers: CIMultiDict[str]
    read_at: float = 0.0


class Cache(Protocol):
    """A bounded store of answers. No method raises while the store is away."""

    async def look(self, resource: str, key: Key) -> tuple[Version | None, Entry | None]:
        """The resource's version, and the answer under the key if it is of that version.

        A version of None means that the cache is away, and that an answer cannot be stored.
        """
        ...

    async def outdated(self, key: Key) -> Entry | None:
        """The newest cached answer under the key, of any version."""
        ...

    async def put(
        self, resource: str, key: Key, version: Version, entry: Entry, ttl: float
    ) -> None:
        """Store an answer for at most `ttl` seconds, unless its version is no longer current.

        A cache that keeps outdated answers stores it even then.
        """
        ...

    async def invalidate(self, *resources: str) -> None:
        """Invalidate every answer about the resources, in every process."""
        ...

    async def clear(self) -> None:
        """Invalidate every answer."""
        ...
