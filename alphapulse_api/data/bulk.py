"""Many rows in few statements: a statement for each would cost each a journey to the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from alphapulse_api.data.engine.base import Engine, Row, Transaction

# Rows a statement. Few sizes: each is a text of its own to prepare. Larger ones gain nothing.
_SIZES: Final = (100, 10, 1)


async def insert_rows(
    transaction: Transaction, into: str, rows: Sequence[Sequence[Any]], ending: str
) -> list[Row]:
    """Insert all rows.

    Args:
        into: table and columns, such as "series (metric_type, name)".
        rows: the values, equally many in each row.
        ending: what follows the values: ON CONFLICT …, RETURNING …

    Returns:
        What `ending` returns.
    """
    found: list[Row] = []
    for part in _parts(rows):
        marks = _marks(len(part), len(part[0]))
        args = [value for row in part for value in row]
        found += await transaction.fetch(f"INSERT INTO {into} VALUES {marks} {ending}", *args)
    return found


async def select_rows(
    transaction: Transaction | Engine,
    columns: str,
    table: str,
    key: Sequence[str],
    keys: Sequence[Sequence[Any]],
    types: tuple[str, ...] = (),
) -> list[Row]:
    """The rows that have one of these keys, in no order.

    Args:
        columns: what to select.
        table: of which table.
        key: the key's columns.
        keys: the values of those columns.
        types: the columns' types, where they are not text, by PostgreSQL's names; those of numbers
            and times mean numbers to SQLite too.
    """
    found: list[Row] = []
    names = ", ".join(f"key_{column}" for column in key)
    equal = " AND ".join(f"{column} = key_{column}" for column in key)
    # A join, keys first, and not (a, b) IN (…), for which SQLite reads the whole table.
    select = f"SELECT {columns} FROM keys CROSS JOIN {table} WHERE {equal}"
    for part in _parts(keys):
        marks = _marks(len(part), len(key), types)
        args = [value for row in part for value in row]
        found += await transaction.fetch(f"WITH keys ({names}) AS (VALUES {marks}) {select}", *args)
    return found


async def select_ranges(
    transaction: Transaction,
    select: str,
    conditions: Sequence[str],
    ranges: Sequence[Sequence[Any]],
    ending: str,
) -> list[Row]:
    """The rows in any of some ranges, `ending` ordering those of one statement.

    Args:
        select: the statement up to its WHERE.
        conditions: what a range is, such as "id =", "time >=", "time <".
        ranges: a value for each of those.
    """
    found: list[Row] = []
    for part in _parts(ranges, _SIZES[1:]):
        numbers = iter(range(1, len(part) * len(conditions) + 1))
        either = " OR ".join(
            f"({' AND '.join(f'{condition} ${next(numbers)}' for condition in conditions)})"
            for _ in part
        )
        args = [value for row in part for value in row]
        found += await transaction.fetch(f"{select} WHERE {either} {ending}", *args)
    return found


def _parts(
    rows: Sequence[Sequence[Any]], sizes: Sequence[int] = _SIZES
) -> Iterator[Sequence[Sequence[Any]]]:
    at = 0
    for size in sizes:
        while len(rows) - at >= size:
            yield rows[at : at + size]
            at += size


@lru_cache(maxsize=256)
def _marks(rows: int, columns: int, types: tuple[str, ...] = ()) -> str:
    """($1, $2), ($3, $4), …; the first row tells the types of all."""
    numbers = iter(range(1, rows * columns + 1))
    row = [[f"${next(numbers)}" for _ in range(columns)] for _ in range(rows)]
    if types:
        row[0] = [f"CAST({mark} AS {kind})" for mark, kind in zip(row[0], types, strict=True)]
    return ", ".join(f"({', '.join(marks)})" for marks in row)
