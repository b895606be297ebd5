"""Plans a step: reads the marks of a symbol, undoes what is stale, folds what comes after."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.domain.lots import (
    ZERO,
    Lot,
    Lots,
    Position,
    RoundTrip,
    exact,
    fill_of,
    reopen,
    total,
)
from alphapulse_api.domain.times import to_micros
from alphapulse_api.projections.pnl.rows import (
    ACCOUNT_COLUMNS,
    FILLS,
    TRIPS,
    Account,
    account_of,
    fill_row,
    lot_of,
    trip_of,
    trip_row,
    with_lot,
)
from alphapulse_api.storage.bulk import select_rows
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.tables.trade_rows import COLUMNS as TRADES

STEP: Final = 500  # fills that a step undoes or trades that it folds
MARKS: Final = 5000  # marks that a step reads
LOTS: Final = 200  # open lots a read
_FIRST: Final[Position] = (-(2**62), "")
_LAST: Final[Position] = (2**62, "")

_ACCOUNT: Final = (
    f"SELECT {', '.join(ACCOUNT_COLUMNS)} FROM pnl_accounts WHERE book = $1 AND symbol = $2"
)
_MARKS: Final = (
    "SELECT id, executed_at, trade_id FROM trade_marks WHERE book = $1 AND symbol = $2 "
    f"ORDER BY id LIMIT {MARKS}"
)
_NEWEST: Final = (
    "SELECT executed_at, trade_id, quantity FROM pnl_fills WHERE book = $1 AND symbol = $2 "
    "AND (executed_at, trade_id) >= ($3, $4) ORDER BY executed_at DESC, trade_id DESC LIMIT $5"
)
_BEFORE: Final = (
    "SELECT executed_at, trade_id FROM pnl_fills WHERE book = $1 AND symbol = $2 "
    "AND (executed_at, trade_id) < ($3, $4) ORDER BY executed_at DESC, trade_id DESC LIMIT 1"
)
_TRIPS: Final = (
    f"SELECT {TRIPS.select} FROM round_trips WHERE book = $1 AND symbol = $2 "
    "AND (closed_at, closing_id) >= ($3, $4)"
)
_OPEN: Final = (
    f"SELECT {FILLS.select} FROM pnl_fills WHERE book = $1 AND symbol = $2 AND is_open = 1 "
    "AND (executed_at, trade_id) > ($3, $4) AND (executed_at, trade_id) < ($5, $6) "
    f"ORDER BY executed_at, trade_id LIMIT {LOTS}"
)
_TRADES: Final = (
    f"SELECT {TRADES.select} FROM trades WHERE book = $1 AND symbol = $2 "
    "AND (executed_at, id) > ($3, $4) AND NOT EXISTS (SELECT 1 FROM trade_corrections "
    "WHERE trade_corrections.book = trades.book AND corrects = trades.id) "
    "ORDER BY executed_at, id LIMIT $5"
)


@dataclass(slots=True)
class Plan:
    """What a step changes.

    Attributes:
        before: the account that was read.
        after: the account as it is to be stored.
        marks: the ids of the marks that are dealt with.
        cut: fills and round trips from here on are removed; None: none are.
        fills: rows to store, new or changed.
        trips: rows to store.
    """

    before: Account
    after: Account
    marks: Sequence[int]
    cut: Position | None = None
    fills: list[dict[str, Any]] = field(default_factory=list)
    trips: list[dict[str, Any]] = field(default_factory=list)


async def plan(engine: Engine, book: str, symbol: str) -> Plan | None:
    """The next step for a symbol; None if there is nothing to do."""
    # The account first: a change after it makes the plan fail instead of being missed.
    rows = await engine.fetch(_ACCOUNT, book, symbol)
    before = account_of(rows[0]) if rows else Account(book, symbol)
    marks = await engine.fetch(_MARKS, book, symbol)
    if not marks and not before.behind:
        return None
    after = replace(before, version=before.version + 1, behind=True)
    stale = [
        (at, id_) for _, at, id_ in marks if (at, id_) <= before.folded and at >= before.base_at
    ]
    if before.stale is not None:
        stale.append(before.stale)
    planned = Plan(before, after, [id_ for id_, _, _ in marks])
    known: dict[Position, dict[str, Any]] = {}
    if stale:
        after.stale = min(stale)
        known = await _undo(engine, planned)
    if after.stale is None:
        await _fold(engine, planned, known)
    else:
        planned.fills += known.values()
    return planned


async def _undo(engine: Engine, planned: Plan) -> dict[Position, dict[str, Any]]:
    """Undo the newest fills from the stale one on; returns the rows whose lots are open again."""
    account = planned.after
    assert account.stale is not None
    newest = await engine.fetch(_NEWEST, *account.key, *account.stale, STEP)
    cut: Position = account.stale
    if len(newest) == STEP:
        cut = newest[-1][0], newest[-1][1]
    planned.cut = cut
    trips = TRIPS.records(await engine.fetch(_TRIPS, *account.key, *cut))
    reopened: dict[Position, list[RoundTrip]] = {}
    for trip in map(trip_of, trips):
        if trip.opened < cut:
            reopened.setdefault(trip.opened, []).append(trip)
    key = ("book", "symbol", "executed_at", "trade_id")
    rows = await select_rows(
        engine, FILLS.select, "pnl_fills", key, [(*account.key, *place) for place in reopened],
        ("text", "text", "timestamptz", "text"),
    )  # fmt: skip
    known: dict[Position, dict[str, Any]] = {}
    for row in FILLS.records(rows):
        lot = lot_of(row)
        for trip in reopened[lot.position]:
            reopen(lot, trip)
        known[lot.position] = with_lot(row, lot)
    undone = total(Decimal(quantity) for _, _, quantity in newest)
    account.held = exact(EXACT.subtract(account.held, undone))
    previous = await engine.fetch(_BEFORE, *account.key, *cut)
    base = account.base_at, ""
    account.folded = max(base, (previous[0][0], previous[0][1])) if previous else base
    if not previous:
        account.held = ZERO  # whatever the fills said that were removed
    if cut == account.stale:
        account.stale = None
    return known


async def _fold(engine: Engine, planned: Plan, known: dict[Position, dict[str, Any]]) -> None:
    """Fold the next trades.

    Args:
        planned: its account is complete up to `folded`.
        known: rows of fills before the cut that differ from the stored ones.
    """
    account = planned.after
    trades = TRADES.records(await engine.fetch(_TRADES, *account.key, *account.folded, STEP))
    fills = [fill for fill in map(fill_of, trades) if fill is not None]
    closing = total(abs(f.quantity) for f in fills if (f.quantity > 0) != (account.held > 0))
    rows = await _open_rows(engine, planned, known, closing if account.held else ZERO)
    open_lots = {place: lot_of(row) for place, row in rows.items()}
    lots = Lots(account.held, deque(lot for lot in open_lots.values() if lot.remaining))
    new: list[tuple[dict[str, Any], Lot | None]] = []
    for fill in fills:
        folded = lots.fold(fill)
        new.append((fill_row(account, fill, folded), folded.lot))
        planned.trips += (trip_row(account, trip) for trip in folded.trips)
    changed = {place: with_lot(row, open_lots[place]) for place, row in rows.items()}
    planned.fills += (row for place, row in changed.items() if place in known or row != rows[place])
    planned.fills += (with_lot(row, lot) for row, lot in new)
    account.held = lots.held
    account.behind = len(trades) == STEP
    if account.behind:
        last = trades[-1]
        account.folded = to_micros(last["executed_at"]), last["id"]
    elif fills:
        account.folded = fills[-1].position


async def _open_rows(
    engine: Engine, planned: Plan, known: Mapping[Position, dict[str, Any]], quantity: Decimal
) -> dict[Position, dict[str, Any]]:
    """The rows of the oldest open lots with at least that quantity together, or of all.

    Args:
        engine: the database.
        planned: its fills from `cut` on count as removed.
        known: rows that differ from the stored ones. Those of their lots that are open are the
            oldest, because lots are closed in their order.
        quantity: what is needed.
    """
    found = dict(sorted(known.items()))
    there = total(abs(row["remaining"]) for row in found.values())
    after = _FIRST
    while there < quantity:
        page = FILLS.records(
            await engine.fetch(_OPEN, *planned.after.key, *after, *(planned.cut or _LAST))
        )
        for row in page:
            after = row["executed_at"], row["trade_id"]
            if after not in found:
                found[after] = row
                there = EXACT.add(there, abs(row["remaining"]))
        if len(page) < LOTS:
            break
    return found
