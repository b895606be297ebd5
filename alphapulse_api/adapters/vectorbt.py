"""vectorbt: the orders and the equity of a portfolio, for `import_history`.

    portfolio = vbt.Portfolio.from_signals(close, entries, exits)
    feed.import_history(**vectorbt.history(portfolio, run="ma-10-50"))

Every order of vectorbt becomes a fill. Importing the same portfolio again changes nothing. The
functions take vectorbt's objects, and do not import vectorbt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from alphapulse_api.adapters.records import identifier
from alphapulse_api.adapters.results import instant

SYMBOL_LEVEL: Final = "symbol"  # vectorbt's name for the column level that holds symbols


def history(
    portfolio: Any, *, run: str, symbol: str | None = None, currency: str = "USD"
) -> dict[str, Any]:
    """A whole portfolio, as the arguments of `import_history`.

    Args:
        portfolio: `vectorbt.Portfolio` of one column, or of one group with shared cash.
        run: an id of this run, the prefix of its trades' ids.
        symbol: the symbol of the trades; default: the column's name. Of several column levels, it
            is the one called `symbol`, or the last.
        currency: the currency of the equity and of the fees.

    Raises:
        ValueError: if these are several portfolios, if a column has no name and no symbol is given,
            or if the data have no times.
    """
    return {
        "equity": equity(portfolio),
        "trades": trades(portfolio, run=run, symbol=symbol, currency=currency),
        "currency": currency,
    }


def equity(portfolio: Any) -> Iterator[dict[str, Any]]:
    """The total value, the cash and the value of the assets at each bar, oldest first.

    Times without a zone are UTC.

    Raises:
        ValueError: if these are several portfolios.
    """
    value = _one(portfolio)
    columns = (value.index, value, portfolio.cash(), portfolio.asset_value())
    return (
        {"timestamp": instant(at), "total_value": total, "cash": cash, "positions_value": assets}
        for at, total, cash, assets in zip(*columns, strict=True)
    )


def trades(
    portfolio: Any, *, run: str, symbol: str | None = None, currency: str = "USD"
) -> list[dict[str, Any]]:
    """The fills, oldest first; arguments and errors are those of `history`."""
    _one(portfolio)
    columns = portfolio.wrapper.columns
    level = columns.names.index(SYMBOL_LEVEL) if SYMBOL_LEVEL in columns.names else -1
    fills = [
        {
            "id": identifier(run, *_parts(row["Column"]), row["Order Id"]),
            "symbol": symbol or _symbol(row["Column"], level),
            "side": row["Side"],
            "quantity": row["Size"],
            "price": row["Price"],
            "fee": row["Fees"],
            "fee_currency": currency,
            "executed_at": instant(row["Timestamp"]),
        }
        for row in portfolio.orders.records_readable.to_dict("records")
    ]
    return sorted(fills, key=lambda fill: fill["executed_at"])


def _one(portfolio: Any) -> Any:
    """The value of the portfolio over time."""
    value = portfolio.value()
    if value.ndim > 1:
        raise ValueError(
            f"This is {value.shape[1]} portfolios: choose one, such as "
            f"portfolio[{value.columns[0]!r}], or share the cash (cash_sharing=True)."
        )
    return value


def _symbol(column: Any, level: int) -> str:
    name = _parts(column)[level]
    if not isinstance(name, str):
        raise ValueError(f"The column {column!r} does not name a symbol: give it as symbol=….")
    return name


def _parts(column: Any) -> tuple[Any, ...]:
    return column if isinstance(column, tuple) else (column,)
