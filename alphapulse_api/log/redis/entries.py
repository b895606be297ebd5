"""Parses entries of a shared log's streams; a foreign writer may have added some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from alphapulse_api.domain.encoding import loads_stored
from alphapulse_api.log.position import StreamPosition

Fields = Mapping[bytes, bytes]


class Entry(NamedTuple):
    after: str
    cursor: str
    body: bytes | None  # None: a gap, or only tags
    tags: str
    by: bytes


def parse(entry_id: bytes, fields: Fields, expected: str | None = None) -> Entry | None:
    """Parse an entry; return None if it is not one of the log.

    Args:
        entry_id: its ID.
        fields: of the entry.
        expected: the cursor that it most likely follows; that one is not validated.
    """
    after = fields.get(b"after", b"").decode(errors="replace")
    body = fields.get(b"data")
    if (after != expected and StreamPosition.parse(after) is None) or not (
        fields.keys() & {b"data", b"break", b"tags"}
    ):
        return None
    cursor = f"{after.partition('-')[0]}-{entry_id.decode()}"
    tags = fields.get(b"tags", b"").decode(errors="replace")
    return Entry(after, cursor, body, tags, fields.get(b"by", b""))


def decode(body: bytes | None) -> Mapping[str, Any] | None:
    try:
        data = loads_stored(body or b"null")
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def entries_within(size: int, found: Sequence[tuple[bytes, Fields]], most: int) -> int:
    """Return how many entries to read next: those of so many bytes, if they are like the last ones.

    Args:
        size: in bytes.
        found: the last entries; at least one.
        most: the largest answer.
    """
    read = sum(len(fields.get(b"data", b"")) for _, fields in found)
    return max(1, min(most, size * len(found) // max(1, read)))
