"""Enters signals that say where a price goes, and by when: their outcomes will be known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from alphapulse_api.domain.durations import parse_duration
from alphapulse_api.domain.times import MICROSECOND, to_micros
from alphapulse_api.domain.track_record.outcomes import WAIT, WINDOWS, call_of, stated_of
from alphapulse_api.storage.bulk import insert_rows
from alphapulse_api.storage.columns import FLOAT, NUMBER, PLAIN, Columns, Kind
from alphapulse_api.storage.engine import Transaction

IMPORTED_AFTER: Final = timedelta(seconds=60)
"""A signal that came so long after its time may have been written when the outcome was known.

It is measured from its own time and counts apart.
"""

_INSTANT: Final = Kind(type="timestamptz")  # microseconds since the epoch
EXPECTED: Final = Columns(
    "signal_outcomes",
    {
        "book": PLAIN,
        "signal_id": PLAIN,
        "agent_id": PLAIN,
        "symbol": PLAIN,
        "received_at": _INSTANT,
        "imported": NUMBER,
        "horizon": NUMBER,
        "call": NUMBER,
        "stated": FLOAT,
        "conviction": FLOAT,
        "check_at": _INSTANT,
        "spans_from": _INSTANT,
        "spans_until": _INSTANT,
    },
)
"""What is known of an outcome when its signal is received."""

_ONCE: Final = "ON CONFLICT (book, signal_id) DO NOTHING"


async def expect_outcomes(
    transaction: Transaction, signals: Iterable[Mapping[str, Any]], ending: str = _ONCE
) -> None:
    """Enter new signals, in their transaction.

    Args:
        transaction: of the signals.
        signals: as they are stored, with their books.
        ending: what to do about a row that exists.
    """
    rows = [EXPECTED.store(row) for signal in signals if (row := _expected(signal)) is not None]
    await insert_rows(transaction, EXPECTED.into, rows, ending, EXPECTED.types)


def _expected(signal: Mapping[str, Any]) -> dict[str, Any] | None:
    """The row of a signal; None if it has no outcome."""
    call = call_of(signal["direction"])
    received, length = signal.get("received_at"), signal.get("horizon")
    if call is None or received is None or length is None or signal.get("abstained"):
        return None
    imported = received - signal["timestamp"] > IMPORTED_AFTER
    at = to_micros(signal["timestamp"] if imported else received)
    horizon = parse_duration(length) // MICROSECOND
    conviction = signal.get("conviction")
    return {
        "book": signal["book"],
        "signal_id": signal["id"],
        "agent_id": signal["agent_id"],
        "symbol": signal["symbol"],
        "received_at": at,
        "imported": int(imported),
        "horizon": horizon,
        "call": call,
        "stated": stated_of(signal.get("confidence"), conviction),
        "conviction": conviction,
        "check_at": at + horizon,
        "spans_from": at - WINDOWS * horizon,
        "spans_until": at + horizon + 2 * WAIT,
    }
