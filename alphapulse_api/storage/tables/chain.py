"""What led to a decision and what followed from it; links to records that are not here are named.

A link holds inside one book: a record of another book reads as one that was never received.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from alphapulse_api.domain.costs import cost_of
from alphapulse_api.storage.bulk import select_rows
from alphapulse_api.storage.columns import Columns
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.tables.decision_columns import DECISIONS
from alphapulse_api.storage.tables.signals import SIGNALS, in_full
from alphapulse_api.storage.tables.trade_rows import COLUMNS as TRADES
from alphapulse_api.storage.tables.trade_rows import history_of
from alphapulse_api.storage.tables.usage_linked import usage_of

Record = dict[str, Any]
SIGNALS_PART, TRADES_PART, COST_PART = EXPANSIONS = ("signals", "trades", "cost")


def expired(noun: str, id_: str) -> str:
    """How a record that retention removed is named."""
    return f"{noun} {id_}: expired"


async def with_links(engine: Engine, decision: Record) -> Record:
    """A decision with its reasoning, and the ids of the trades and corrections that followed."""
    key = decision["book"], decision["id"]
    texts = await engine.fetch(
        "SELECT reasoning FROM decision_texts WHERE book = $1 AND decision_id = $2", *key
    )
    trades = await engine.fetch(
        "SELECT trade_id FROM decision_trades WHERE book = $1 AND decision_id = $2 "
        "ORDER BY trade_id",
        *key,
    )
    corrections = await engine.fetch(
        "SELECT id FROM decisions WHERE book = $1 AND corrects = $2 ORDER BY made_at, id", *key
    )
    return {
        **decision,
        "reasoning": texts[0][0] if texts else None,
        "trade_ids": [id_ for (id_,) in trades],
        "corrected_by": [id_ for (id_,) in corrections],
    }


async def expanded(engine: Engine, decision: Record, parts: Collection[str]) -> Record:
    """A decision of `with_links` with whole records in addition to their ids.

    Args:
        engine: the database.
        decision: as `with_links` returns it.
        parts: some of EXPANSIONS.

    Returns:
        The decision, the parts, and `missing`: the links of the parts that lead nowhere.
    """
    missing: list[str] = []
    found: Record = {}
    signals: list[Record] = []
    if SIGNALS_PART in parts or COST_PART in parts:
        signals = await _by_ids(engine, SIGNALS, decision["book"], decision["signal_ids"])
        missing += _left_out("signal", decision["signal_ids"], signals)
    if SIGNALS_PART in parts:
        found["signals"] = await in_full(engine, signals)
    if TRADES_PART in parts:
        trades = await _by_ids(engine, TRADES, decision["book"], decision["trade_ids"])
        found["trades"] = [await history_of(engine, trade) for trade in trades]
        gone = await engine.fetch(
            "SELECT trade_id FROM decision_trades WHERE book = $1 AND decision_id = $2 "
            "AND trade_expired",
            decision["book"],
            decision["id"],
        )
        removed = {id_ for (id_,) in gone}
        missing += _left_out("trade", decision["trade_ids"], trades, removed)
    if COST_PART in parts:
        found["cost"] = cost_of(await usage_of(engine, decision, signals))
    return {**decision, **found, "missing": missing}


async def why(engine: Engine, trade: Record) -> Record:
    """Everything that led to a trade.

    Args:
        engine: the database.
        trade: with its `history`.

    Returns:
        The trade, its decision, the signals of that, what thinking cost, and `missing`.
    """
    answer: Record = {
        "trade": trade, "decision": None, "signals": [], "cost": cost_of(()), "missing": [],
    }  # fmt: skip
    if (decision_id := trade["decision_id"]) is None:
        return answer
    decisions = await _by_ids(engine, DECISIONS, trade["book"], [decision_id])
    if not decisions:
        gone = await engine.fetch(
            "SELECT 1 FROM decision_trades WHERE book = $1 AND decision_id = $2 AND trade_id = $3 "
            "AND decision_expired",
            trade["book"],
            decision_id,
            trade["id"],
        )
        named = expired("decision", decision_id) if gone else f"decision {decision_id}"
        return {**answer, "missing": [named]}
    decision = await with_links(engine, decisions[0])
    whole = await expanded(engine, decision, (SIGNALS_PART, COST_PART))
    answer["signals"], answer["cost"] = whole["signals"], whole["cost"]
    return {**answer, "decision": decision, "missing": whole["missing"]}


def _left_out(
    noun: str, ids: Sequence[str], found: Sequence[Record], removed: Collection[str] = ()
) -> list[str]:
    known = {record["id"] for record in found}
    return [
        expired(noun, id_) if id_ in removed else f"{noun} {id_}" for id_ in ids if id_ not in known
    ]


async def _by_ids(engine: Engine, columns: Columns, book: str, ids: Sequence[str]) -> list[Record]:
    """The records of a book with these ids that there are, in their order."""
    if not ids:
        return []
    keys = [(book, id_) for id_ in ids]
    rows = await select_rows(engine, columns.select, columns.table, ("book", "id"), keys)
    found = {record["id"]: record for record in map(columns.read, rows)}
    return [found[id_] for id_ in ids if id_ in found]
