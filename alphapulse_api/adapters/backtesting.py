"""backtesting.py: the trades and the equity of a run, for `import_history`.

    stats = Backtest(data, Strategy, cash=10_000, finalize_trades=True).run()
    feed.import_history(**backtesting.history(stats, "GOOG", run="sma-1"))

Each trade becomes two fills, its entry and its exit. Importing the same run again changes nothing.
The functions take what backtesting.py returns, and do not import backtesting.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from alphapulse_api.adapters.records import identifier, signed, without_none
from alphapulse_api.adapters.results import instant


def history(stats: Any, symbol: str, *, run: str, currency: str = "USD") -> dict[str, Any]:
    """A whole run, as the arguments of `import_history`.

    Args:
        stats: what `Backtest.run` returns.
        symbol: the symbol of the data.
        run: an id of this run, the prefix of its trades' ids.
        currency: the currency of the equity and of the commissions.

    Raises:
        ValueError: if the data of the run have no times.
    """
    return {
        "equity": equity(stats),
        "trades": trades(stats, symbol, run=run, currency=currency),
        "currency": currency,
    }


def equity(stats: Any) -> Iterator[tuple[datetime, float]]:
    """The equity at each bar, oldest first; times without a zone are UTC."""
    return ((instant(at), value) for at, value in stats["_equity_curve"]["Equity"].items())


def trades(stats: Any, symbol: str, *, run: str, currency: str = "USD") -> list[dict[str, Any]]:
    """The fills of all closed trades, oldest first; arguments are those of `history`.

    The exit has the commission of both fills, the profit and the tag. backtesting.py leaves trades
    that are open at the end out of its results, unless `finalize_trades=True` closes them.
    """
    strategy = type(stats["_strategy"]).__name__
    fills: list[dict[str, Any]] = []
    for number, row in enumerate(stats["_trades"].to_dict("records")):
        common = {"symbol": symbol, "strategy": strategy}
        fills.append(
            {
                "id": identifier(run, symbol, number, "entry"),
                **common,
                **signed(row["Size"]),
                "price": row["EntryPrice"],
                "executed_at": instant(row["EntryTime"]),
            }
        )
        fills.append(
            {
                "id": identifier(run, symbol, number, "exit"),
                **common,
                **signed(-row["Size"]),
                "price": row["ExitPrice"],
                "fee": row["Commission"],
                "fee_currency": currency,
                "executed_at": instant(row["ExitTime"]),
                "metadata": without_none({"profit": row["PnL"], "tag": row["Tag"]}),
            }
        )
    return sorted(fills, key=lambda fill: fill["executed_at"])
