"""Stores decisions, each with its text and the rows by which it is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.errors import Ring
from alphapulse_api.domain.times import to_micros
from alphapulse_api.storage.bulk import insert_rows, select_rows
from alphapulse_api.storage.columns import A_TURN, Key, key_of
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.stores import Written
from alphapulse_api.storage.tables.book_directory import BookDirectory
from alphapulse_api.storage.tables.decision_columns import DECISIONS, SYMBOLS, TEXTS
from alphapulse_api.storage.tables.once import Pointer, insert_all_once
from alphapulse_api.storage.tables.open_books import is_correction

Record = Mapping[str, Any]
# The columns that a repeat must agree in. One that names its signals only knows fewer symbols.
_FIXED: Final = tuple(
    name for name in DECISIONS.names if name not in ("id", "book", "received_at", "symbols")
)
_INTO_SIGNALS: Final = "decision_signals (book, signal_id, decision_id)"
_INTO_TRADES: Final = "decision_trades (book, decision_id, trade_id)"
_ONCE: Final = "ON CONFLICT DO NOTHING"
_OF_LINKS: Final = ("text", "text", "text")
_LONGEST_CHAIN: Final = 1000  # corrections of corrections


async def store_decisions(
    transaction: Transaction,
    decisions: Sequence[Record],
    *,
    directory: BookDirectory,
    server_set: Sequence[frozenset[str]],
    pointer: Pointer,
) -> list[Written]:
    """Store decisions, each once; a repeat may leave out the reasoning.

    Args:
        decisions: the columns' values, and `reasoning`.
        directory: the books.
        server_set: as `insert_all_once` takes it.
        pointer: to the decision at a position.

    Returns:
        Each decision as stored, without its reasoning, and whether it is new.

    Raises:
        Conflict: if an id exists with other content, or a new decision is in a closed book.
        Ring: if a correction would correct itself.
    """
    await _check_corrections(transaction, decisions, pointer)
    written = await insert_all_once(
        transaction, DECISIONS, decisions,
        directory=directory, fixed=_FIXED, server_set=server_set,
        pointer=lambda n: f"{pointer(n)}/id", late=is_correction,
    )  # fmt: skip
    new = [one for one, (_, is_new) in zip(decisions, written, strict=True) if is_new]
    await _index(transaction, new)
    repeats = {
        n: key_of(one)
        for n, (one, (_, is_new)) in enumerate(zip(decisions, written, strict=True))
        if not is_new and one.get("reasoning")
    }
    if repeats:
        await _compare_reasoning(transaction, decisions, repeats, pointer)
    return written


async def link_trades(transaction: Transaction, trades: Sequence[Record]) -> None:
    """Store which trades the decisions that they name led to."""
    rows = [
        (trade["book"], trade["decision_id"], trade["id"])
        for trade in trades
        if trade.get("decision_id") is not None
    ]
    await insert_rows(transaction, _INTO_TRADES, rows, _ONCE, _OF_LINKS)


async def _index(transaction: Transaction, decisions: Sequence[Record]) -> None:
    """Insert what belongs to new decisions."""
    texts, symbols, signals = [], [], []
    for number, decision in enumerate(decisions):
        book, id_ = key_of(decision)
        if reasoning := decision.get("reasoning"):
            texts.append((book, id_, reasoning))
        made_at = to_micros(decision["made_at"])
        symbols += [(book, symbol, made_at, id_) for symbol in decision["symbols"]]
        signals += [(book, signal_id, id_) for signal_id in decision["signal_ids"]]
        if number % A_TURN == 0:
            await transaction.turn()
    await insert_rows(transaction, TEXTS.into, texts, "", TEXTS.types)
    await insert_rows(transaction, SYMBOLS.into, symbols, _ONCE, SYMBOLS.types)
    await insert_rows(transaction, _INTO_SIGNALS, signals, _ONCE, _OF_LINKS)


async def _compare_reasoning(
    transaction: Transaction,
    decisions: Sequence[Record],
    repeats: Mapping[int, Key],
    pointer: Pointer,
) -> None:
    """Compare the reasoning of repeated decisions with what is stored."""
    keys = list(dict.fromkeys(repeats.values()))
    rows = await select_rows(transaction, TEXTS.select, TEXTS.table, ("book", "decision_id"), keys)
    stored = {(book, id_): reasoning for book, id_, reasoning in rows}
    for number, key in repeats.items():
        given = decisions[number]
        there = {"reasoning": stored.get(key)}
        conflict = DECISIONS.conflict(
            there, given, ("reasoning",), frozenset(), f"{pointer(number)}/id"
        )
        if conflict is not None:
            raise conflict


async def _check_corrections(
    transaction: Transaction, decisions: Sequence[Record], pointer: Pointer
) -> None:
    """Refuse a correction of itself, by way of other corrections.

    Decisions may arrive in any order, so the decision that closes a ring may be the corrected one.
    """
    links: dict[Key, str] = {
        key_of(one): one["corrects"] for one in decisions if one.get("corrects") is not None
    }
    if not links:
        return
    for book in sorted({str(book) for book, _ in links}):
        # Locked until the commit: two transactions could close a ring that neither of them sees.
        await transaction.execute(
            "INSERT INTO decision_corrections (book, corrections) VALUES ($1, 1) "
            "ON CONFLICT (book) DO UPDATE SET "
            "corrections = decision_corrections.corrections + 1",
            book,
        )
    for number, decision in enumerate(decisions):
        if await _corrects_itself(transaction, key_of(decision), links):
            place = f"{pointer(number)}/corrects"
            detail = f"Leads back to {decision['id']!r}: a decision cannot correct itself."
            raise Ring(f"{place}: {detail}", errors=[{"pointer": place, "detail": detail}])


async def _corrects_itself(transaction: Transaction, key: Key, links: Mapping[Key, str]) -> bool:
    """Whether the corrections of a decision lead back to it.

    Args:
        transaction: of the caller.
        key: of the decision.
        links: those of the decisions to be stored, which are in the database only later.
    """
    book, first = key
    here: str | None = links.get(key)
    for _ in range(_LONGEST_CHAIN):
        if here is None or here == first:
            return here is not None
        here = links.get((book, here)) or await _corrected(transaction, book, here)
    return True


async def _corrected(transaction: Transaction, book: str | None, id_: str) -> str | None:
    """The decision that a stored decision corrects."""
    rows = await transaction.fetch(
        "SELECT corrects FROM decisions WHERE book = $1 AND id = $2", book, id_
    )
    return rows[0][0] if rows else None
