"""SQL that differs between PostgreSQL and SQLite, for PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

# Buckets wider than this (microseconds; 4600 years) may begin before the first instant that
# PostgreSQL knows, 4713 BC; all representable dates before the epoch are then one bucket.
_WIDEST_BIN: Final = 145_000_000_000_000_000


class Dialect:
    """The texts of an engine; see `Engine`."""

    @property
    def clock(self) -> str:
        return "clock_timestamp()"  # now() is the beginning of the transaction

    @property
    def locked(self) -> str:
        return "FOR UPDATE"

    @property
    def locked_free(self) -> str:
        return "FOR UPDATE SKIP LOCKED"

    def size(self, column: str) -> str:
        return f"pg_column_size({column})"  # as stored, so a compressed value is not read

    def joined(self, table: str, alias: str, condition: str, order: str) -> str:
        # The planner expects an unknown bound to match a third of all rows, and would scan the
        # table. The limit makes it expect few rows.
        rows = f"SELECT * FROM {table} {alias} WHERE {condition} ORDER BY {order} LIMIT 1000"
        return f"CROSS JOIN LATERAL ({rows}) {alias}"

    def among(self, column: str, mark: str) -> str:
        return f"{column} = ANY(CAST({mark} AS bigint[]))"

    def among_times(self, column: str, mark: str) -> str:
        return f"{column} = ANY(CAST({mark} AS timestamptz[]))"

    def listed(self, numbers: Iterable[int]) -> Any:
        return list(numbers)

    def listed_texts(self, texts: Iterable[str]) -> Any:
        return list(texts)

    def first_of_each(
        self,
        table: str,
        shown: str,
        column: str,
        values: str,
        conditions: str,
        order: str,
        limit: str,
    ) -> str:
        first = (
            f"SELECT {shown} FROM {table} WHERE {column} = sought AND {conditions} "
            f"ORDER BY {order} LIMIT {limit}"
        )
        return (
            f"SELECT {shown} FROM unnest(CAST({values} AS text[])) AS every(sought) "
            f"CROSS JOIN LATERAL ({first}) AS part"
        )

    def bucket(self, column: str, width: str) -> str:
        # In two parts, because a double cannot hold the microseconds of a long width.
        span = f"CAST({width} AS bigint)"
        stride = (
            f"{span} / 1000000 * interval '1 second' + {span} % 1000000 * interval '1 microsecond'"
        )
        epoch = "timestamptz '1970-01-01 00:00:00Z'"
        return (
            f"CASE WHEN {span} > {_WIDEST_BIN} AND {column} < {epoch} "
            f"THEN timestamptz '-infinity' ELSE date_bin({stride}, {column}, {epoch}) END"
        )
