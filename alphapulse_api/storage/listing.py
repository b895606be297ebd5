"""Pages by keyset, newest first over (time, id) for most resources. Never an OFFSET."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from alphapulse_api.storage.columns import Columns
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where

# A page of 10,000 rows with 64 KiB of metadata each would take the memory of the process. So rows
# are read in pieces, and a page ends early once it is this long.
PAGE_BYTES: Final = 8 * 1024 * 1024
PIECE_ROWS: Final = 1000


async def newest_first(
    engine: Engine,
    columns: Columns,
    time: str,
    listing: Listing,
    where: Where,
    limit: int,
    cursor: str | None,
) -> Page:
    """One page of a table: `limit` rows, or fewer where rows are very long.

    Args:
        listing: what the cursor belongs to.
        columns: the table; it has a column "id".
        time: the column that orders it, with the id where times are equal.
        where: the conditions so far.
        limit: rows a page.
        cursor: where the page before ended.
    """
    after: Sequence[Any] | None = None
    if cursor is not None:
        after = listing.key(cursor, int, str)
    found: list[Row] = []
    size = 0
    while True:
        wanted = min(limit + 1 - len(found), PIECE_ROWS)
        rows = await _following(engine, columns, time, where, wanted, after)
        for row in rows:
            size += columns.bulk(row)
            if size > PAGE_BYTES and found:
                return paged([*found, row], columns, listing, len(found), time, "id")
            found.append(row)
        if len(rows) < wanted or len(found) > limit:
            return paged(found, columns, listing, limit, time, "id")
        last = dict(zip(columns.names, found[-1], strict=True))
        after = (last[time], last["id"])


async def _following(
    engine: Engine,
    columns: Columns,
    time: str,
    where: Where,
    limit: int,
    after: Sequence[Any] | None,
) -> Sequence[Row]:
    """The next rows, newest first, after the row with that time and id."""
    where = where.copy()
    if after is not None:
        where.add(f"({time}, id) < ({{}}, {{}})", *after)
    order = f"{time} DESC, id DESC"
    rows = where.newest(columns.table, order, limit)
    return await engine.fetch(
        f"SELECT {columns.select} FROM {rows} ORDER BY {order} LIMIT {where.parameter(limit)}",
        *where.args,
    )


def paged(found: Sequence[Row], columns: Columns, listing: Listing, limit: int, *key: str) -> Page:
    """A page of the first `limit` rows; one more row found means another page.

    Args:
        key: the columns of the sort order.
    """
    if len(found) <= limit:
        return Page(found, columns.records)
    last = dict(zip(columns.names, found[limit - 1], strict=True))
    return Page(found[:limit], columns.records, listing.cursor(*(last[name] for name in key)))
