"""The rows of the projection, and what is read into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.domain.encoding import dumps, loads_stored
from alphapulse_api.domain.lots import ZERO, Fees, Fill, Folded, Lot, Position, RoundTrip
from alphapulse_api.domain.times import FIRST_MICROS
from alphapulse_api.storage.columns import DECIMAL, PLAIN, Columns, Kind

BEGINNING: Final[Position] = (FIRST_MICROS, "")
_INSTANT: Final = Kind(type="timestamptz")  # microseconds, as positions have it
_NUMBER: Final = Kind(type="bigint")


def _stored_fees(fees: Fees) -> str:
    return dumps({name: format(amount, "f") for name, amount in sorted(fees.items())}).decode()


def _read_fees(text: str) -> dict[str, Decimal]:
    return {name: Decimal(amount) for name, amount in loads_stored(text).items()}


_FEES: Final = Kind(_stored_fees, _read_fees, loads_stored, "json")

FILLS: Final = Columns(
    "pnl_fills",
    {
        "book": PLAIN,
        "symbol": PLAIN,
        "executed_at": _INSTANT,
        "trade_id": PLAIN,
        "quantity": DECIMAL,
        "price": DECIMAL,
        "fees": _FEES,
        "held": DECIMAL,
        "closed_profit": DECIMAL,
        "opened": DECIMAL,
        "remaining": DECIMAL,
        "lot_fees": _FEES,
        "lot_profit": DECIMAL,
        "is_open": _NUMBER,
        "agent_id": PLAIN,
        "strategy": PLAIN,
    },
)
TRIPS: Final = Columns(
    "round_trips",
    {
        "book": PLAIN,
        "symbol": PLAIN,
        "closed_at": _INSTANT,
        "closing_id": PLAIN,
        "opened_at": _INSTANT,
        "opening_id": PLAIN,
        "side": PLAIN,
        "quantity": DECIMAL,
        "entry_price": DECIMAL,
        "exit_price": DECIMAL,
        "profit": DECIMAL,
        "opening_fees": _FEES,
        "closing_fees": _FEES,
        "agent_id": PLAIN,
        "strategy": PLAIN,
    },
)


@dataclass(slots=True)
class Account:
    """How far a symbol of a book is folded.

    Attributes:
        version: grows with each change; 0 if there is no row yet.
        folded: trades up to this position are folded.
        stale: trades from this position on have to be folded again; None if there are none.
        behind: whether there may be trades after `folded`.
        base_at: microseconds; trades before it were folded, and may have been deleted since.
        held: the quantity held; negative: short.
    """

    book: str
    symbol: str
    version: int = 0
    folded: Position = BEGINNING
    stale: Position | None = None
    behind: bool = False
    base_at: int = FIRST_MICROS
    held: Decimal = ZERO

    @property
    def key(self) -> tuple[str, str]:
        """Book and symbol."""
        return self.book, self.symbol


ACCOUNT_COLUMNS: Final = (
    "book", "symbol", "version", "folded_at", "folded_id", "stale_at", "stale_id", "behind",
    "base_at", "held",
)  # fmt: skip
ACCOUNT_TYPES: Final = (
    "text", "text", "bigint", "timestamptz", "text", "timestamptz", "text", "bigint",
    "timestamptz", "numeric",
)  # fmt: skip


def account_of(row: Sequence[Any]) -> Account:
    """An account from a row of `ACCOUNT_COLUMNS`."""
    book, symbol, version, folded_at, folded_id, stale_at, stale_id, behind, base_at, held = row
    stale = None if stale_at is None else (stale_at, stale_id)
    return Account(
        book, symbol, version, (folded_at, folded_id), stale, bool(behind), base_at, Decimal(held)
    )


def account_row(account: Account) -> list[Any]:
    """The values of `ACCOUNT_COLUMNS`."""
    stale = (None, None) if account.stale is None else account.stale
    return [
        account.book, account.symbol, account.version, *account.folded, *stale,
        int(account.behind), account.base_at, format(account.held, "f"),
    ]  # fmt: skip


def fill_row(account: Account, fill: Fill, folded: Folded) -> dict[str, Any]:
    """The row of a fill; its lot is entered by `with_lot`."""
    return {
        "book": account.book,
        "symbol": account.symbol,
        "executed_at": fill.position[0],
        "trade_id": fill.position[1],
        "quantity": fill.quantity,
        "price": fill.price,
        "fees": fill.fees,
        "held": folded.after,
        "closed_profit": folded.profit,
        "opened": ZERO if folded.lot is None else folded.lot.opened,
        "agent_id": fill.agent_id,
        "strategy": fill.strategy,
    }


def with_lot(row: Mapping[str, Any], lot: Lot | None) -> dict[str, Any]:
    """The row of a fill with the present state of its lot."""
    if lot is None:
        return {**row, "remaining": ZERO, "lot_fees": {}, "lot_profit": ZERO, "is_open": 0}
    return {
        **row,
        "remaining": lot.remaining,
        "lot_fees": lot.fees,
        "lot_profit": lot.profit,
        "is_open": int(bool(lot.remaining)),
    }


def lot_of(row: Mapping[str, Any]) -> Lot:
    """The lot in the row of a fill."""
    return Lot(
        (row["executed_at"], row["trade_id"]), row["opened"], row["remaining"], row["price"],
        row["lot_fees"], row["lot_profit"], row["agent_id"], row["strategy"],
    )  # fmt: skip


def trip_row(account: Account, trip: RoundTrip) -> dict[str, Any]:
    """The row of a round trip."""
    row = trip._asdict()
    (opened_at, opening_id), (closed_at, closing_id) = row.pop("opened"), row.pop("closed")
    return {
        **row,
        "book": account.book,
        "symbol": account.symbol,
        "opened_at": opened_at,
        "opening_id": opening_id,
        "closed_at": closed_at,
        "closing_id": closing_id,
    }


def trip_of(row: Mapping[str, Any]) -> RoundTrip:
    """The round trip in a row."""
    return RoundTrip(
        (row["opened_at"], row["opening_id"]), (row["closed_at"], row["closing_id"]), row["side"],
        row["quantity"], row["entry_price"], row["exit_price"], row["profit"],
        row["opening_fees"], row["closing_fees"], row["agent_id"], row["strategy"],
    )  # fmt: skip
