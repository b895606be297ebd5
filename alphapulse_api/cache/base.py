"""What a cache promises.

Keys carry the version of the resource they were computed from. A write moves the version on, so
what was computed before it, or while it committed, can never be found again.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from multidict import CIMultiDict


class Entry(NamedTuple):
    """One answer: its bytes, and the headers that are the same for everyone who gets it."""

    body: bytes
    etag: str
    headers: CIMultiDict[str]


class Cache(Protocol):
    """A bounded store of answers."""

    async def version(self, resource: str) -> int:
        """The resource's current version; read before the data are."""
        ...

    async def move_on(self, resource: str) -> None:
        """Make every answer about the resource unreachable."""
        ...

    async def get(self, key: Any) -> Entry | None:
        """The answer under the key, if it is still there."""
        ...

    async def put(self, key: Any, entry: Entry, ttl: float) -> None:
        """Keep an answer for at most `ttl` seconds."""
        ...
