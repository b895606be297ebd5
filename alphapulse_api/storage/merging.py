"""The first rows in an order, of which a column has one of very many values.

An index that begins with the column holds the rows of each value in the order. So a few rows are
read of each value, and merged. No index holds the rows of all values in the order: it would make
every write dearer for questions that are seldom asked.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any, Final

from alphapulse_api.storage.bulk import keys_as_rows
from alphapulse_api.storage.columns import Columns
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.ordering import Order
from alphapulse_api.storage.query import Where

LEAST: Final = 4  # rows of a value that are read at first
GROWTH: Final = 4  # a value that has more of the first rows is read again, so many times as far


async def first_of_many(
    engine: Engine,
    columns: Columns,
    order: Order,
    where: Where,
    limit: int,
    after: Sequence[Any] | None,
) -> Sequence[Row]:
    """The first `limit` rows, or fewer if there are no more.

    Args:
        columns: the table, whose key is the column of many values and `id`.
        order: its columns have all of that key.
        where: the conditions, with the many values.
        limit: the number of rows.
        after: the key in the order after which they begin.
    """
    while True:
        keys = await _keys(engine, columns.table, order, where, limit, after)
        if not keys:
            return []
        assert where.many is not None
        names = where.many[0], "id"
        places = [order.columns.index(name) for name in names]
        wanted = [tuple(key[place] for place in places) for key in keys]
        sql, args = keys_as_rows(engine, ("text", "text"), wanted)
        rows = await engine.fetch(
            f"SELECT {columns.select} FROM {columns.table} "
            f"WHERE ({', '.join(names)}) IN ({sql}) ORDER BY {order.sql}",
            *args,
        )
        if len(rows) == len(keys):  # else some were removed meanwhile
            return rows


async def _keys(
    engine: Engine,
    table: str,
    order: Order,
    where: Where,
    limit: int,
    after: Sequence[Any] | None,
) -> list[Row]:
    """The values of the order's columns of the first rows."""
    assert where.many is not None
    column, values = where.many
    place = order.columns.index(column)
    where = where.copy()
    if after is not None:
        order.after(where, after)
    read: dict[Any, list[Row]] = {}
    left: Collection[Any] = values
    each = min(LEAST, limit)
    while True:
        rest = where.copy()
        sql = engine.first_of_each(
            table,
            ", ".join(order.columns),
            column,
            rest.parameter(engine.listed_texts(left)),
            rest.conditions,
            order.sql,
            rest.parameter(each),
        )
        read.update((value, []) for value in left)
        for row in await engine.fetch(f"{sql} ORDER BY {order.sql}", *rest.args):
            read[row[place]].append(row)
        found = heapq.merge(*read.values(), key=tuple, reverse=order.descending)
        first = list(islice(found, limit))
        end = tuple(first[-1]) if len(first) == limit else None
        # A value whose rows were all read, or whose last one is behind the end, has no more.
        left = [
            value
            for value in left
            if len(rows := read[value]) == each
            and (end is None or _before(tuple(rows[-1]), end, descending=order.descending))
        ]
        if not left:
            return first
        each = min(GROWTH * each, limit)


def _before(one: Any, other: Any, *, descending: bool) -> bool:
    return bool(one > other if descending else one < other)
