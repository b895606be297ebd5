"""Newest-first pages over (time, id), shared by alerts, trades and signals. Never an OFFSET."""

from __future__ import annotations

from typing import Any

from alphapulse_api.data.columns import Columns
from alphapulse_api.data.engine import Engine
from alphapulse_api.data.query import Page, Where, decode_cursor, encode_cursor
from alphapulse_api.times import to_micros


async def newest_first(
    engine: Engine, columns: Columns, time: str, where: Where, limit: int, cursor: str | None
) -> Page[dict[str, Any]]:
    """One page of a table.

    Args:
        columns: the table; it has a column "id".
        time: the column that orders it, with the id where times are equal.
        where: the conditions so far.
        limit: rows a page.
        cursor: where the page before ended.
    """
    if cursor is not None:
        where.add(f"({time}, id) < ({{}}, {{}})", *decode_cursor(cursor, int, str))
    found = await engine.fetch(
        f"SELECT {columns.select} FROM {columns.table} {where} "
        f"ORDER BY {time} DESC, id DESC LIMIT {where.parameter(limit + 1)}",
        *where.args,
    )
    rows = [columns.read(row) for row in found[:limit]]
    if len(found) <= limit:
        return Page(rows)
    return Page(rows, encode_cursor(to_micros(rows[-1][time]), rows[-1]["id"]))
