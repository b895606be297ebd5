"""Reads the past of a channel from its stream, newest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from alphapulse_api.log.position import StreamPosition
from alphapulse_api.log.redis.entries import Entry, Fields, decode, entries_within, parse

# Read at once: at most so many entries, of about so many bytes.
PAGE: Final = 1000
PAGE_BYTES: Final = 1 << 20
FIRST_PAGE: Final = 10  # entries, as their size is not known

Page = Sequence[tuple[bytes, Fields]]


class Past(NamedTuple):
    """Successive events without a gap.

    Attributes:
        base: the cursor before the first of them.
        entries: each with its time in ms by the clock of Redis.
    """

    base: str
    entries: Sequence[tuple[Entry, int]]


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
    entries: deque[tuple[Entry, int]] = deque()
    base, end, count = position.cursor, position.id, min(PAGE, FIRST_PAGE)
    while len(entries) < limit:
        found = await page(end, count)
        for entry_id, fields in found:
            entry = parse(entry_id, fields)
            if entry is None:
                skip(entry_id)
                continue
            # Decoded only to be checked: the dicts of all would take many times the bytes.
            if entry.cursor != base or decode(entry.body) is None:
                return Past(base, entries)
            entries.appendleft((entry, int(entry_id.partition(b"-")[0])))
            base = entry.after
        if len(found) < count:
            break
        count = entries_within(PAGE_BYTES, found, PAGE)
        end = f"({found[-1][0].decode()}"
    return Past(base, entries)
