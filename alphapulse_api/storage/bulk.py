"""Many rows in few statements, because each statement costs a round trip to the server.

An engine that takes a column as one array gets a thousand rows a statement; the others get them as
`VALUES`, a hundred rows a statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.storage.engine.base import Engine, Row, Transaction

# Rows a statement. Few sizes, because each is another statement to prepare. Larger ones gain
# nothing.
_SIZES: Final = (100, 10, 1)

# Rows a statement with arrays. Encoding them and decoding an answer takes about 2 ms of the event
# loop; another statement costs a tenth of that.
ROWS: Final = 1000

RELEASED: Final = 100  # elements freed at once

Rows = Sequence[Sequence[Any]]


async def release(transaction: Transaction, *containers: list[Any] | dict[Any, Any]) -> None:
    """Empty long containers in steps.

    Freeing 10,000 records at once, as at the end of a function, takes up to 10 ms, in which the
    event loop has no turn. That holds on any thread, because freeing holds the interpreter lock.
    """
    for container in containers:
        while container:
            if isinstance(container, list):
                del container[-RELEASED:]
            else:
                for _ in range(min(RELEASED, len(container))):
                    container.popitem()
            await transaction.turn()


async def insert_rows(
    transaction: Transaction, into: str, rows: Rows, ending: str, types: tuple[str, ...] = ()
) -> list[Row]:
    """Insert all rows.

    Args:
        into: table and columns, such as "series (metric_type, name)".
        rows: the values, equally many in each row.
        ending: what follows the values: ON CONFLICT …, RETURNING …
        types: the columns' types by PostgreSQL's names, where arrays of them may be sent.

    Returns:
        What `ending` returns.
    """
    if types and rows and transaction.takes_arrays:
        sql = f"INSERT INTO {into} SELECT * FROM {_arrays(types)} {ending}"
        return await _in_columns(transaction, rows, sql)
    return await _in_parts(
        transaction,
        rows,
        lambda count: f"INSERT INTO {into} VALUES {_marks(count, len(rows[0]))} {ending}",
    )


async def select_rows(
    transaction: Transaction | Engine,
    columns: str,
    table: str,
    key: Sequence[str],
    keys: Rows,
    types: tuple[str, ...] = (),
) -> list[Row]:
    """The rows that have one of these keys, in no order.

    Args:
        columns: what to select.
        table: of which table.
        key: the columns of a unique key.
        keys: the values of those columns.
        types: the columns' types by PostgreSQL's names, if they are not text; SQLite takes those
            of numbers and times as numbers.
    """
    names = ", ".join(f"key_{column}" for column in key)
    equal = " AND ".join(f"{column} = key_{column}" for column in key)
    if types and keys and transaction.takes_arrays:
        # The limit makes PostgreSQL use its index: for many keys it would read the whole table.
        found = f"SELECT {columns} FROM {table} WHERE {equal} LIMIT 1"
        source = f"{_arrays(types)} AS keys ({names}) CROSS JOIN LATERAL ({found}) AS found"
        return await _in_columns(transaction, keys, f"SELECT found.* FROM {source}")
    # A join with the keys first, instead of (a, b) IN (…), for which SQLite reads the whole table.
    select = f"SELECT {columns} FROM keys CROSS JOIN {table} WHERE {equal}"
    return await _in_parts(
        transaction,
        keys,
        lambda count: f"WITH keys ({names}) AS (VALUES {_marks(count, len(key), types)}) {select}",
    )


async def update_rows(
    transaction: Transaction,
    table: str,
    columns: Sequence[str],
    rows: Rows,
    types: tuple[str, ...],
    *,
    keys: int,
) -> None:
    """Set columns of rows that are found by a unique key.

    Args:
        table: the table.
        columns: those of the key, then those to set.
        rows: the values of these columns.
        types: their types, by PostgreSQL's names.
        keys: how many of the columns are the key.
    """
    names = ", ".join(f"new_{column}" for column in columns)
    equal = " AND ".join(f"{column} = new_{column}" for column in columns[:keys])
    assigned = ", ".join(f"{column} = new_{column}" for column in columns[keys:])
    update = f"UPDATE {table} SET {assigned} FROM rows WHERE {equal}"
    if rows and transaction.takes_arrays:
        source = f"SELECT * FROM {_arrays(types)}"
        await _in_columns(transaction, rows, f"WITH rows ({names}) AS ({source}) {update}")
        return
    await _in_parts(
        transaction,
        rows,
        lambda count: f"WITH rows ({names}) AS (VALUES {_marks(count, len(columns))}) {update}",
    )


async def select_ranges(
    transaction: Transaction, select: str, conditions: Sequence[str], ranges: Rows, ending: str
) -> list[Row]:
    """The rows in any of some ranges, `ending` ordering those of one statement.

    Args:
        select: the statement up to its WHERE.
        conditions: what a range is, such as "id =", "time >=", "time <".
        ranges: a value for each of those.
    """

    def statement(count: int) -> str:
        numbers = iter(range(1, count * len(conditions) + 1))
        either = " OR ".join(
            f"({' AND '.join(f'{condition} ${next(numbers)}' for condition in conditions)})"
            for _ in range(count)
        )
        return f"{select} WHERE {either} {ending}"

    return await _in_parts(transaction, ranges, statement, _SIZES[1:])


async def select_limited(
    transaction: Transaction | Engine,
    select: str,
    conditions: Sequence[str],
    ranges: Rows,
    order: str,
    limit: int,
) -> list[Row]:
    """The first rows of each of some ranges, one range after the other.

    Args:
        select: the statement up to its WHERE.
        conditions: what a range is, such as "id =", "time >=", "time <".
        ranges: a value for each of those.
        order: the order of the rows in each range, that of an index.
        limit: how many rows of each range.
    """

    def statement(count: int) -> str:
        numbers = iter(range(1, count * (len(conditions) + 1) + 1))
        return " UNION ALL ".join(
            f"SELECT * FROM ({select} WHERE "
            f"{' AND '.join(f'{condition} ${next(numbers)}' for condition in conditions)} "
            f"{order} LIMIT ${next(numbers)}) part"
            for _ in range(count)
        )

    rows = [(*values, limit) for values in ranges]
    return await _in_parts(transaction, rows, statement, _SIZES[1:])


def keys_as_rows(
    transaction: Transaction | Engine, types: Sequence[str], keys: Rows
) -> tuple[str, tuple[Any, ...]]:
    """SQL for a table of keys, and its parameters, the first ones of the statement.

    Args:
        transaction: runs the statement.
        types: the columns' types, by PostgreSQL's names.
        keys: the values of those columns; text, numbers and times.
    """
    if transaction.takes_arrays:
        return f"SELECT * FROM {_arrays(types)}", tuple(zip(*keys, strict=True))
    columns = ", ".join(f"json_extract(value, '$[{number}]')" for number in range(len(types)))
    return f"SELECT {columns} FROM json_each($1)", (dumps(keys).decode(),)


async def _in_columns(transaction: Transaction | Engine, rows: Rows, sql: str) -> list[Row]:
    """What a statement returns that takes a column as one array, run for all rows."""
    found: list[Row] = []
    for at in range(0, len(rows), ROWS):
        found += await transaction.fetch(sql, *zip(*rows[at : at + ROWS], strict=True))
    return found


async def _in_parts(
    transaction: Transaction | Engine,
    rows: Rows,
    statement: Callable[[int], str],
    sizes: Sequence[int] = _SIZES,
) -> list[Row]:
    """What the statement for so many rows returns, run for all rows."""
    found: list[Row] = []
    for part in _parts(rows, sizes):
        args = [value for row in part for value in row]
        found += await transaction.fetch(statement(len(part)), *args)
    return found


def _parts(rows: Rows, sizes: Sequence[int]) -> Iterator[Rows]:
    at = 0
    for size in sizes:
        while len(rows) - at >= size:
            yield rows[at : at + size]
            at += size


def _arrays(types: Sequence[str]) -> str:
    """A row for each element of the arrays $1, $2, …"""
    marks = ", ".join(f"CAST(${number} AS {kind}[])" for number, kind in enumerate(types, 1))
    return f"unnest({marks})"


@lru_cache(maxsize=256)
def _marks(rows: int, columns: int, types: tuple[str, ...] = ()) -> str:
    """($1, $2), ($3, $4), …; the first row gives the types of all rows."""
    numbers = iter(range(1, rows * columns + 1))
    row = [[f"${next(numbers)}" for _ in range(columns)] for _ in range(rows)]
    if types:
        row[0] = [f"CAST({mark} AS {kind})" for mark, kind in zip(row[0], types, strict=True)]
    return ", ".join(f"({', '.join(marks)})" for marks in row)
