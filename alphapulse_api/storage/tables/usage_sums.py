"""Sums of the calls of models, by book, time, agent and model: added to with every record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.domain.pricing import cost_of_entry
from alphapulse_api.domain.times import to_micros
from alphapulse_api.storage.bulk import insert_rows, select_rows
from alphapulse_api.storage.engine import Transaction

QUARTER: Final = timedelta(minutes=15) // timedelta(microseconds=1)
DAY: Final = timedelta(days=1) // timedelta(microseconds=1)
WIDTHS: Final = (QUARTER, DAY)
KEY: Final = ("book", "width", "start", "agent_id", "provider", "model", "currency")
SUMS: Final = (
    "calls", "input_tokens", "output_tokens", "cached_tokens", "tool_calls", "duration", "cost",
)  # fmt: skip
_KEY_TYPES: Final = ("text", "bigint", "timestamptz", "text", "text", "text", "text")
_TYPES: Final = (*_KEY_TYPES, *("numeric" for _ in SUMS))
_INTO: Final = f"usage_sums ({', '.join((*KEY, *SUMS))})"
_ADD: Final = f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET " + ", ".join(
    f"{name} = usage_sums.{name} + excluded.{name}" for name in SUMS
)
_REPLACE: Final = f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in SUMS
)
Key = tuple[Any, ...]


class Called(NamedTuple):
    """Calls of a model.

    Attributes:
        book: that they count for.
        at: when they were made.
        agent_id: who made them.
        entry: an entry of `usage`.
        sign: 1, or -1 to subtract them again.
    """

    book: str
    at: datetime
    agent_id: str
    entry: Mapping[str, Any]
    sign: int = 1


def calls_of(record: Mapping[str, Any], time: str) -> Iterable[Called]:
    """The calls that a signal or a decision states; `time` names the field with its time."""
    for entry in record.get("usage") or ():
        yield Called(record["book"], record[time], record["agent_id"], entry)


async def count(transaction: Transaction, calls: Iterable[Called]) -> None:
    """Add calls to the sums."""
    sums: dict[Key, list[Decimal]] = {}
    for called in calls:
        entry, start = called.entry, to_micros(called.at)
        currency, values = values_of(entry, called.at)
        values = [called.sign * value for value in values]
        model = entry.get("provider") or "", entry.get("model") or ""
        for width in WIDTHS:
            whole = (
                called.book, width, start - start % width, called.agent_id, *model, currency,
            )  # fmt: skip
            there = sums.get(whole)
            sums[whole] = values if there is None else added(there, values)
    if not sums:
        return
    # In one order, so that two transactions do not wait for each other.
    keys = sorted(sums)
    if transaction.takes_arrays:
        rows = [(*key, *map(_text, sums[key])) for key in keys]
        await insert_rows(transaction, _INTO, rows, _ADD, _TYPES)
        return
    # Decimals are text here, which SQL cannot add exactly; there is only one writer.
    stored = await select_rows(
        transaction, ", ".join((*KEY, *SUMS)), "usage_sums", KEY, keys, _KEY_TYPES
    )
    for row in stored:
        key = tuple(row[: len(KEY)])
        before = map(Decimal, row[len(KEY) :])
        sums[key] = added(list(before), sums[key])
    rows = [(*key, *map(_text, sums[key])) for key in keys]
    await insert_rows(transaction, _INTO, rows, _REPLACE)


def values_of(entry: Mapping[str, Any], at: datetime) -> tuple[str, list[Decimal]]:
    """The currency of an entry of `usage` ("": of unknown cost), and what it adds to SUMS."""
    cost = cost_of_entry(entry, at)
    given = {**entry, "calls": entry.get("calls") or 1, "cost": cost and cost.amount}
    currency = "" if cost is None else cost.currency
    return currency, [Decimal(str(given.get(name) or 0)) for name in SUMS]


def added(one: Sequence[Decimal], other: Sequence[Decimal]) -> list[Decimal]:
    """The sums of both."""
    return [EXACT.add(a, b) for a, b in zip(one, other, strict=True)]


def _text(value: Decimal) -> str:
    return format(value if value else value.copy_abs(), "f")
