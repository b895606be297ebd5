"""ccxt: converts unified trades, orders, balances and positions to records of the feed.

The functions take what ccxt and ccxt.pro return, and do not import ccxt:

    orders = ccxt.orders(exchange, exchange.fetch_orders("BTC/USDT"))
    feed.record_trades_batch(orders, on_error="continue")
    feed.update_portfolio(ccxt.portfolio(exchange.fetch_balance(), prices=exchange.fetch_tickers()))

Recording an order again updates it, and a repeat changes nothing, so a loop may record whatever it
fetches. Record either an account's orders or its trades: both would count each fill twice. Ids are
`venue:symbol:id` for a trade and `venue:symbol:order:id` for an order, because a venue's ids are
often unique only within one symbol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.adapters.records import fee_fields, identifier, without_none, word
from alphapulse_api.domain.orders import FINAL

Unified = Mapping[str, Any]  # a structure of https://docs.ccxt.com/#/README?id=unified-api

_STATUSES: Final = {
    "open": "open", "canceling": "open", "closed": "filled", "canceled": "cancelled",
    "expired": "expired", "rejected": "rejected",
}  # fmt: skip
_TERMS: Final = {
    "price": "limit_price", "triggerPrice": "trigger_price", "stopLossPrice": "stop_loss_price",
    "takeProfitPrice": "take_profit_price", "timeInForce": "time_in_force",
    "postOnly": "post_only", "reduceOnly": "reduce_only",
}  # fmt: skip


def trades(venue: Any, rows: Iterable[Unified], **common: Any) -> list[dict[str, Any]]:
    """Fills: what `fetch_my_trades` and `watch_my_trades` return.

    Args:
        venue: the exchange object, or its id.
        rows: unified trades.
        common: further fields for every record, such as `strategy` or `agent_id`.

    Returns:
        Records for `record_trades`. A trade without an id from the venue gets one from the server,
        and becomes another trade each time it is recorded.
    """
    return [_trade(_name(venue), row, common) for row in rows]


def orders(venue: Any, rows: Iterable[Unified], **common: Any) -> list[dict[str, Any]]:
    """Orders in their current state: what `create_order`, `fetch_orders`, `watch_orders` return.

    Returns:
        Records for `record_trades_batch(..., on_error="continue")`. An order of which the venue
        returned only the id is refused: fetch it first.
    """
    return [_order(_name(venue), row, common) for row in rows]


def portfolio(
    balance: Unified,
    positions: Iterable[Unified] = (),
    *,
    currency: str = "USDT",
    prices: Mapping[str, Any] | None = None,
    total_value: Any = None,
) -> dict[str, Any]:
    """The portfolio, from `fetch_balance` and, for contracts, `fetch_positions`.

    Args:
        balance: a unified balance; its total of `currency` is the cash.
        positions: unified positions.
        currency: the currency of the portfolio.
        prices: the prices of the other assets, by symbol (`BTC/USDT`) or by asset (`BTC`): numbers,
            or tickers as `fetch_tickers` returns them. An asset without a price is listed without a
            value.
        total_value: the equity, if the venue reports it. Default: the cash, plus the assets that
            have a price, plus the unrealised profit of the positions.

    Returns:
        A record for `update_portfolio`, as of the balance's time if it has one.
    """
    totals = {asset: _decimal(total) for asset, total in (balance.get("total") or {}).items()}
    cash = totals.pop(currency, None) or Decimal(0)
    held = [
        _holding(asset, total, _price(prices or {}, asset, currency))
        for asset, total in totals.items()
        if total
    ]
    contracts = [_position(row) for row in positions if _decimal(row.get("contracts"))]
    worth = sum((h["value"] for h in held if h["value"] is not None), cash)
    profit = sum((p["unrealized_pnl"] or Decimal(0) for p in contracts), Decimal(0))
    return {
        "total_value": worth + profit if total_value is None else total_value,
        "cash": cash,
        "currency": currency,
        "positions": held + contracts,
        "as_of": balance.get("timestamp"),
    }


def _trade(venue: str, row: Unified, common: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": None if row.get("id") is None else identifier(venue, row["symbol"], row["id"]),
        "order_id": row.get("order"),
        "symbol": row.get("symbol"),
        "side": row.get("side"),
        "quantity": row.get("amount"),
        "price": row.get("price"),
        "value": row.get("cost"),
        **_fees(row),
        "order_type": word(row.get("type")),
        "executed_at": row.get("timestamp"),
        "metadata": without_none({"venue": venue, "liquidity": row.get("takerOrMaker")}),
        **common,
    }


def _order(venue: str, row: Unified, common: Mapping[str, Any]) -> dict[str, Any]:
    filled = bool(_decimal(row.get("filled")))
    status = _status(row, filled)
    terms = {name: row.get(key) for key, name in _TERMS.items()}
    if row.get("type") == "market":
        terms["limit_price"] = None  # for market orders, ccxt puts the average there
    return {
        "id": identifier(venue, row.get("symbol"), "order", row.get("id")),
        "order_id": row.get("id"),
        "client_order_id": row.get("clientOrderId"),
        "symbol": row.get("symbol"),
        "side": row.get("side"),
        "quantity": row.get("amount") or None,
        "filled_quantity": row.get("filled"),
        "price": (row.get("average") or row.get("price")) if filled else None,
        "value": row.get("cost") if filled else None,
        # Not before the order is final: later fills may add fees in other currencies.
        **(_fees(row) if status in FINAL else {}),
        "order_type": word(row.get("type")),
        "status": status,
        "executed_at": (row.get("lastTradeTimestamp") if filled else None) or row.get("timestamp"),
        "metadata": without_none({"venue": venue, **terms}),
        **common,
    }


def _status(row: Unified, filled: bool) -> str:
    status = _STATUSES.get(row.get("status") or "", "pending")
    if status in ("open", "pending") and filled:
        return "partially_filled"
    if status == "filled" and not filled:
        return "cancelled"  # some venues close what they cancel
    return status


def _fees(row: Unified) -> dict[str, Any]:
    return fee_fields(
        [
            {"currency": fee["currency"], "amount": fee["cost"]}
            for fee in row.get("fees") or [row.get("fee") or {}]
            if fee.get("cost") is not None and fee.get("currency")
        ]
    )


def _holding(asset: str, total: Decimal, price: Decimal | None) -> dict[str, Any]:
    return {
        "symbol": asset,
        "side": "short" if total < 0 else "long",
        "quantity": abs(total),
        "current_price": price,
        "value": None if price is None else total * price,
    }


def _position(row: Unified) -> dict[str, Any]:
    size = _decimal(row.get("contractSize")) or Decimal(1)
    return {
        "symbol": row["symbol"],
        "side": row.get("side"),
        "quantity": abs(Decimal(str(row["contracts"])) * size),
        "entry_price": row.get("entryPrice"),
        "current_price": row.get("markPrice") or row.get("lastPrice"),
        "unrealized_pnl": _decimal(row.get("unrealizedPnl")),
        "realized_pnl": row.get("realizedPnl"),
    }


def _price(prices: Mapping[str, Any], asset: str, currency: str) -> Decimal | None:
    given = prices.get(f"{asset}/{currency}", prices.get(asset))
    return _decimal((given.get("last") or given.get("close")) if hasattr(given, "get") else given)


def _decimal(number: Any) -> Decimal | None:
    """The decimal of a number's shortest text: ccxt returns floats, or text if so configured."""
    return None if number is None else Decimal(str(number))


def _name(venue: Any) -> str:
    return venue if isinstance(venue, str) else str(venue.id)
