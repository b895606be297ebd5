"""The interface of a database engine, as the accessors use it.

SQL is written once, with `$1` parameters. Times are passed as integer microseconds since the epoch,
decimals and JSON as text, booleans as 0 and 1; an engine with richer column types converts them.
The dialects differ in column types, bucket arithmetic, lists and row locks; the engine hides that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from alphapulse_api.domain.marks import Mark
    from alphapulse_api.domain.outbox import OutboxRow
    from alphapulse_api.storage.rekeyed import Rekeyed

T = TypeVar("T")
Row = Sequence[Any]


class Transaction(Protocol):
    """One unit of work inside a transaction: it is stored completely or not at all.

    Attributes:
        newest: the id of the newest outbox row of a change, by channel, book and record. The units
            of a group share it, because rows that one of them publishes are not in the table yet.
        rows: those that the units of the group have published so far.
        stored: the ids of the rows that the outbox had before the group, by channel and book, then
            by record; read once, where no other transaction writes meanwhile.
    """

    newest: dict[tuple[str, str, str | None], str]
    rows: list[OutboxRow]
    stored: dict[tuple[str | None, str], dict[str | None, list[str]]] | None

    @property
    def takes_arrays(self) -> bool:
        """Whether the values of a column can be bound as one array, for `unnest`."""
        ...

    def publish(self, *rows: OutboxRow) -> None:
        """Add rows to the outbox, if the unit of work succeeds."""
        ...

    def mark(self, *marks: Mark) -> None:
        """Mark symbols whose trades change, if the unit of work succeeds.

        The earliest mark of each symbol is stored with the commit.
        """
        ...

    async def turn(self) -> None:
        """Yield to the event loop, if units of work run on it."""
        ...

    async def plan_anew(self) -> None:
        """Let the server plan the remaining statements of the transaction anew.

        Use it where tables may have grown since the connection's cached plans were made.
        """
        ...

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        """Run one statement and return its rows."""
        ...

    async def execute(self, sql: str, *args: Any) -> int:
        """Run one statement and return the number of rows that it wrote."""
        ...


Work = Callable[[Transaction], Awaitable[T]]
Committed = Callable[[Sequence["OutboxRow"]], None]


class Engine(Protocol):
    """A database with concurrent reads and group-committed writes.

    Every method raises `Unavailable` while the database cannot serve, for example if the disk is
    full or the file is missing.
    """

    @property
    def location(self) -> str:
        """Where the data is stored, for messages; never includes a password."""
        ...

    @property
    def takes_arrays(self) -> bool:
        """Whether its transactions take arrays."""
        ...

    @property
    def leaves_outbox(self) -> bool:
        """Whether another process relays the rows of the outbox, including metric points."""
        ...

    @property
    def waiting(self) -> int:
        """The number of writes that wait for their commit."""
        ...

    @property
    def commit_seconds(self) -> float:
        """Seconds since the current write transaction began; 0 if there is none."""
        ...

    @property
    def stalled(self) -> bool:
        """Whether the current commit takes too long: the database or its disk hangs."""
        ...

    on_marked: Callable[[], object]
    """Called on the loop after a commit that stored marks; does nothing by default."""

    on_stall: Callable[[], object]
    """Called on the loop when a commit is found to be stalled; does nothing by default."""

    @property
    def trouble(self) -> str | None:
        """Why the newest write could not be stored, or None if it was.

        Covers only faults that an empty transaction does not meet, such as a full disk.
        """
        ...

    async def open(self) -> None:
        """Connect and migrate the schema.

        Raises:
            StartupError: if the database belongs to another program, has a newer schema, or cannot
                be opened.
        """
        ...

    async def close(self) -> None:
        """Finish the accepted writes, then disconnect."""
        ...

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        """Run one reading statement; it never waits for writes."""
        ...

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return its result once that is committed durably.

        Units of work that arrive during a commit share the next one. `work` may await only methods
        of its transaction. It may run more than once, and the last run counts. If it raises, only
        its own changes are rolled back.
        """
        ...

    async def rekey(self, rekeyed: Rekeyed) -> None:
        """Change the primary key of a table while others read and write.

        It continues what was cut. It may be cancelled at any time.

        Raises:
            Unavailable: if the database is away.
        """
        ...

    async def reclaim(self, transaction: Transaction, size: int) -> int:
        """Return about `size` bytes that deleted rows took to the file system.

        Returns:
            How many bytes it was; 0 if nothing is left to return, or if the server does it itself.
        """
        ...

    async def truncate_log(self) -> None:
        """Truncate the write-ahead log, unless somebody reads from it or the server does it itself.

        Readers and other writes go on meanwhile.
        """
        ...

    @property
    def relayed(self) -> Container[str]:
        """Ids of the outbox rows that this process has relayed and not yet removed."""
        ...

    def on_commit(
        self, committed: Committed, *, relayed: Container[str] = (), leaves: bool = False
    ) -> None:
        """Set the callback that receives the outbox rows of each commit, in order.

        It runs on the loop, before the callers of the commit get their results.

        Args:
            relayed: the new value of `relayed`.
            leaves: the new value of `leaves_outbox`.
        """
        ...

    @property
    def history(self) -> str | None:
        """The identity of the database's history, or None if there can be only one.

        A fail-over to a lagging standby, or a restore, returns to an earlier state and continues
        from there. Whatever was read or published from the lost history is invalid then.
        """
        ...

    async def check_history(self) -> None:
        """Check the history, in case new connections do not reveal a change.

        Raises:
            Unavailable: if the database is unavailable.
        """
        ...

    def on_new_history(self, callback: Callable[[], None]) -> None:
        """Add a callback for a change of the history."""
        ...

    @property
    def clock(self) -> str:
        """SQL for the present instant by the database's clock, also within a long transaction."""
        ...

    @property
    def locked(self) -> str:
        """SQL that ends a SELECT in a transaction and locks its rows until the commit."""
        ...

    @property
    def locked_free(self) -> str:
        """Like `locked`, but leaves out the rows that another transaction has locked."""
        ...

    def size(self, column: str) -> str:
        """SQL for the bytes that a value of a text or JSON column takes; null for null."""
        ...

    def joined(self, table: str, alias: str, condition: str, order: str) -> str:
        """SQL that joins a few rows of a table, found by an index with the given order.

        For each row on the left it seeks at most 1000 rows by the index, instead of scanning the
        table.
        """
        ...

    def among(self, column: str, mark: str) -> str:
        """SQL that is true if an integer column is among the `listed` numbers bound to `mark`.

        All numbers are one parameter: a list of marks would be another statement for each length,
        and its length is limited.
        """
        ...

    def among_times(self, column: str, mark: str) -> str:
        """Like `among`, for a column of instants."""
        ...

    def listed(self, numbers: Iterable[int]) -> Any:
        """Integers or instants in the form that `among` and `among_times` take."""
        ...

    def listed_texts(self, texts: Iterable[str]) -> Any:
        """Texts in the form that `first_of_each` takes."""
        ...

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
        """A SELECT of the first rows of a table for each value of a column, sought by an index.

        Args:
            table: its name; on SQLite it has rowids.
            shown: the columns to select.
            column: the one with the values.
            values: the mark that the `listed_texts` values are bound to.
            conditions: of the rows.
            order: the SQL after ORDER BY.
            limit: the mark that the number of rows of each value is bound to.
        """
        ...

    def bucket(self, column: str, width: str) -> str:
        """SQL for the start of the epoch-aligned bucket of `width` microseconds around `column`."""
        ...
