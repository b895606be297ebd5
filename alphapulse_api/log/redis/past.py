"""Reads the past of a channel from its stream, newest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from alphapulse_api.log.position import StreamPosition
from alphapulse_api.log.redis.entries import Entry, Fields, decode, parse

PAGE: Final = 1000  # entries read at once

Page = Sequence[tuple[bytes, Fields]]


class Past(NamedTuple):
    """Successive events without a gap.

    Attributes:
        base: the cursor before the first of them.
        entries: each with its data, and its time in ms by the clock of Redis.
    """

    base: str
    entries: Sequence[tuple[Entry, Mapping[str, Any], int]]


async def read_past(
    page: Callable[[str, int], Awaitable[Page]],
    position: StreamPosition,
    limit: int,
    skip: Callable[[bytes], None],
) -> Past:
    """Read the newest events up to a position, back to the first gap.

    Args:
        page: returns entries backwards from an ID, at most so many.
        position: of the newest event.
        limit: events after which no further page is read.
        skip: called with the IDs of entries that are not the log's.
    """
    entries: deque[tuple[Entry, Mapping[str, Any], int]] = deque()
    base, end = position.cursor, position.id
    while len(entries) < limit:
        found = await page(end, PAGE)
        for entry_id, fields in found:
            entry = parse(entry_id, fields)
            if entry is None:
                skip(entry_id)
                continue
            data = decode(entry.body)
            if entry.cursor != base or data is None:
                return Past(base, entries)
            entries.appendleft((entry, data, int(entry_id.partition(b"-")[0])))
            base = entry.after
        if len(found) < PAGE:
            break
        end = f"({found[-1][0].decode()}"
    return Past(base, entries)
