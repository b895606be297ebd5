"""Signals: a narrow row each, and their long texts in a table of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.storage.bulk import insert_rows, select_rows
from alphapulse_api.storage.columns import (
    BOOLEAN,
    DECIMAL,
    FLOAT,
    INPUTS,
    JSON,
    PLAIN,
    TIME,
    USAGE,
    Columns,
    Key,
    key_of,
)
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.stores import Written
from alphapulse_api.storage.tables.book_directory import BookDirectory
from alphapulse_api.storage.tables.once import Pointer, by_position, insert_all_once
from alphapulse_api.storage.tables.signal_outcomes import expect_outcomes

SIGNALS: Final = Columns(
    "signals",
    {
        "id": PLAIN,
        "agent_id": PLAIN,
        "symbol": PLAIN,
        "direction": PLAIN,
        "confidence": FLOAT,
        "conviction": FLOAT,
        "rating": PLAIN,
        "abstained": BOOLEAN,
        "reason": PLAIN,
        "horizon": PLAIN,
        "entry_price": DECIMAL,
        "target_price": DECIMAL,
        "stop_loss": DECIMAL,
        "size": DECIMAL,
        "timestamp": TIME,
        "received_at": TIME,
        "valid_until": TIME,
        "model": PLAIN,
        "prompt_hash": PLAIN,
        "cycle_id": PLAIN,
        "supersedes": PLAIN,
        "usage": USAGE,
        "metadata": JSON,
        "book": PLAIN,
    },
)
_TEXTS: Final = Columns(
    "signal_texts", {"book": PLAIN, "signal_id": PLAIN, "thesis": PLAIN, "inputs": INPUTS}
)
_LONG: Final = ("thesis", "inputs")
_NO_TEXTS: Final[Mapping[str, Any]] = {"thesis": None, "inputs": []}
# Signals with their texts, to be read only.
IN_FULL: Final = Columns(
    "(SELECT s.*, t.thesis, coalesce(t.inputs, '[]') AS inputs FROM signals s "
    "LEFT JOIN signal_texts t ON t.book = s.book AND t.signal_id = s.id) whole",
    {**SIGNALS.kinds, "thesis": PLAIN, "inputs": INPUTS},
)
_UNSAID: Final[Mapping[str, Any]] = {"abstained": False, "usage": []}
# The columns that a repeat must agree in.
_FIXED: Final = tuple(name for name in SIGNALS.names if name not in ("id", "book", "received_at"))


async def store_signals(
    transaction: Transaction,
    signals: Sequence[Mapping[str, Any]],
    *,
    directory: BookDirectory,
    server_set: Sequence[frozenset[str]] | None = None,
    conflicts: dict[int, Conflict] | None = None,
    pointer: Pointer = by_position,
) -> list[Written]:
    """Store signals, each once; a repeat may leave out the long texts.

    Args:
        signals: the columns' values, `thesis` and `inputs`.
        directory: the books.
        server_set: as `insert_all_once` takes it.
        conflicts: as `insert_all_once` takes it.
        pointer: as `insert_all_once` takes it.

    Returns:
        Each signal as stored, without its long texts, and whether it is new.

    Raises:
        Conflict: if an id exists with other content, or a new signal is in a closed book.
    """
    signals = [{**_UNSAID, **signal} for signal in signals]
    written = await insert_all_once(
        transaction, SIGNALS, signals,
        directory=directory, fixed=_FIXED, server_set=server_set, conflicts=conflicts,
        pointer=pointer,
    )  # fmt: skip
    await expect_outcomes(transaction, [signal for signal, new in written if new])
    texts = []
    repeats: dict[int, Key] = {}
    for index, (signal, (_, new)) in enumerate(zip(signals, written, strict=True)):
        if not any(signal.get(name) for name in _LONG):
            continue
        if new:
            row = {"inputs": [], **signal, "signal_id": signal["id"]}
            texts.append(_TEXTS.store(row))
        elif not conflicts or index not in conflicts:
            repeats[index] = key_of(signal)
    await insert_rows(transaction, _TEXTS.into, texts, "", _TEXTS.types)
    if repeats:
        await _compare(transaction, signals, repeats, conflicts, pointer)
    return written


async def in_full(
    store: Engine | Transaction, signals: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Signals with their long texts."""
    stored = await _texts(store, [key_of(signal) for signal in signals])
    return [{**signal, **stored.get(key_of(signal), _NO_TEXTS)} for signal in signals]


async def _texts(store: Engine | Transaction, keys: Sequence[Key]) -> dict[Key, dict[str, Any]]:
    rows = await select_rows(store, _TEXTS.select, _TEXTS.table, ("book", "signal_id"), keys)
    return {
        (row["book"], row["signal_id"]): {name: row[name] for name in _LONG}
        for row in map(_TEXTS.read, rows)
    }


async def _compare(
    transaction: Transaction,
    signals: Sequence[Mapping[str, Any]],
    repeats: Mapping[int, Key],
    conflicts: dict[int, Conflict] | None,
    pointer: Pointer,
) -> None:
    """Compare the texts of repeated signals with those that are stored."""
    stored = await _texts(transaction, list(dict.fromkeys(repeats.values())))
    for index, key in repeats.items():
        signal, there = signals[index], stored.get(key, _NO_TEXTS)
        left_out = frozenset(name for name in _LONG if not signal.get(name))
        conflict = SIGNALS.conflict(there, signal, _LONG, left_out, pointer(index))
        if conflict is not None:
            if conflicts is None:
                raise conflict
            conflicts[index] = conflict
