"""SQL that differs between PostgreSQL and SQLite, for SQLite."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alphapulse_api.domain.encoding import dumps


class Dialect:
    """The texts of an engine; see `Engine`."""

    @property
    def clock(self) -> str:
        return "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"

    @property
    def locked(self) -> str:
        return ""  # only one writer runs at a time, so no rows need a lock

    @property
    def locked_free(self) -> str:
        return ""

    def size(self, column: str) -> str:
        return f"length(CAST({column} AS BLOB))"  # of text, length() counts characters

    def joined(self, table: str, alias: str, condition: str, order: str) -> str:
        return f"CROSS JOIN {table} {alias} ON {condition}"  # keeps the order of the loops

    def among(self, column: str, mark: str) -> str:
        return f"{column} IN (SELECT value FROM json_each({mark}))"

    def among_times(self, column: str, mark: str) -> str:
        return self.among(column, mark)

    def listed(self, numbers: Iterable[int]) -> Any:
        return str(list(numbers))

    def listed_texts(self, texts: Iterable[str]) -> Any:
        return dumps(list(texts)).decode()

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
            f"SELECT rowid FROM {table} WHERE {column} = sought AND {conditions} "
            f"ORDER BY {order} LIMIT {limit}"
        )
        return (
            f"SELECT {shown} FROM (SELECT value AS sought FROM json_each({values})) "
            f"CROSS JOIN {table} ON {table}.rowid IN ({first})"
        )

    def bucket(self, column: str, width: str) -> str:
        # % keeps the sign of its left side; times before 1970 need the true modulus.
        return f"({column} - ({column} % {width} + {width}) % {width})"
