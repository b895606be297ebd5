"""Many records under ids of their own, each stored once, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.storage.columns import A_TURN, Columns, Key, key_of
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.stores import NONE_SET, Written

Pointer = Callable[[int], str]


def by_position(index: int) -> str:
    """The pointer to the id of a record in an array."""
    return f"/{index}/id"


async def insert_all_once(
    transaction: Transaction,
    columns: Columns,
    records: Sequence[Mapping[str, Any]],
    *,
    fixed: Sequence[str],
    server_set: Sequence[frozenset[str]] | None = None,
    conflicts: dict[int, Conflict] | None = None,
    pointer: Pointer = by_position,
) -> list[Written]:
    """Store records as `Columns.insert_once` does each.

    Args:
        transaction: of the caller.
        columns: of the table.
        records: the columns' values; "id" and "book" among them.
        fixed: the columns that a repeat must agree in.
        server_set: for each record, the fields that the server set, in which a repeat may differ.
        conflicts: is filled with the conflicts of records that are not stored, by position.
            Without it, one conflict refuses all.
        pointer: to the id of the record at a position, for errors.

    Returns:
        Each record as stored, and whether it is new.

    Raises:
        Conflict: if an id exists with other content, with the position in its pointer.
    """
    if conflicts is not None:
        conflicts.clear()  # left by an earlier run of the transaction
    first: dict[Key, Mapping[str, Any]] = {}
    for record in records:
        first.setdefault(key_of(record), record)
    added, known = await columns.insert_new(transaction, first)
    answer: list[Written] = []
    for index, record in enumerate(records):
        key = key_of(record)
        new = key in added
        if new:
            added.remove(key)
            known[key] = {name: record.get(name) for name in columns.names}
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
