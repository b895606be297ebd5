"""An exact account: cash, lots, fills and fees. Every number is a ``Decimal`` in USD or shares."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

__all__ = ["ZERO", "Fill", "Ledger", "Position", "fee_for"]

FEE_RATE = Decimal("0.0005")
MINIMUM_FEE = Decimal("1.00")
CENT = Decimal("0.01")
ZERO = Decimal(0)


def fee_for(value: Decimal) -> Decimal:
    """Return the fee of a fill worth `value` USD: 5 basis points, in cents, at least 1 USD."""
    return max(MINIMUM_FEE, (abs(value) * FEE_RATE).quantize(CENT))


@dataclass(frozen=True, slots=True)
class Fill:
    """Shares that changed hands: `quantity` is positive for a purchase, negative for a sale."""

    symbol: str
    quantity: Decimal
    price: Decimal

    @property
    def value(self) -> Decimal:
        return abs(self.quantity) * self.price

    @property
    def fee(self) -> Decimal:
        return fee_for(self.value)


@dataclass(slots=True)
class Position:
    """The open lots of one symbol; lots are (signed quantity, price), all of the same sign."""

    symbol: str
    opened_on_day: int
    lots: deque[tuple[Decimal, Decimal]] = field(default_factory=deque)
    realized_pnl: Decimal = ZERO

    @property
    def quantity(self) -> Decimal:
        """Shares held: negative when short."""
        return sum((quantity for quantity, _ in self.lots), ZERO)

    @property
    def cost(self) -> Decimal:
        """The cost of the open lots: negative when short, where it is the proceeds."""
        return sum((quantity * price for quantity, price in self.lots), ZERO)

    @property
    def entry_price(self) -> Decimal:
        """The average price of the open lots, to a hundredth of a cent."""
        return (self.cost / self.quantity).quantize(Decimal("0.0001"))

    def value(self, price: Decimal) -> Decimal:
        """Market value at `price`: negative when short."""
        return self.quantity * price

    def unrealized_pnl(self, price: Decimal) -> Decimal:
        return self.value(price) - self.cost

    def close_lots(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Match `quantity` against lots of the opposite sign, first in, first out.

        FIFO rather than average cost, because an average of prices is not a finite decimal.
        Returns the quantity that matched no lot; the profit of the others goes to `realized_pnl`.
        """
        while quantity and self.lots and (self.lots[0][0] > 0) != (quantity > 0):
            held, entry = self.lots.popleft()
            closed = min(abs(held), abs(quantity)).copy_sign(held)
            self.realized_pnl += closed * (price - entry)
            quantity += closed
            if held != closed:
                self.lots.appendleft((held - closed, entry))
        return quantity


class Ledger:
    """Cash and positions; short sales add to cash, and margin and borrowing costs are not modelled.

    At all times ``cash + value == initial cash + realized + unrealized - fees``, exactly.
    """

    __slots__ = ("cash", "fees", "fills", "positions", "realized_pnl")

    def __init__(self, cash: Decimal = ZERO) -> None:
        self.cash = cash
        self.fees = ZERO
        self.fills = 0
        self.realized_pnl = ZERO
        self.positions: dict[str, Position] = {}

    def __repr__(self) -> str:
        return f"<Ledger cash={self.cash} positions={len(self.positions)} fills={self.fills}>"

    def apply(self, fill: Fill, day: int) -> Decimal:
        """Book `fill` on trading day `day` and return the profit it realized, before its fee."""
        position = self.positions.setdefault(fill.symbol, Position(fill.symbol, day))
        before = position.realized_pnl
        opening = position.close_lots(fill.quantity, fill.price)
        realized = position.realized_pnl - before
        if opening and not position.lots and opening != fill.quantity:
            # The fill reversed the position: the new side is a new position.
            position = self.positions[fill.symbol] = Position(fill.symbol, day)
        if opening:
            position.lots.append((opening, fill.price))
        if not position.lots:
            del self.positions[fill.symbol]
        self.cash -= fill.quantity * fill.price + fill.fee
        self.fees += fill.fee
        self.fills += 1
        self.realized_pnl += realized
        return realized

    def quantity(self, symbol: str) -> Decimal:
        """Shares held of `symbol`: negative when short, zero when there is no position."""
        position = self.positions.get(symbol)
        return position.quantity if position else ZERO

    def value(self, prices: Mapping[str, Decimal]) -> Decimal:
        """The market value of all positions, shorts counted negative."""
        return sum((p.value(prices[p.symbol]) for p in self.positions.values()), ZERO)

    def gross_value(self, prices: Mapping[str, Decimal]) -> Decimal:
        """The market value of all positions, shorts counted positive."""
        return sum((abs(p.value(prices[p.symbol])) for p in self.positions.values()), ZERO)

    def equity(self, prices: Mapping[str, Decimal]) -> Decimal:
        """The value of the account: cash and positions together."""
        return self.cash + self.value(prices)
