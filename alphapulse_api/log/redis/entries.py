"""Entries of a shared log's streams, as Redis hands them out; anybody may have put them there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from alphapulse_api.domain.encoding import loads_stored
from alphapulse_api.log.position import StreamPosition

Fields = Mapping[bytes, bytes]


class Entry(NamedTuple):
    after: str
    cursor: str
    body: bytes | None  # None: a break, or only tags
    tags: str
    by: bytes


def parse(entry_id: bytes, fields: Fields, expected: str | None = None) -> Entry | None:
    """An entry of the log, or None if it is none.

    It most often comes after the cursor `expected`, which needs no look.
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
