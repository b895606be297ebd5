"""Sums of round trips: how many won and lost, how much, and the fees that they bear.

Fees are in currencies of their own. So the figures of single round trips are without fees, and
`net` subtracts the fees in one currency from the sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from alphapulse_api.domain.decimals import EXACT
from alphapulse_api.domain.lots import ZERO, Fees, exact

AVERAGE_PLACE: Final = Decimal(1).scaleb(-18)  # an average is rounded to it


@dataclass(slots=True)
class ProfitSum:
    """The sums of some round trips.

    Attributes:
        books: those that the round trips belong to.
        count: of round trips; those without profit and loss are neither won nor lost.
        wins: of them, those with a profit.
        losses: of them, those with a loss.
        gross_profit: of the wins.
        gross_loss: of the losses; 0 or negative.
        opening_fees: by currency; "" where it is not known.
        closing_fees: likewise.
    """

    books: set[str] = field(default_factory=set)
    count: int = 0
    wins: int = 0
    losses: int = 0
    gross_profit: Decimal = ZERO
    gross_loss: Decimal = ZERO
    opening_fees: dict[str, Decimal] = field(default_factory=dict)
    closing_fees: dict[str, Decimal] = field(default_factory=dict)

    def add(self, profit: Decimal, opening_fees: Fees, closing_fees: Fees) -> None:
        """Add a round trip."""
        self.count += 1
        if profit > 0:
            self.wins += 1
            self.gross_profit = EXACT.add(self.gross_profit, profit)
        elif profit < 0:
            self.losses += 1
            self.gross_loss = EXACT.add(self.gross_loss, profit)
        for sums, fees in ((self.opening_fees, opening_fees), (self.closing_fees, closing_fees)):
            for currency, amount in fees.items():
                sums[currency] = EXACT.add(sums.get(currency, ZERO), amount)

    def figures(self, currency: str | None) -> dict[str, Any]:
        """The figures of an answer.

        Args:
            currency: of the profit. Fees in it, and fees whose currency is not known, count for
                `net_profit`.

        Returns:
            Sums as exact Decimals; averages as Decimals of 18 places, null without such a round
            trip; `win_rate` (wins / count) and `profit_factor` (gross profit / gross loss, null
            without losses) as floats.
        """
        profit = EXACT.add(self.gross_profit, self.gross_loss)
        net = profit
        for fees in (self.opening_fees, self.closing_fees):
            for name, amount in fees.items():
                if name in ("", currency):
                    net = EXACT.subtract(net, amount)
        factor = None
        if self.losses:
            factor = float(EXACT.divide(self.gross_profit, -self.gross_loss))
        return {
            "round_trips": self.count,
            "wins": self.wins,
            "losses": self.losses,
            "win_rate": self.wins / self.count,
            "profit": exact(profit),
            "gross_profit": exact(self.gross_profit),
            "gross_loss": exact(self.gross_loss),
            "profit_factor": factor,
            "average_profit": _average(profit, self.count),
            "average_win": _average(self.gross_profit, self.wins),
            "average_loss": _average(self.gross_loss, self.losses),
            "opening_fees": _listed(self.opening_fees),
            "closing_fees": _listed(self.closing_fees),
            "net_profit": exact(net),
        }


def _average(total: Decimal, count: int) -> Decimal | None:
    if not count:
        return None
    average = EXACT.divide(total, Decimal(count))
    return exact(average.quantize(AVERAGE_PLACE, ROUND_HALF_EVEN, EXACT))


def _listed(fees: Mapping[str, Decimal]) -> list[dict[str, Any]]:
    """Fees as trades have them, without those that are 0."""
    amounts = ((name, exact(amount)) for name, amount in sorted(fees.items()))
    return [{"currency": name, "amount": amount} for name, amount in amounts if amount]
