"""Decisions: listed, shown with what led to them, and stored with their signals and trades."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from alphapulse_api.domain.books import HOME, Books
from alphapulse_api.domain.errors import NOT_IMPLEMENTED, Problem
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.listing import by_time_in, not_default, read_page
from alphapulse_api.storage.outbox import invalidation, of_new
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where, check_range
from alphapulse_api.storage.stores import AgentStore, TradeStore, Written
from alphapulse_api.storage.tables.agents import AgentDataAccessor
from alphapulse_api.storage.tables.book_directory import BookDirectory
from alphapulse_api.storage.tables.booked import in_books, listed, sought, the_one
from alphapulse_api.storage.tables.chain import expanded, why, with_links
from alphapulse_api.storage.tables.decision_columns import DECISIONS, listing_columns
from alphapulse_api.storage.tables.decision_writing import store_decisions
from alphapulse_api.storage.tables.once import Pointer
from alphapulse_api.storage.tables.signal_accessor import make_agents
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from alphapulse_api.storage.tables.usage_spans import count_stated

Decision = dict[str, Any]
Record = Mapping[str, Any]


class DecisionDataAccessor:
    """Reads and writes decisions.

    Args:
        engine: where they are stored.
        agents: the store of the signals that come with decisions.
        trades: the store of the trades that come with decisions.
        books: the books whose decisions it reads.
        directory: what the process knows of the books.
    """

    def __init__(
        self,
        engine: Engine,
        agents: AgentStore,
        trades: TradeStore,
        books: Books = HOME,
        directory: BookDirectory | None = None,
    ) -> None:
        self._directory = directory or BookDirectory(engine)
        self._engine = engine
        self._agents = agents
        self._trades = trades
        self._books = books

    async def get_decisions(
        self,
        agent_id: str | None = None,
        symbol: str | None = None,
        cycle_id: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
        sort: str | None = None,
        *,
        in_full: bool = False,
    ) -> Page:
        """One page, newest first unless `sort` is "asc".

        Args:
            agent_id: of the agent that decided.
            symbol: one of those that the decision is about.
            cycle_id: of its cycle.
            start_time: the earliest `made_at`.
            end_time: that of the first decision not to list.
            limit: decisions on the page.
            cursor: of the page.
            sort: the order.
            in_full: with `reasoning`.

        Raises:
            ValidationProblem: for an empty range or a foreign cursor.
        """
        check_range(start_time, end_time)
        where = Where()
        where.any_of("book", await sought(self._engine, self._books))
        where.equal(agent_id=agent_id, sought_symbol=symbol, cycle_id=cycle_id)
        where.between("made_at", start_time, end_time)
        listing = Listing(
            "decisions",
            agent_id=agent_id,
            symbol=symbol,
            cycle_id=cycle_id,
            sort=not_default(sort),
            books=listed(self._books),
        )
        columns = listing_columns(by_symbol=symbol is not None, in_full=in_full)
        order = by_time_in(self._books, "made_at", sort)
        return await read_page(self._engine, columns, order, listing, where, limit, cursor)

    async def get_decision(self, decision_id: str, expand: Collection[str] = ()) -> Decision:
        """The decision with that id, its reasoning, and the ids of what followed from it.

        Args:
            decision_id: its id.
            expand: the parts of EXPANSIONS to add.

        Raises:
            NotFound: if there is none.
            Conflict: if several of the books have one.
        """
        decision = await the_one(self._engine, DECISIONS, self._books, decision_id, "decision")
        whole = await with_links(self._engine, decision)
        return await expanded(self._engine, whole, expand) if expand else whole

    async def explain_trade(self, trade_id: str) -> Decision:
        """The trade with that id and everything that led to it, as `chain.why` returns it.

        Raises:
            NotFound: if there is none.
            Conflict: if several of the books have one.
        """
        return await why(self._engine, await self._trades.get_trade(trade_id))

    async def add_decisions(
        self,
        decisions: Sequence[Record],
        *,
        server_set: Sequence[frozenset[str]],
        one: bool = False,
        events: bool = True,
    ) -> list[Written]:
        """Store validated decisions with their signals and trades, all of them or none.

        Args:
            decisions: completed; `signals` and `trades`, if there are any, are lists of completed
                records with the fields that the server set.
            server_set: for each decision, the fields that the server set.
            one: whether the sender sent one decision, not an array; errors then point at "/id".
            events: whether to publish what is new.

        Returns:
            Each decision as stored, and whether it is new.

        Raises:
            Conflict: if an id exists with other content.
            Ring: if a correction would correct itself.
            Problem: 501, for signals or trades of a host's own accessor.
        """
        booked = in_books(self._books, decisions)

        def pointer(index: int) -> str:
            return "" if one else f"/{index}"

        async def work(transaction: Transaction) -> list[Written]:
            await self._store_signals(transaction, booked, pointer, events)
            written = await store_decisions(
                transaction, booked,
                directory=self._directory, server_set=server_set, pointer=pointer,
            )  # fmt: skip
            await self._store_trades(transaction, booked, pointer, events)
            fresh = [decision for decision, new in written if new]
            await count_stated(transaction, fresh, "made_at")
            if events:
                transaction.publish(*of_new("decisions", fresh))
            elif fresh:
                transaction.publish(invalidation("decisions", fresh))
            return written

        return await self._engine.write(work)

    async def _store_signals(
        self,
        transaction: Transaction,
        decisions: Sequence[Record],
        pointer: Pointer,
        events: bool,
    ) -> None:
        """Store the signals that come with decisions, and create the agents that are new."""
        parts = _parts(decisions, "signals", pointer)
        if isinstance(self._agents, AgentDataAccessor):
            deciders = {str(decision["agent_id"]) for decision in decisions}
            await make_agents(transaction, deciders)
        if not parts.records:
            return
        if not isinstance(self._agents, AgentDataAccessor):
            raise _of_host("signals")
        await self._agents.store_signals(
            transaction, parts.records,
            server_set=parts.server_set, events=events, pointer=parts.places.__getitem__,
        )  # fmt: skip

    async def _store_trades(
        self,
        transaction: Transaction,
        decisions: Sequence[Record],
        pointer: Pointer,
        events: bool,
    ) -> None:
        """Store the trades that come with decisions."""
        parts = _parts(decisions, "trades", pointer)
        if not parts.records:
            return
        if not isinstance(self._trades, TradeDataAccessor):
            raise _of_host("trades")
        await self._trades.store_trades(
            transaction, parts.records,
            server_set=parts.server_set, events=events, pointer=parts.places.__getitem__,
        )  # fmt: skip


class _Parts(NamedTuple):
    """Records that come with decisions: what the server set in each, and pointers to their ids."""

    records: list[Record]
    server_set: list[frozenset[str]]
    places: list[str]


def _parts(decisions: Sequence[Record], name: str, pointer: Pointer) -> _Parts:
    parts = _Parts([], [], [])
    for index, decision in enumerate(decisions):
        for number, (record, server_set) in enumerate(decision.get(name) or ()):
            parts.records.append({**record, "book": decision["book"]})
            parts.server_set.append(server_set)
            parts.places.append(f"{pointer(index)}/{name}/{number}/id")
    return parts


def _of_host(name: str) -> Problem:
    return Problem(
        NOT_IMPLEMENTED,
        f"The {name} of a decision cannot be stored with it, because the host keeps them itself: "
        "send them by themselves.",
    )
