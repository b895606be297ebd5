"""What the accessors ask of a database.

SQL is written once, with `$1` parameters. Times travel as integer microseconds since the epoch,
decimals and JSON as text, truth as 0 and 1; an engine with richer column types converts at its own
edge. Of the dialects only the column types and the bucket arithmetic differ, and they are here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = Sequence[Any]


class Transaction(Protocol):
    """One unit of work inside a transaction: all of it is stored, or nothing."""

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        """Run one statement and return its rows."""
        ...

    async def execute(self, sql: str, *args: Any) -> int:
        """Run one statement and return how many rows it wrote."""
        ...

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row of parameters."""
        ...


Work = Callable[[Transaction], Awaitable[T]]


class Engine(Protocol):
    """A database: concurrent reads, group-committed writes.

    Every method raises `Unavailable` while the database cannot serve (disk full, file gone …).
    """

    @property
    def location(self) -> str:
        """Where the data are, for messages; never with a password."""
        ...

    @property
    def waiting(self) -> int:
        """How many writes wait for their commit."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why the newest write could not be stored, or None if it was.

        Only of what an empty transaction would not find, such as a full disk.
        """
        ...

    async def open(self) -> None:
        """Connect and bring the schema up to date.

        Raises:
            StartupError: if the database is not ours, is newer than this code, or cannot be opened.
        """
        ...

    async def close(self) -> None:
        """Finish the writes already accepted, then disconnect."""
        ...

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        """Run one reading statement; never waits behind writes."""
        ...

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return its result once that is committed durably.

        Works that arrive while a commit is under way share the next one. `work` may await only the
        methods of the transaction it is given; if it raises, its own changes alone are undone.
        """
        ...

    def bucket(self, column: str, width: str) -> str:
        """SQL for the start of the epoch-aligned bucket of `width` microseconds around `column`."""
        ...
