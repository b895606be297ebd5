"""Records under ids of their own, each stored once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.storage.columns import A_TURN, Columns, Key, key_of
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.stores import NONE_SET, Written
from alphapulse_api.storage.tables.book_directory import BookDirectory, closed
from alphapulse_api.storage.tables.open_books import Late, insert_open, never


async def insert_once(
    transaction: Transaction,
    columns: Columns,
    record: Mapping[str, Any],
    *,
    directory: BookDirectory,
    fixed: Sequence[str],
    server_set: frozenset[str] = NONE_SET,
) -> Written:
    """Store a record under its book and id, once.

    Args:
        transaction: of the caller.
        columns: of the table.
        record: the columns' values; "id" and "book" among them.
        directory: the books.
        fixed: the columns in which a repeat must agree, without those that the server may change
            later.
        server_set: the fields that the server set, in which a repeat may differ.

    Returns:
        The record as stored, and whether it is new.

    Raises:
        Conflict: if the id exists with other content, or if the record is new and its book closed.
    """
    key = key_of(record)
    added, known, barred = await insert_open(transaction, columns, {key: record}, directory)
    if added:
        return {name: record.get(name) for name in columns.names}, True
    if barred:
        raise closed(str(record["book"]))
    stored = known[key]
    if (conflict := columns.conflict(stored, record, fixed, server_set, "/id")) is not None:
        raise conflict
    return stored, False


Pointer = Callable[[int], str]


def by_position(index: int) -> str:
    """The pointer to the id of a record in an array."""
    return f"/{index}/id"


def beside(pointer: str) -> str:
    """The pointer to the book of a record, from that to its id."""
    return f"{pointer.removesuffix('id')}book"


async def insert_all_once(
    transaction: Transaction,
    columns: Columns,
    records: Sequence[Mapping[str, Any]],
    *,
    directory: BookDirectory,
    fixed: Sequence[str],
    server_set: Sequence[frozenset[str]] | None = None,
    conflicts: dict[int, Conflict] | None = None,
    pointer: Pointer = by_position,
    late: Late = never,
) -> list[Written]:
    """Store records as `insert_once` does each.

    Args:
        transaction: of the caller.
        columns: of the table.
        records: the columns' values; "id" and "book" among them.
        directory: the books.
        fixed: the columns that a repeat must agree in.
        server_set: for each record, the fields that the server set, in which a repeat may differ.
        conflicts: is filled with the conflicts of records that are not stored, by position.
            Without it, one conflict refuses all.
        pointer: to the id of the record at a position, for errors.
        late: whether a closed book takes a new record.

    Returns:
        Each record as stored, and whether it is new.

    Raises:
        Conflict: if an id exists with other content, or if a new record is in a closed book; its
            pointer has the position.
    """
    if conflicts is not None:
        conflicts.clear()  # left by an earlier run of the transaction
    first: dict[Key, Mapping[str, Any]] = {}
    for record in records:
        first.setdefault(key_of(record), record)
    added, known, barred = await insert_open(transaction, columns, first, directory, late)
    answer: list[Written] = []
    for index, record in enumerate(records):
        key = key_of(record)
        new = key in added
        if new:
            added.remove(key)
            known[key] = {name: record.get(name) for name in columns.names}
        elif key in barred:
            refusal = closed(str(record["book"]), beside(pointer(index)))
            if conflicts is None:
                raise refusal
            conflicts[index] = refusal
            answer.append((dict(record), False))
            continue
        else:
            set_ = NONE_SET if server_set is None else server_set[index]
            conflict = columns.conflict(known[key], record, fixed, set_, pointer(index))
            if conflict is not None:
                if conflicts is None:
                    raise conflict
                conflicts[index] = conflict
        answer.append((known[key], new))
        if index % A_TURN == 0:
            await transaction.turn()
    return answer
