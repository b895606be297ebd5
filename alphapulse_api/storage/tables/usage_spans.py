"""Spans count unless the signal or decision that they led to states its own usage.

A span is linked by its cycle and its agent. Records arrive in any order, so what counts is decided
again when either side arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from alphapulse_api.domain.times import to_micros
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.tables.usage_entries import ENTRY, read_entry
from alphapulse_api.storage.tables.usage_sums import Called, calls_of, count

Link = tuple[str, str, str]  # book, cycle, agent
# Between a span and the signal that it led to: their index is by time, not by cycle.
APART: Final = timedelta(days=1)
_STATES: Final = (
    "SELECT 1 FROM signals WHERE book = $1 AND cycle_id = $2 AND agent_id = $3 "
    "AND timestamp >= $4 AND timestamp < $5 AND CAST(usage AS text) <> '[]' UNION ALL "
    "SELECT 1 FROM decisions WHERE book = $1 AND cycle_id = $2 AND agent_id = $3 "
    "AND CAST(usage AS text) <> '[]' LIMIT 1"
)
_OF_SPANS: Final = (
    f"SELECT {ENTRY} FROM usage_records "
    "WHERE book = $1 AND cycle_id = $2 AND agent_id = $3 AND span AND counted"
)


async def decide_what_counts(transaction: Transaction, records: Sequence[dict[str, Any]]) -> None:
    """Set `counted` of spans, in place."""
    stated: dict[Link, bool] = {}
    for record in records:
        link = _link(record)
        if not record["span"] or link is None:
            continue
        if link not in stated:
            at = record["timestamp"]
            around = to_micros(at - APART), to_micros(at + APART)
            stated[link] = bool(await transaction.fetch(_STATES, *link, *around))
        record["counted"] = not stated[link]


async def count_stated(
    transaction: Transaction, records: Iterable[Mapping[str, Any]], time: str
) -> None:
    """Count what new signals or decisions state, in place of the spans that are linked to them.

    Args:
        transaction: that stores the records.
        records: new ones.
        time: the name of the field with their time.
    """
    calls: list[Called] = []
    links: dict[Link, None] = {}
    for record in records:
        if record.get("usage"):
            calls += calls_of(record, time)
            if (link := _link(record)) is not None:
                links[link] = None
    for link in sorted(links):
        calls += await _uncounted(transaction, link)
    await count(transaction, calls)


async def _uncounted(transaction: Transaction, link: Link) -> list[Called]:
    """Let the spans of a link not count any more; returns what has to be subtracted."""
    book, _, agent_id = link
    rows = await transaction.fetch(_OF_SPANS, *link)
    if not rows:
        return []
    await transaction.execute(
        "UPDATE usage_records SET counted = FALSE "
        "WHERE book = $1 AND cycle_id = $2 AND agent_id = $3 AND span AND counted",
        *link,
    )
    return [Called(book, at, agent_id, entry, sign=-1) for entry, at in map(read_entry, rows)]


def _link(record: Mapping[str, Any]) -> Link | None:
    cycle_id = record.get("cycle_id")
    return None if cycle_id is None else (record["book"], cycle_id, record["agent_id"])
