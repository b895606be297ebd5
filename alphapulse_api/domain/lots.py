"""Profit by FIFO lots: each fill of one symbol opens a lot or closes the oldest open ones.

One trade is one fill: its filled quantity at its average price, at its `executed_at`. So an order
that fills in parts is one fill that grows and moves to the time of its newest part, because only
averages are reported and the prices of the parts do not follow from them exactly.

A round trip is one fill that closed (a part of) the lot of another, as in the fill-to-fill matching
of QuantConnect's TradeBuilder. Its profit is (exit price - entry price) x quantity for a long lot
and the negative of that for a short one, without fees.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.domain.times import to_micros

ZERO: Final = Decimal(0)
LONG, SHORT = "long", "short"
FEE_PLACE: Final = Decimal(1).scaleb(-18)  # a share of a fee is rounded to it

Position = tuple[int, str]
"""Where a fill stands among those of its symbol: time in microseconds since the epoch, and id."""

Fees = Mapping[str, Decimal]
"""Amounts by currency; "" for a fee whose currency is not known. Negative: a rebate."""


class Fill(NamedTuple):
    """What a trade filled.

    Attributes:
        position: where it stands among the fills of its symbol.
        quantity: bought if positive, sold if negative; never 0.
        price: the average.
        fees: of all of it.
        agent_id: of the trade.
        strategy: of the trade.
    """

    position: Position
    quantity: Decimal
    price: Decimal
    fees: Fees
    agent_id: str | None = None
    strategy: str | None = None


@dataclass(slots=True)
class Lot:
    """What a fill opened.

    Attributes:
        position: of the fill.
        opened: its quantity; negative for a short lot.
        remaining: what of that is open.
        price: the entry price.
        fees: of the remaining quantity.
        profit: of what was closed, without fees.
        agent_id: of the fill.
        strategy: of the fill.
    """

    position: Position
    opened: Decimal
    remaining: Decimal
    price: Decimal
    fees: dict[str, Decimal]
    profit: Decimal = ZERO
    agent_id: str | None = None
    strategy: str | None = None


class RoundTrip(NamedTuple):
    """A part of a lot that a fill closed.

    Attributes:
        opened: the position of the fill that opened the lot.
        closed: the position of the fill that closed it.
        side: `LONG` or `SHORT`.
        quantity: positive.
        profit: without fees.
        opening_fees: the share of the fees of the opening fill.
        closing_fees: the share of the fees of the closing fill.
        agent_id: of the opening fill, or of the closing one if that has none.
        strategy: likewise.
    """

    opened: Position
    closed: Position
    side: str
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    profit: Decimal
    opening_fees: Fees
    closing_fees: Fees
    agent_id: str | None
    strategy: str | None


class Folded(NamedTuple):
    """What a fill did.

    Attributes:
        after: the quantity held after it; negative: short.
        profit: of the round trips that it closed, without fees.
        lot: that it opened, if any.
        trips: that it closed, oldest lot first.
    """

    after: Decimal
    profit: Decimal
    lot: Lot | None
    trips: list[RoundTrip]


@dataclass(slots=True)
class Lots:
    """The open lots of one symbol, which is all that the next fill depends on.

    Attributes:
        held: the quantity held; negative: short.
        open: the open lots, oldest first. The end of it may be missing as long as what is there
            covers the quantity that the next fills close.
    """

    held: Decimal = ZERO
    open: deque[Lot] = field(default_factory=deque)

    def fold(self, fill: Fill) -> Folded:
        """Apply the next fill, in O(1) and one step for each lot that it closes."""
        rest, fees = fill.quantity, dict(fill.fees)
        profit = ZERO
        trips: list[RoundTrip] = []
        while rest and self.held and (rest > 0) != (self.held > 0):
            lot = self.open[0]
            part = min(abs(rest), abs(lot.remaining))
            signed = part.copy_sign(lot.remaining)
            opening, lot.fees = split(lot.fees, part, abs(lot.remaining))
            closing, fees = split(fees, part, abs(rest))
            trip = RoundTrip(
                lot.position,
                fill.position,
                LONG if lot.remaining > 0 else SHORT,
                part,
                lot.price,
                fill.price,
                exact(EXACT.multiply(signed, EXACT.subtract(fill.price, lot.price))),
                opening,
                closing,
                lot.agent_id if lot.agent_id is not None else fill.agent_id,
                lot.strategy if lot.strategy is not None else fill.strategy,
            )
            trips.append(trip)
            profit = EXACT.add(profit, trip.profit)
            lot.profit = exact(EXACT.add(lot.profit, trip.profit))
            lot.remaining = exact(EXACT.subtract(lot.remaining, signed))
            rest = EXACT.add(rest, signed)
            self.held = exact(EXACT.subtract(self.held, signed))
            if not lot.remaining:
                self.open.popleft()
        opened = None
        if rest:
            rest = exact(rest)
            opened = Lot(
                fill.position, rest, rest, fill.price, fees,
                agent_id=fill.agent_id, strategy=fill.strategy,
            )  # fmt: skip
            self.open.append(opened)
            self.held = exact(EXACT.add(self.held, rest))
        return Folded(self.held, exact(profit), opened, trips)


def reopen(lot: Lot, trip: RoundTrip) -> None:
    """Undo a round trip in its lot."""
    signed = trip.quantity.copy_sign(lot.opened)
    lot.remaining = exact(EXACT.add(lot.remaining, signed))
    lot.profit = exact(EXACT.subtract(lot.profit, trip.profit))
    lot.fees = added(lot.fees, trip.opening_fees)


def fill_of(trade: Mapping[str, Any]) -> Fill | None:
    """What a trade filled; None if that is nothing, or has no price."""
    quantity, price = trade["filled_quantity"], trade["price"]
    if not quantity or price is None:
        return None
    signed = quantity if trade["side"] == "buy" else quantity.copy_negate()
    return Fill(
        (to_micros(trade["executed_at"]), trade["id"]),
        exact(signed),
        exact(price),
        fees_of(trade),
        trade["agent_id"],
        trade["strategy"],
    )


def fees_of(trade: Mapping[str, Any]) -> dict[str, Decimal]:
    """The fees of a trade: of `fees` if it has any, else its `fee`."""
    listed = trade["fees"] or []
    if not listed and trade["fee"] is not None:
        listed = [{"currency": trade["fee_currency"] or "", "amount": trade["fee"]}]
    fees: dict[str, Decimal] = {}
    for fee in listed:
        fees = added(fees, {fee["currency"]: fee["amount"]})
    return fees


def added(fees: Fees, more: Fees) -> dict[str, Decimal]:
    """The sums by currency, without those that are 0, ordered by currency."""
    names = sorted({*fees, *more})
    sums = {name: exact(EXACT.add(fees.get(name, ZERO), more.get(name, ZERO))) for name in names}
    return {name: amount for name, amount in sums.items() if amount}


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return exact(result)


def split(
    fees: Fees, part: Decimal, whole: Decimal
) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """The share of the fees that `part` of the quantity `whole` bears, and the rest.

    A share is rounded to 18 places; the last part bears what is left, so the sum is exact.
    """
    if part == whole:
        return dict(fees), {}
    shares: dict[str, Decimal] = {}
    rest: dict[str, Decimal] = {}
    for name, fee in fees.items():
        share = EXACT.divide(EXACT.multiply(fee, part), whole)
        share = exact(share.quantize(FEE_PLACE, ROUND_HALF_EVEN, EXACT))
        if share:
            shares[name] = share
        if left := exact(EXACT.subtract(fee, share)):
            rest[name] = left
    return shares, rest


def exact(value: Decimal) -> Decimal:
    """The same amount without trailing zeros, so that equal amounts are the same text."""
    return EXACT.plus(value.normalize(EXACT)) if value else ZERO
