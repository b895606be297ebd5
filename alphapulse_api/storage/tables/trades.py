"""Trades: orders and their states, with exact decimals, newest first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from alphapulse_api.domain.books import HOME, Books
from alphapulse_api.domain.errors import Conflict
from alphapulse_api.domain.orders import Disagreement, advanced
from alphapulse_api.domain.outbox import TOGETHER
from alphapulse_api.domain.times import MICROSECOND, now
from alphapulse_api.storage.bulk import release
from alphapulse_api.storage.columns import (
    A_TURN,
    Key,
    key_of,
)
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.listing import by_time_in, not_default, read_page
from alphapulse_api.storage.outbox import invalidation, of_change, of_new
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import Listing, Where, check_range
from alphapulse_api.storage.stores import NONE_SET, Written
from alphapulse_api.storage.tables.book_directory import BookDirectory, closed
from alphapulse_api.storage.tables.booked import in_books, listed, sought, the_one
from alphapulse_api.storage.tables.decision_writing import link_trades
from alphapulse_api.storage.tables.once import Pointer, beside, by_position
from alphapulse_api.storage.tables.open_books import insert_open, is_correction
from alphapulse_api.storage.tables.trade_marks import mark_changed, mark_new
from alphapulse_api.storage.tables.trade_rows import (
    COLUMNS,
    Trade,
    history_of,
    states_of,
    store_change,
)


class TradeDataAccessor:
    """Reads and writes trades: dicts with Decimals and datetimes.

    Args:
        books: the books whose trades it reads. A trade is written to the book that it names, or
            to the home book.
        directory: what the process knows of the books.
    """

    def __init__(
        self, engine: Engine, books: Books = HOME, directory: BookDirectory | None = None
    ) -> None:
        self._engine = engine
        self._books = books
        self._directory = directory or BookDirectory(engine)

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
        return await history_of(self._engine, trade)

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
            Conflict: if a trade contradicts the stored one with its id, or if a closed book does
                not take it; then nothing is stored.
        """
        place: Pointer = (lambda _: "/id") if one else by_position

        async def work(transaction: Transaction) -> list[Written]:
            return await self.store_trades(
                transaction, trades,
                server_set=server_set, conflicts=conflicts, events=events, pointer=place,
            )  # fmt: skip

        return await self._engine.write(work)

    async def store_trades(
        self,
        transaction: Transaction,
        trades: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
        pointer: Pointer = by_position,
    ) -> list[Written]:
        """Do what `add_trades` does, in a transaction of the caller.

        Args:
            transaction: of the caller.
            trades: as for `add_trades`.
            server_set: as for `add_trades`.
            conflicts: as for `add_trades`.
            events: as for `add_trades`.
            pointer: to the id of the trade at a position, for errors.
        """
        at = now()
        booked = in_books(self._books, trades)
        if conflicts is not None:
            conflicts.clear()  # left by an earlier run of the transaction
        first: dict[Key, Mapping[str, Any]] = {}
        for index, trade in enumerate(booked):
            first.setdefault(key_of(trade), {**trade, "updated_at": at})
            if index % A_TURN == 0:
                await transaction.turn()
        added, known, barred = await insert_open(
            transaction, COLUMNS, first, self._directory, is_correction
        )
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
        await link_trades(transaction, fresh)
        known.update(new)
        answer: list[Written] = []
        for index, trade in enumerate(booked):
            key = key_of(trade)
            is_new = new.pop(key, None) is not None
            if key in barred:
                refusal = closed(trade["book"], beside(pointer(index)))
                if conflicts is None:
                    raise refusal
                conflicts[index] = refusal
                answer.append((dict(trade), False))
                continue
            if not is_new:
                try:
                    known[key] = await self._followed(
                        transaction,
                        known[key],
                        trade,
                        NONE_SET if server_set is None else server_set[index],
                        at,
                        pointer(index),
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
        states = await states_of(transaction, trade["book"], trade["id"])
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
        await store_change(transaction, stored, after, states, revision + 1)
        await mark_changed(transaction, stored, after)
        rows = await of_change(
            transaction,
            "trades",
            after,
            revision + 1,
            record_id=after["id"],
            relayed=self._engine.relayed,
        )
        transaction.publish(*rows)
        if after["decision_id"] != stored["decision_id"]:
            await link_trades(transaction, (after,))
        return after


def _several(value: str | Collection[str] | None) -> Collection[str] | None:
    return (value,) if isinstance(value, str) else value
