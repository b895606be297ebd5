"""The signals of agents: listed, shown and stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from alphapulse_api.domain.books import Books
from alphapulse_api.domain.errors import Conflict, NotFound
from alphapulse_api.domain.times import now
from alphapulse_api.storage.columns import JSON, PLAIN, TIME, Columns
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.listing import by_time_in, not_default, read_page
from alphapulse_api.storage.outbox import invalidation, of_new
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where, check_range
from alphapulse_api.storage.stores import NONE_SET, Written
from alphapulse_api.storage.tables.book_directory import BookDirectory
from alphapulse_api.storage.tables.booked import in_books, listed, sought, the_one
from alphapulse_api.storage.tables.once import Pointer, by_position
from alphapulse_api.storage.tables.signals import IN_FULL, SIGNALS, in_full, store_signals
from alphapulse_api.storage.tables.usage_spans import count_stated

AGENTS = Columns(
    "agents",
    {
        "agent_id": PLAIN,
        "agent_type": PLAIN,
        "state": PLAIN,
        "metrics": JSON,
        "updated_at": TIME,
        "commands": JSON,
    },
)
Signal = dict[str, Any]


class SignalReadWrite:
    """Reads and writes signals; see `AgentDataAccessor`."""

    _engine: Engine
    _books: Books
    _directory: BookDirectory

    async def get_signals(
        self,
        agent_id: str,
        symbol: str | None = None,
        direction: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
        sort: str | None = None,
        *,
        in_full: bool = False,
    ) -> Page:
        """One page of an agent's signals, newest first unless `sort` is "asc".

        With `in_full`, signals have their `thesis` and `inputs`.

        Raises:
            NotFound: if there is no such agent.
            ValidationProblem: for an empty range or a foreign cursor.
        """
        check_range(start_time, end_time)
        if not await self._engine.fetch("SELECT 1 FROM agents WHERE agent_id = $1", agent_id):
            raise NotFound(f"There is no agent {agent_id!r}.")
        where = Where()
        where.any_of("book", await sought(self._engine, self._books))
        where.equal(agent_id=agent_id, symbol=symbol, direction=direction)
        where.between("timestamp", start_time, end_time)
        listing = Listing(
            "signals",
            agent_id=agent_id,
            symbol=symbol,
            direction=direction,
            sort=not_default(sort),
            books=listed(self._books),
        )
        order = by_time_in(self._books, "timestamp", sort)
        columns = IN_FULL if in_full else SIGNALS
        return await read_page(self._engine, columns, order, listing, where, limit, cursor)

    async def get_signal(self, agent_id: str, signal_id: str) -> Signal:
        """A signal with its `thesis` and `inputs`.

        Raises:
            NotFound: if the agent has none with that id.
            Conflict: if several of the books have one.
        """
        signal = await the_one(self._engine, SIGNALS, self._books, signal_id, "signal")
        if signal["agent_id"] != agent_id:
            raise NotFound(f"There is no signal {signal_id!r} of {agent_id!r}.")
        (found,) = await in_full(self._engine, [signal])
        return found

    async def add_signal(
        self, signal: Mapping[str, Any], *, server_set: frozenset[str] = NONE_SET
    ) -> Written:
        """Store a validated signal; creates the agent if it is new.

        Args:
            server_set: the fields that the server set, in which a repeat may differ.

        Returns:
            The signal as stored, and whether it is new.

        Raises:
            Conflict: if the id exists with other content.
        """

        async def work(transaction: Transaction) -> Written:
            (written,) = await self.store_signals(
                transaction, (signal,), server_set=(server_set,), pointer=lambda _: "/id"
            )
            return written

        return await self._engine.write(work)

    async def add_signals(
        self,
        signals: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
    ) -> list[Written]:
        """Store validated signals, all of them or none; creates agents that are new.

        Args:
            signals: of any agents and books.
            server_set: as `insert_all_once` takes it.
            conflicts: as `insert_all_once` takes it.
            events: whether to publish new signals.

        Returns:
            Each signal as stored, and whether it is new.

        Raises:
            Conflict: if an id exists with other content; then nothing is stored.
        """

        async def work(transaction: Transaction) -> list[Written]:
            return await self.store_signals(
                transaction, signals, server_set=server_set, conflicts=conflicts, events=events
            )

        return await self._engine.write(work)

    async def store_signals(
        self,
        transaction: Transaction,
        signals: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
        pointer: Pointer = by_position,
    ) -> list[Written]:
        """Do what `add_signals` does, in a transaction of the caller."""
        records = in_books(self._books, signals)
        await make_agents(transaction, {str(signal["agent_id"]) for signal in records})
        written = await store_signals(
            transaction, records,
            directory=self._directory, server_set=server_set, conflicts=conflicts, pointer=pointer,
        )  # fmt: skip
        new = [signal for signal, is_new in written if is_new]
        await count_stated(transaction, new, "timestamp")
        if events and new:
            transaction.publish(*of_new("signals", new, resource="agents"))
        else:
            transaction.publish(invalidation("agents", records))
        return written


async def make_agents(transaction: Transaction, agent_ids: Collection[str]) -> None:
    """Create the agents that do not exist, with default values."""
    # In the order of ids, so that processes that create the same agents do not deadlock.
    for agent_id in sorted(agent_ids):
        await make_agent(transaction, agent_id)


async def make_agent(transaction: Transaction, agent_id: str) -> bool:
    """Create the agent with default values if it does not exist; return whether it did not."""
    defaults = {"agent_type": "unknown", "state": "active", "metrics": {}, "commands": []}
    made = await transaction.execute(
        f"{AGENTS.insert} ON CONFLICT (agent_id) DO NOTHING",
        *AGENTS.store({**defaults, "agent_id": agent_id, "updated_at": now()}),
    )
    return made > 0
