"""What the accessors ask of a database.

SQL is written once, with `$1` parameters. Times travel as integer microseconds since the epoch,
decimals and JSON as text, truth as 0 and 1; an engine with richer column types converts at its own
edge. Of the dialects only column types, bucket arithmetic, lists and row locks differ, and they are
here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from alphapulse_api.domain.outbox import OutboxRow

T = TypeVar("T")
Row = Sequence[Any]


class Transaction(Protocol):
    """One unit of work inside a transaction: all of it is stored, or nothing.

    Attributes:
        newest: the id of the newest outbox row of a change, by its channel and record. The units of
            a group share it: what one of them publishes, the next does not find in the table yet.
    """

    newest: dict[tuple[str, str | None], str]

    @property
    def takes_arrays(self) -> bool:
        """Whether a column's values may go as one array, for `unnest`."""
        ...

    def publish(self, *rows: OutboxRow) -> None:
        """Add rows to the outbox, if the unit of work succeeds."""
        ...

    async def turn(self) -> None:
        """Let others have a turn, where units of work run on the event loop."""
        ...

    async def plan_anew(self) -> None:
        """Plan each statement of the rest of the transaction for the tables as they are now.

        For tables that may have grown since the plans that the connection remembers were made.
        """
        ...

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        """Run one statement and return its rows."""
        ...

    async def execute(self, sql: str, *args: Any) -> int:
        """Run one statement and return how many rows it wrote."""
        ...


Work = Callable[[Transaction], Awaitable[T]]
Committed = Callable[[Sequence["OutboxRow"]], None]


class Engine(Protocol):
    """A database: concurrent reads, group-committed writes.

    Every method raises `Unavailable` while the database cannot serve (disk full, file gone …).
    """

    @property
    def location(self) -> str:
        """Where the data are, for messages; never with a password."""
        ...

    @property
    def takes_arrays(self) -> bool:
        """As its transactions do."""
        ...

    @property
    def leaves_outbox(self) -> bool:
        """Whether another process relays what is put into the outbox, points too."""
        ...

    @property
    def waiting(self) -> int:
        """How many writes wait for their commit."""
        ...

    @property
    def commit_seconds(self) -> float:
        """How long the transaction that is being written has taken; 0 if there is none."""
        ...

    @property
    def stalled(self) -> bool:
        """Whether that is too long: the database or its disk hangs."""
        ...

    on_stall: Callable[[], object]
    """Called on the loop when a transaction is found to be stalled; by default nothing happens."""

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
        methods of the transaction it is given, and may be run more than once, the last time
        counting; if it raises, its own changes alone are undone.
        """
        ...

    @property
    def relayed(self) -> Container[str]:
        """Ids of outbox rows that this process has relayed, as long as they are in the table."""
        ...

    def on_commit(
        self, committed: Committed, *, relayed: Container[str] = (), leaves: bool = False
    ) -> None:
        """Call back on the loop with the outbox rows of each commit, in order.

        Before the callers of its units of work are answered.

        Args:
            relayed: what `relayed` is from now on.
            leaves: what `leaves_outbox` says from now on.
        """
        ...

    @property
    def history(self) -> str | None:
        """Which history the database is on, or None if it has only one.

        A fail-over to a standby that lagged, or a restore, goes back to an earlier state and goes
        on from there: what was read or published of the lost history holds no more.
        """
        ...

    async def check_history(self) -> None:
        """Look which history the database is on, where connections do not show it.

        Raises:
            Unavailable: if the database is away.
        """
        ...

    def on_new_history(self, callback: Callable[[], None]) -> None:
        """Call back when the database goes on with another history than before."""
        ...

    @property
    def locked(self) -> str:
        """SQL that ends a SELECT in a transaction: its rows stay as they are until the commit."""
        ...

    def joined(self, table: str, alias: str, condition: str, order: str) -> str:
        """A join to the few rows of a table that meet the condition, by an index of that order.

        They are sought for each row on the left, and not in the whole table, however many there
        are on either side; 1000 of them at most.
        """
        ...

    def among(self, column: str, mark: str) -> str:
        """SQL that holds where an integer column is among the `listed` ones bound to `mark`.

        One parameter, however many there are: a list of marks would be a text of its own for each
        length, and has a limit.
        """
        ...

    def among_times(self, column: str, mark: str) -> str:
        """The same for a column of instants."""
        ...

    def listed(self, numbers: Iterable[int]) -> Any:
        """Integers, or instants, as the parameter that `among` or `among_times` takes."""
        ...

    def bucket(self, column: str, width: str) -> str:
        """SQL for the start of the epoch-aligned bucket of `width` microseconds around `column`."""
        ...
