"""FIFO lots, against a naive account that takes one unit at a time."""

from __future__ import annotations

import random
from collections import deque
from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.domain.lots import (
    Fill,
    Lot,
    Lots,
    RoundTrip,
    fees_of,
    fill_of,
    reopen,
    split,
    total,
)
from tests.engines import at
from tests.records import trade

UNIT = Decimal("0.5")


def fill(number: int, quantity: str, price: str, **fees: str) -> Fill:
    return Fill(
        (number, f"t{number}"),
        Decimal(quantity),
        Decimal(price),
        {name: Decimal(amount) for name, amount in fees.items()},
    )


class UnitByUnit:
    """The oracle: every unit held is an entry of a queue, with its side, price and fill."""

    def __init__(self) -> None:
        self.units: deque[tuple[int, Decimal, str]] = deque()
        self.profit = Decimal(0)
        self.closed: dict[tuple[str, str], Decimal] = {}

    def fold(self, fill: Fill) -> None:
        sign = 1 if fill.quantity > 0 else -1
        for _ in range(int(abs(fill.quantity) / UNIT)):
            if self.units and self.units[0][0] != sign:
                side, price, opening = self.units.popleft()
                self.profit += side * (fill.price - price) * UNIT
                key = opening, fill.position[1]
                self.closed[key] = self.closed.get(key, Decimal(0)) + UNIT
            else:
                self.units.append((sign, fill.price, fill.position[1]))

    @property
    def held(self) -> Decimal:
        return sum((side * UNIT for side, _, _ in self.units), Decimal(0))


def random_fills(generator: random.Random) -> list[Fill]:
    fees = ("USD", "BNB", "")
    return [
        Fill(
            (number, f"t{number}"),
            UNIT * generator.choice([-1, 1]) * generator.randint(1, 9),
            Decimal(generator.randint(-50, 500)) / 8,
            {generator.choice(fees): Decimal(generator.randint(1, 90)) / -8}
            if generator.random() < 0.7
            else {},
        )
        for number in range(generator.randint(1, 40))
    ]


def test_thousands_of_random_sequences_equal_an_account_of_single_units() -> None:
    generator = random.Random(20)
    for _ in range(3000):
        fills = random_fills(generator)
        oracle, lots = UnitByUnit(), Lots()
        trips: list[RoundTrip] = []
        for each in fills:
            oracle.fold(each)
            folded = lots.fold(each)
            trips += folded.trips
            assert folded.after == lots.held == oracle.held
            assert total(trip.profit for trip in folded.trips) == folded.profit
        assert total(trip.profit for trip in trips) == oracle.profit
        closed = {(t.opened[1], t.closed[1]): t.quantity for t in trips}
        assert closed == oracle.closed
        assert sum(lot.remaining for lot in lots.open) == oracle.held
        _no_fee_is_lost(fills, trips, lots)


def _no_fee_is_lost(fills: list[Fill], trips: list[RoundTrip], lots: Lots) -> None:
    parts: list[Any] = [lot.fees for lot in lots.open]
    for trip in trips:
        parts += [trip.opening_fees, trip.closing_fees]
    for name in ("USD", "BNB", ""):
        paid = total(each.fees.get(name, Decimal(0)) for each in fills)
        assert total(part.get(name, Decimal(0)) for part in parts) == paid


def test_undoing_the_newest_fills_gives_the_lots_of_before() -> None:
    generator = random.Random(3)
    for _ in range(500):
        fills = random_fills(generator)
        cut = generator.randrange(len(fills))
        before = Lots()
        lots = Lots()
        known: dict[tuple[int, str], Lot] = {}
        for each in fills[:cut]:
            before.fold(each)
            if (opened := lots.fold(each).lot) is not None:
                known[opened.position] = opened
        undone: list[RoundTrip] = []
        for each in fills[cut:]:
            undone += lots.fold(each).trips
        for trip in undone:
            if trip.opened in known:
                reopen(known[trip.opened], trip)
        open_lots = [lot for _, lot in sorted(known.items()) if lot.remaining]
        assert open_lots == list(before.open)


def test_a_fill_that_flips_closes_and_opens() -> None:
    lots = Lots()
    lots.fold(fill(1, "10", "100", USD="1"))
    folded = lots.fold(fill(2, "-15", "110", USD="3"))
    (trip,) = folded.trips
    assert trip.side == "long"
    assert trip.quantity == 10
    assert trip.profit == 100
    assert trip.opening_fees == {"USD": Decimal(1)}
    assert trip.closing_fees == {"USD": Decimal(2)}
    assert folded.lot is not None
    assert folded.lot.remaining == -5
    assert folded.lot.fees == {"USD": Decimal(1)}
    assert folded.after == -5


def test_a_short_position_gains_as_the_price_falls() -> None:
    lots = Lots()
    lots.fold(fill(1, "-4", "50"))
    assert lots.fold(fill(2, "4", "45.5")).profit == 18


@pytest.mark.parametrize("fee", ["1", "-0.25", "0.000000000000000001"])
def test_shares_of_a_fee_add_up_to_it(fee: str) -> None:
    share, rest = split({"USD": Decimal(fee)}, Decimal(1), Decimal(3))
    assert total([*share.values(), *rest.values()]) == Decimal(fee)


def test_a_trade_counts_with_what_it_filled() -> None:
    stored = trade("t", 1, side="sell", filled_quantity=Decimal("0.40"), status="cancelled")
    stored |= {"agent_id": "a", "strategy": None, "fee": Decimal("1.50"), "fee_currency": "USD"}
    stored |= {"fees": []}
    found = fill_of(stored)
    assert found is not None
    assert (str(found.quantity), found.fees) == ("-0.4", {"USD": Decimal("1.5")})
    assert found.position[1] == "t"
    assert fill_of({**stored, "filled_quantity": Decimal(0)}) is None
    assert fill_of({**stored, "price": None}) is None
    assert at(1) == stored["executed_at"]


def test_listed_fees_stand_for_the_single_one() -> None:
    listed = [{"currency": "BNB", "amount": Decimal("0.1")}] * 2
    assert fees_of({"fee": Decimal(1), "fee_currency": "USD", "fees": listed}) == {
        "BNB": Decimal("0.2")
    }
