"""Reads what a track record is made of."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.domain.lots import ZERO, added, exact, total
from alphapulse_api.domain.track_record.outcomes import Outcome
from alphapulse_api.projections.pnl.rows import TRIPS, trip_of
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.tables.usage_reading import grouped, spans_of
from alphapulse_api.storage.tables.usage_sums import SUMS

_COLUMNS: Final = (
    "symbol, entry_at, exit_at, call, change, stated, conviction, rises, falls, windows"
)
_OUTCOMES: Final = (
    f"SELECT imported, check_at, received_at, {_COLUMNS} FROM signal_outcomes "
    "WHERE book = $1 AND agent_id = $2 AND received_at < $3"
)
_TRIPS: Final = (
    f"SELECT {TRIPS.select} FROM round_trips WHERE book = $1 AND agent_id = $2 "
    "AND closed_at >= $3 AND closed_at < $4"
)
_COUNTS: Final = (
    "SELECT count(*), coalesce(sum(CASE WHEN abstained THEN 1 ELSE 0 END), 0) FROM signals "
    "WHERE book = $1 AND agent_id = $2 AND timestamp >= $3 AND timestamp < $4"
)
_HAS_SIGNAL: Final = "SELECT 1 FROM signals WHERE book = $1 AND agent_id = $2 LIMIT 1"
_IS_AGENT: Final = "SELECT 1 FROM agents WHERE agent_id = $1"
_BOOK: Final = "SELECT mode, currency FROM books WHERE id = $1"


class Rows(NamedTuple):
    """The outcomes of an agent.

    Attributes:
        priced: with prices, of signals that came in time, and when the signal was received.
        imported: the same of signals that came late.
        pending: how many wait for their horizon, or for prices.
        unpriced: how many have no prices and will not get any.
    """

    priced: list[tuple[int, Outcome]]
    imported: list[tuple[int, Outcome]]
    pending: int
    unpriced: int


class Profit(NamedTuple):
    """The closed round trips of an agent.

    Attributes:
        trips: the profit of each, without fees.
        nets: the same less the fees in the currency of the book, and those of unknown currency.
        fees: by currency; "" where it is unknown.
        value: what the positions cost.
    """

    trips: list[Decimal]
    nets: list[Decimal]
    fees: dict[str, Decimal]
    value: Decimal

    @property
    def realized(self) -> Decimal:
        """The sum, without fees."""
        return total(self.trips)

    @property
    def net(self) -> Decimal:
        """The sum less those fees."""
        return total(self.nets)


class Costs(NamedTuple):
    """What calls of models cost.

    Attributes:
        known: by currency.
        unknown: of how many calls nobody knows it.
    """

    known: dict[str, Decimal]
    unknown: int


async def read_outcomes(engine: Engine, book: str, agent_id: str, start: int, end: int) -> Rows:
    """The outcomes of an agent's signals received before `end`; counts those since `start`."""
    found = Rows([], [], 0, 0)
    pending = unpriced = 0
    for imported, check_at, received_at, *values in await engine.fetch(
        _OUTCOMES, book, agent_id, end
    ):
        outcome = Outcome(*values)
        if outcome.change is not None:
            (found.imported if imported else found.priced).append((received_at, outcome))
        elif received_at >= start:
            pending += check_at is not None
            unpriced += check_at is None
    return found._replace(pending=pending, unpriced=unpriced)


async def read_profit(
    engine: Engine, book: str, agent_id: str, start: int, end: int, currency: str | None
) -> Profit:
    """The round trips of an agent that were closed in a range; the currency is that of the book."""
    value = ZERO
    trips: list[Decimal] = []
    nets: list[Decimal] = []
    fees: dict[str, Decimal] = {}
    rows = await engine.fetch(_TRIPS, book, agent_id, start, end)
    for trip in map(trip_of, TRIPS.records(rows)):
        trips.append(trip.profit)
        value = EXACT.add(value, abs(EXACT.multiply(trip.quantity, trip.entry_price)))
        of_trip = added(trip.opening_fees, trip.closing_fees)
        nets.append(trip.profit)
        for name, amount in of_trip.items():
            if name in ("", currency):
                nets[-1] = EXACT.subtract(nets[-1], amount)
        fees = added(fees, of_trip)
    return Profit(trips, nets, fees, exact(value))


async def read_costs(
    engine: Engine, book: str, agent_id: str, start: datetime | None, end: datetime | None
) -> Costs:
    """What the thinking of an agent cost, by the sums of usage; None is an open side.

    The range is rounded to 15 minutes, as these sums are.
    """
    spans = spans_of(start, end, days=True)
    groups = await grouped(engine, [book], "agent", spans, agent_id, UTC)
    sums = {
        currency: dict(zip(SUMS, values, strict=True))
        for currency, values in sorted(groups.get((agent_id,), {}).items())
        if values[0]  # spans that do not count any more leave sums of nothing
    }
    unknown = sums.pop("", None)
    known = {currency: exact(each["cost"]) for currency, each in sums.items()}
    return Costs(known, int(unknown["calls"]) if unknown else 0)


async def count_signals(
    engine: Engine, book: str, agent_id: str, start: int, end: int
) -> tuple[int, int]:
    """The signals of an agent in a range, and how many of them abstain."""
    ((count, abstained),) = await engine.fetch(_COUNTS, book, agent_id, start, end)
    return count, abstained


async def book_of(engine: Engine, book: str) -> tuple[str | None, str | None]:
    """The mode and the currency of a book; None where they are not known."""
    rows = await engine.fetch(_BOOK, book)
    return (rows[0][0], rows[0][1]) if rows else (None, None)


async def is_known(engine: Engine, book: str, agent_id: str, with_agents: bool) -> bool:
    """Whether an agent has a signal in the book, or, `with_agents`, has reported itself."""
    if await engine.fetch(_HAS_SIGNAL, book, agent_id):
        return True
    return with_agents and bool(await engine.fetch(_IS_AGENT, agent_id))
