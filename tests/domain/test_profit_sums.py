"""Sums of round trips, against the exact rational numbers."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from fractions import Fraction

from alphapulse_api.domain.profit_sums import ProfitSum

EIGHTH = Decimal("0.125")
NAMES = ("USD", "BNB", "")


def test_thousands_of_random_sums_equal_rational_arithmetic() -> None:
    generator = random.Random(5)
    for _ in range(2000):
        total = ProfitSum()
        profits: list[Decimal] = []
        paid: Counter[str] = Counter()
        for _ in range(generator.randint(1, 20)):
            profit = EIGHTH * generator.randint(-99, 99) * Decimal(10) ** generator.randint(-30, 30)
            fees = [
                {
                    name: EIGHTH * generator.randint(-9, 9)
                    for name in NAMES[: generator.randint(0, 3)]
                }
                for _ in range(2)
            ]
            total.add(profit, *fees)
            profits.append(profit)
            for part in fees:
                for name, amount in part.items():
                    paid[name] += Fraction(amount)  # type: ignore[assignment]
        figures = total.figures("USD")
        won = sum((Fraction(p) for p in profits if p > 0), Fraction(0))
        lost = sum((Fraction(p) for p in profits if p < 0), Fraction(0))
        assert Fraction(figures["gross_profit"]) == won
        assert Fraction(figures["gross_loss"]) == lost
        assert Fraction(figures["profit"]) == won + lost
        assert Fraction(figures["net_profit"]) == won + lost - paid["USD"] - paid[""]
        wins, losses = sum(p > 0 for p in profits), sum(p < 0 for p in profits)
        assert (figures["wins"], figures["losses"]) == (wins, losses)
        assert figures["win_rate"] == wins / len(profits)
        factor = float(won / -lost) if losses else None
        assert figures["profit_factor"] == factor
        for name, part, count in (
            ("average_profit", won + lost, len(profits)),
            ("average_win", won, wins),
            ("average_loss", lost, losses),
        ):
            if not count:
                assert figures[name] is None
            else:
                assert abs(Fraction(figures[name]) - part / count) <= Fraction(1, 2 * 10**18)
        listed = Counter[str]()
        for fee in (*figures["opening_fees"], *figures["closing_fees"]):
            assert fee["amount"]
            listed[fee["currency"]] += Fraction(fee["amount"])  # type: ignore[assignment]
        assert all(listed[name] == paid[name] for name in NAMES)


def test_a_round_trip_without_profit_is_neither_won_nor_lost() -> None:
    total = ProfitSum()
    total.add(Decimal(0), {"EUR": Decimal(1)}, {})
    figures = total.figures("USD")
    assert (figures["round_trips"], figures["wins"], figures["losses"]) == (1, 0, 0)
    assert (figures["win_rate"], figures["profit_factor"]) == (0, None)
    assert (figures["average_win"], figures["average_loss"]) == (None, None)
    assert figures["net_profit"] == 0  # the fee is in another currency
