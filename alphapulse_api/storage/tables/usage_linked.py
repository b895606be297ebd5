"""The calls of models that led to a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from alphapulse_api.storage.bulk import select_rows
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.query import Where
from alphapulse_api.storage.tables.signals import SIGNALS
from alphapulse_api.storage.tables.usage_entries import ENTRY, Entry, read_entry

MOST_SPANS: Final = 10_000  # of a decision


async def usage_of(
    engine: Engine, decision: Mapping[str, Any], signals: Sequence[Mapping[str, Any]]
) -> list[Entry]:
    """What a decision and its signals state, what was reported for it, and the linked spans.

    Args:
        engine: the database.
        decision: the decision.
        signals: those of its `signal_ids` that there are.
    """
    stated: list[Entry] = [(entry, decision["made_at"]) for entry in decision["usage"]]
    for signal in signals:
        stated += [(entry, signal["timestamp"]) for entry in signal["usage"]]
    return [*stated, *await _recorded(engine, decision, signals)]


async def usage_of_decision(engine: Engine, decision: Mapping[str, Any]) -> list[Entry]:
    """The same, of a decision alone."""
    keys = [(decision["book"], id_) for id_ in decision["signal_ids"]]
    rows = await select_rows(engine, SIGNALS.select, "signals", ("book", "id"), keys)
    return await usage_of(engine, decision, list(map(SIGNALS.read, rows)))


async def _recorded(
    engine: Engine, decision: Mapping[str, Any], signals: Sequence[Mapping[str, Any]]
) -> list[Entry]:
    where = Where()
    where.equal(book=decision["book"], decision_id=decision["id"])
    where.add("counted")
    found = {row[0]: row for row in await _fetch(engine, where)}
    if decision["cycle_id"] is not None:
        where = Where()
        where.equal(book=decision["book"], cycle_id=decision["cycle_id"])
        where.one_of("agent_id", {decision["agent_id"], *(one["agent_id"] for one in signals)})
        where.add("decision_id IS NULL")
        where.add("counted")
        found.update((row[0], row) for row in await _fetch(engine, where))
    return [read_entry(entry) for _, *entry in found.values()]


async def _fetch(engine: Engine, where: Where) -> Sequence[Sequence[Any]]:
    return await engine.fetch(
        f"SELECT id, {ENTRY} FROM usage_records {where} LIMIT {MOST_SPANS}",
        *where.args,
    )
