"""Pages by keyset, newest first over (time, id) for most resources. Never an OFFSET."""

from __future__ import annotations

from collections.abc import Sequence

from alphapulse_api.data.columns import Columns
from alphapulse_api.data.engine import Engine
from alphapulse_api.data.engine.base import Row
from alphapulse_api.data.page import Page
from alphapulse_api.data.query import Listing, Where


async def newest_first(
    engine: Engine,
    columns: Columns,
    time: str,
    listing: Listing,
    where: Where,
    limit: int,
    cursor: str | None,
) -> Page:
    """One page of a table.

    Args:
        listing: what the cursor belongs to.
        columns: the table; it has a column "id".
        time: the column that orders it, with the id where times are equal.
        where: the conditions so far.
        limit: rows a page.
        cursor: where the page before ended.
    """
    if cursor is not None:
        where.add(f"({time}, id) < ({{}}, {{}})", *listing.key(cursor, int, str))
    found = await engine.fetch(
        f"SELECT {columns.select} FROM {columns.table} {where} "
        f"ORDER BY {time} DESC, id DESC LIMIT {where.parameter(limit + 1)}",
        *where.args,
    )
    return paged(found, columns, listing, limit, time, "id")


def paged(found: Sequence[Row], columns: Columns, listing: Listing, limit: int, *key: str) -> Page:
    """The first `limit` of the rows found, which are one more if there are more.

    Args:
        key: the columns that order them.
    """
    if len(found) <= limit:
        return Page(found, columns.records)
    last = dict(zip(columns.names, found[limit - 1], strict=True))
    return Page(found[:limit], columns.records, listing.cursor(*(last[name] for name in key)))
