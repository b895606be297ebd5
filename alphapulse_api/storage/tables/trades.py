"""Trades: orders and their states, with exact decimals, newest first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from alphapulse_api.domain.books import HOME, Books
from alphapulse_api.domain.errors import Conflict
from alphapulse_api.domain.orders import HISTORY, Disagreement, advanced
from alphapulse_api.domain.outbox import TOGETHER
from alphapulse_api.domain.times import MICROSECOND, now
from alphapulse_api.storage.bulk import insert_rows, release
from alphapulse_api.storage.columns import (
    A_TURN,
    DECIMAL,
    FEES,
    JSON,
    PLAIN,
    TIME,
    Columns,
    Key,
    key_of,
)
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.listing import by_time_in, not_default, read_page
from alphapulse_api.storage.outbox import invalidation, of_change, of_new
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where, check_range
from alphapulse_api.storage.stores import NONE_SET, Written
from alphapulse_api.storage.tables.booked import in_books, listed, sought, the_one
from alphapulse_api.storage.tables.trade_marks import mark_changed, mark_new

COLUMNS = Columns(
    "trades",
    {
        "id": PLAIN,
        "order_id": PLAIN,
        "client_order_id": PLAIN,
        "symbol": PLAIN,
        "side": PLAIN,
        "quantity": DECIMAL,
        "filled_quantity": DECIMAL,
        "price": DECIMAL,
        "value": DECIMAL,
        "fee": DECIMAL,
        "fee_currency": PLAIN,
        "fees": FEES,
        "order_type": PLAIN,
        "status": PLAIN,
        "agent_id": PLAIN,
        "strategy": PLAIN,
        "executed_at": TIME,
        "updated_at": TIME,
        "corrects": PLAIN,
        "decision_id": PLAIN,
        "decided_price": DECIMAL,
        "metadata": JSON,
        "book": PLAIN,
    },
    hint="Most venues' ids are unique only with venue and symbol: build yours from all three.",
)
# One row a state, from the first change of a trade on; a trade that never changed has none.
_STATES = Columns(
    "trade_states",
    {
        "book": PLAIN,
        "trade_id": PLAIN,
        "revision": PLAIN,
        "at": TIME,
        "status": PLAIN,
        "filled_quantity": DECIMAL,
        "price": DECIMAL,
    },
)
_ASSIGNMENTS: Final = ", ".join(f"{name} = ${n}" for n, name in enumerate(COLUMNS.names, 1))
_UPDATE: Final = (
    f"UPDATE trades SET {_ASSIGNMENTS}, revision = revision + 1 "
    f"WHERE book = ${len(COLUMNS.names)} AND id = $1"
)
_SELECT_STATES: Final = (
    f"SELECT {_STATES.select} FROM trade_states WHERE book = $1 AND trade_id = $2 ORDER BY revision"
)
Trade = dict[str, Any]


class TradeDataAccessor:
    """Reads and writes trades: dicts with Decimals and datetimes.

    Args:
        books: the books whose trades it reads. A trade is written to the book that it names, or
            to the home book.
    """

    def __init__(self, engine: Engine, books: Books = HOME) -> None:
        self._engine = engine
        self._books = books

    async def get_trades(
        self,
        symbol: str | Collection[str] | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        side: str | None = None,
        status: str | None = None,
        strategy: str | Collection[str] | None = None,
        agent_id: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        sort: str | None = None,
    ) -> Page:
        """One page, newest first unless `sort` is "asc".

        Several symbols or strategies mean any of them.

        Raises:
            ValidationProblem: for an empty range or a foreign cursor.
        """
        check_range(start_time, end_time)
        where = Where()
        where.any_of("book", await sought(self._engine, self._books))
        where.any_of("symbol", _several(symbol))
        where.any_of("strategy", _several(strategy))
        where.equal(side=side, status=status, agent_id=agent_id)
        if status not in (None, "filled"):
            where.add("status <> 'filled'")  # the condition of the index
        where.between("executed_at", start_time, end_time)
        listing = Listing(
            "trades",
            symbol=_several(symbol),
            side=side,
            status=status,
            strategy=_several(strategy),
            agent_id=agent_id,
            sort=not_default(sort),
            books=listed(self._books),
        )
        order = by_time_in(self._books, "executed_at", sort)
        return await read_page(self._engine, COLUMNS, order, listing, where, limit, cursor)

    async def get_trade(self, trade_id: str) -> Trade:
        """The trade with that id and its `history`: its states, oldest first.

        Raises:
            NotFound: if there is none.
            Conflict: if several of the books have one.
        """
        trade = await the_one(self._engine, COLUMNS, self._books, trade_id, "trade")
        states = await _states(self._engine, trade["book"], trade_id)
        return {**trade, "history": states or [_state(trade)]}

    async def add_trades(
        self,
        trades: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        one: bool = False,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
    ) -> list[Written]:
        """Store validated trades, all of them or none. A trade with a stored id may advance it.

        Args:
            trades: as `orders.completed` returns them; of any books.
            server_set: for each trade, the fields that its sender left out.
            one: whether the sender sent a single trade, not an array; errors then point at "/id".
            conflicts: is filled with the conflicts of trades that are not stored, by position.
                Without it, one conflict refuses all trades.
            events: whether to publish new trades; an imported history is not published.

        Returns:
            Each trade as stored, and whether its id is new.

        Raises:
            Conflict: if a trade contradicts the stored one with its id; then nothing is stored.
        """
        at = now()
        booked = in_books(self._books, trades)

        async def work(transaction: Transaction) -> list[Written]:
            if conflicts is not None:
                conflicts.clear()  # left by an earlier run of the transaction
            first: dict[Key, Mapping[str, Any]] = {}
            for index, trade in enumerate(booked):
                first.setdefault(key_of(trade), {**trade, "updated_at": at})
                if index % A_TURN == 0:
                    await transaction.turn()
            added, known = await COLUMNS.insert_new(transaction, first)
            new: dict[Key, Trade] = {}
            fresh = [trade for key, trade in first.items() if key in added]
            for begin in range(0, len(fresh), TOGETHER):
                part = [
                    dict(zip(COLUMNS.names, map(trade.get, COLUMNS.names), strict=True))
                    for trade in fresh[begin : begin + TOGETHER]
                ]
                new.update((key_of(trade), trade) for trade in part)
                if events:
                    transaction.publish(*of_new("trades", part))
                await transaction.turn()
            if fresh and not events:
                transaction.publish(invalidation("trades", fresh))
            await mark_new(transaction, fresh)
            known.update(new)
            answer: list[Written] = []
            for index, trade in enumerate(booked):
                key = key_of(trade)
                is_new = new.pop(key, None) is not None
                if not is_new:
                    pointer = "/id" if one else f"/{index}/id"
                    try:
                        known[key] = await self._followed(
                            transaction,
                            known[key],
                            trade,
                            NONE_SET if server_set is None else server_set[index],
                            at,
                            pointer,
                        )
                    except Conflict as conflict:
                        if conflicts is None:
                            raise
                        conflicts[index] = conflict
                answer.append((known[key], is_new))
                if index % A_TURN == 0:
                    await transaction.turn()
            await release(transaction, fresh, first, known)
            return answer

        return await self._engine.write(work)

    async def _followed(
        self,
        transaction: Transaction,
        stored: Trade,
        trade: Mapping[str, Any],
        server_set: frozenset[str],
        at: datetime,
        pointer: str,
    ) -> Trade:
        """Apply a trade to the stored one with its id, and return the result."""
        with suppress(Disagreement):  # it may be a repeat of an earlier state
            if advanced(stored, trade, server_set) is None:
                return stored  # the common case, a repeat, needs no query and no lock
        ((revision, *row),) = await transaction.fetch(
            f"SELECT revision, {COLUMNS.select} FROM trades WHERE book = $1 AND id = $2 "
            f"{self._engine.locked}",
            trade["book"],
            trade["id"],
        )
        stored = COLUMNS.read(row)
        states = await _states(transaction, trade["book"], trade["id"])
        try:
            after = advanced(stored, trade, server_set, states)
        except Disagreement as disagreement:
            detail = f"{trade['id']!r} {disagreement.reason}. {disagreement.remedy or COLUMNS.hint}"
            raise Conflict(detail, errors=[{"pointer": pointer, "detail": detail}]) from None
        if after is None:
            return stored
        # Always later than before, because clients find the newer of two states by it.
        before = stored["updated_at"]
        after["updated_at"] = at if before is None else max(at, before + MICROSECOND)
        await _changed(transaction, stored, after, states, revision + 1)
        rows = await of_change(
            transaction,
            "trades",
            after,
            revision + 1,
            record_id=after["id"],
            relayed=self._engine.relayed,
        )
        transaction.publish(*rows)
        return after


async def _changed(
    transaction: Transaction,
    before: Trade,
    after: Trade,
    states: Sequence[Trade],
    revision: int,
) -> None:
    """Store a changed trade and its new state."""
    await transaction.execute(_UPDATE, *COLUMNS.store(after))
    mark_changed(transaction, before, after)
    entries = [] if states else [{**_state(before), "revision": revision - 1}]
    if any(before[name] != after[name] for name in HISTORY):
        entries.append({**_state(after), "revision": revision})
    owner = {"book": after["book"], "trade_id": after["id"]}
    await insert_rows(
        transaction,
        _STATES.into,
        [_STATES.store({**entry, **owner}) for entry in entries],
        "",
    )


async def _states(store: Transaction | Engine, book: str, trade_id: str) -> list[Trade]:
    """The states of a trade; none if it never changed."""
    rows = await store.fetch(_SELECT_STATES, book, trade_id)
    return [{name: state[name] for name in ("at", *HISTORY)} for state in map(_STATES.read, rows)]


def _state(trade: Trade) -> Trade:
    """The present state of a trade, as an entry of its history."""
    at = trade["updated_at"] or trade["executed_at"]
    return {"at": at, **{name: trade[name] for name in HISTORY}}


def _several(value: str | Collection[str] | None) -> Collection[str] | None:
    return (value,) if isinstance(value, str) else value
