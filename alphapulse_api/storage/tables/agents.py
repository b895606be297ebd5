"""Agents, their state, and their signals."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final

from alphapulse_api.domain.books import HOME, Books
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import NotFound
from alphapulse_api.domain.times import CLOCK_AHEAD, now, to_micros
from alphapulse_api.domain.versions import Precondition, Versioned
from alphapulse_api.storage.bulk import select_limited
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.listing import (
    PAGE_BYTES,
    PIECE_BYTES,
    Pieces,
    read_rows,
)
from alphapulse_api.storage.ordering import Order
from alphapulse_api.storage.outbox import invalidation
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where, default_range
from alphapulse_api.storage.tables.book_directory import BookDirectory
from alphapulse_api.storage.tables.signal_accessor import AGENTS, SignalReadWrite, make_agent
from alphapulse_api.storage.tables.signals import SIGNALS

_AGENT_OF_SIGNAL = SIGNALS.names.index("agent_id")
_ORDER: Final = tuple(SIGNALS.names.index(name) for name in ("timestamp", "id", "book"))
SIGNALS_SHOWN = 20
SIGNALS_WINDOW = timedelta(hours=24)
FIRST_AGENTS: Final = 4  # agents whose signals are read first; then as many as their length allows
_SELECT: Final = f"SELECT {AGENTS.select} FROM agents WHERE agent_id = $1"
_BY_ID: Final = Order(("agent_id",), (str,), descending=False)
Agent = dict[str, Any]
Signal = dict[str, Any]


class AgentDataAccessor(SignalReadWrite):
    """Reads and writes agents and their signals.

    Args:
        ahead: the seconds by which the clock of a sender may be ahead.
        books: the books whose signals it reads; agents belong to none. A signal is written to the
            book that it names, or to the home book.
        directory: what the process knows of the books.
    """

    def __init__(
        self,
        engine: Engine,
        ahead: float = CLOCK_AHEAD,
        books: Books = HOME,
        directory: BookDirectory | None = None,
    ) -> None:
        self._engine = engine
        self._directory = directory or BookDirectory(engine)
        self._books = books
        self._ahead = timedelta(seconds=ahead)

    async def get_agents(
        self,
        agent_type: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """One page of agents, by id, each with `signals`: its newest 20 in the range, newest first.

        The range defaults to the 24 hours before now.

        Raises:
            ValidationProblem: for an empty range or a foreign cursor.
        """
        start, end = default_range(start_time, end_time, SIGNALS_WINDOW, self._ahead)
        where = Where()
        where.equal(agent_type=agent_type)
        listing = Listing("agents", agent_type=agent_type)
        agents, more = await read_rows(self._engine, AGENTS, _BY_ID, listing, where, limit, cursor)
        by_agent: dict[str, list[Row]] = {}

        def bulk(agent: Row) -> int:
            return AGENTS.bulk(agent) + sum(map(SIGNALS.bulk, by_agent.get(agent[0], ())))

        done = size = 0
        pieces = Pieces(FIRST_AGENTS, limit, PIECE_BYTES)
        while done < len(agents) and size <= PAGE_BYTES:
            piece = agents[done : done + pieces.rows]
            for row in await self._newest_signals(piece, start, end):
                by_agent.setdefault(row[_AGENT_OF_SIGNAL], []).append(row)
            read = sum(map(bulk, piece))
            pieces.read(len(piece), read)
            done, size = done + len(piece), size + read

        def records(rows: Sequence[Row], plain: bool) -> list[Agent]:
            made = AGENTS.records(rows, plain)
            for agent in made:
                mine = by_agent.get(agent["agent_id"], ())
                agent["signals"] = SIGNALS.records(mine, plain)
            return made

        more = more or done < len(agents)
        following = _BY_ID.cursor(listing, AGENTS, agents[done - 1]) if more else None
        return Page(agents[:done], records, following, bulk=bulk)

    async def _newest_signals(
        self, agents: Sequence[Row], start: datetime, end: datetime
    ) -> Sequence[Row]:
        """The newest signals of each agent in a range of time, newest first."""
        ranges: list[tuple[Any, ...]] = [
            (agent[0], to_micros(start), to_micros(end)) for agent in agents
        ]
        conditions: tuple[str, ...] = "agent_id =", "timestamp >=", "timestamp <"
        order = "ORDER BY timestamp DESC, id DESC, book DESC"
        books = self._books.ids
        if books is not None:  # sought one by one; all books by an index of their own
            ranges = [(book, *each) for each in ranges for book in books]
            conditions = "book =", *conditions
            order = "ORDER BY timestamp DESC, id DESC"
        # One agent at a time: a window over all of them would read every signal in the range.
        rows = await select_limited(
            self._engine,
            f"SELECT {SIGNALS.select} FROM signals",
            conditions,
            ranges,
            order,
            SIGNALS_SHOWN,
        )
        return rows if books is None or len(books) == 1 else _newest(rows)

    async def get_agent(
        self, agent_id: str, start_time: datetime | None = None, end_time: datetime | None = None
    ) -> Versioned:
        """One agent as `get_agents` shows it; raises `NotFound`, and for an empty range as it."""
        start, end = default_range(start_time, end_time, SIGNALS_WINDOW, self._ahead)
        rows = await self._engine.fetch(_SELECT, agent_id)
        if not rows:
            raise NotFound(f"There is no agent {agent_id!r}.")
        agent = AGENTS.read(rows[0])
        signals = await self._newest_signals(rows, start, end)
        shown = Versioned(agent, signals=SIGNALS.records(signals, plain=False))
        shown.version = _version(agent)
        return shown

    async def set_agent(
        self, agent_id: str, update: Mapping[str, Any], *, precondition: Precondition | None = None
    ) -> Versioned:
        """Store a validated update; fields that it leaves out keep their values.

        Args:
            agent_id: which agent; it is made if it is new.
            update: the fields.
            precondition: what the agent has to be before.

        Raises:
            Problem: 412, if `precondition` does not hold.
        """

        async def work(transaction: Transaction) -> Versioned:
            made = await make_agent(transaction, agent_id)
            # Locked, so that concurrent updates do not undo each other's fields.
            (known,) = await transaction.fetch(f"{_SELECT} {self._engine.locked}", agent_id)
            before = AGENTS.read(known)
            if precondition is not None:
                precondition.check(None if made else _version(before), f"agent {agent_id!r}")
            record = {**before, **update, "agent_id": agent_id, "updated_at": now()}
            await transaction.execute(
                "UPDATE agents SET agent_type = $2, state = $3, metrics = $4, updated_at = $5, "
                "commands = $6 "
                "WHERE agent_id = $1",
                *AGENTS.store(record),
            )
            transaction.publish(invalidation("agents", (record,)))
            stored = Versioned({name: record[name] for name in AGENTS.names})
            stored.version = _version(stored)
            return stored

        return await self._engine.write(work)


def _newest(signals: Sequence[Row]) -> list[Row]:
    """The newest signals of each agent, from those of several books."""
    by_agent: dict[str, list[Row]] = {}
    for signal in sorted(signals, key=itemgetter(*_ORDER), reverse=True):
        by_agent.setdefault(signal[_AGENT_OF_SIGNAL], []).append(signal)
    return [signal for mine in by_agent.values() for signal in mine[:SIGNALS_SHOWN]]


def _version(agent: Agent) -> str:
    """The version of an agent: a hash of it, with the time of its last update."""
    return hashlib.blake2b(dumps(agent), digest_size=12).hexdigest()
