"""Values nautilus_trader's accounts and positions in one currency; used by its adapter."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any


class Valuation:
    """Computes the portfolio of accounts.

    An asset or a position without a price, or in a currency without a rate, is listed without a
    value and does not count towards the total.

    Args:
        cache: nautilus_trader's cache, for prices and instruments.
        currency: the portfolio's currency, an object of nautilus_trader.
        price_types: nautilus_trader's enum `PriceType`.
    """

    def __init__(self, cache: Any, currency: Any, price_types: Any) -> None:
        self._cache = cache
        self._currency = currency
        self._types = price_types
        self._indexed = 0
        self._by_currency: defaultdict[Any, list[Any]] = defaultdict(list)

    def portfolio(self, accounts: Iterable[Any], at: int) -> dict[str, Any]:
        """A record for `update_portfolio`, with unrealised profit.

        Args:
            accounts: the accounts to include.
            at: the time of the portfolio, in nanoseconds since the epoch.
        """
        total, cash = Decimal(0), Decimal(0)
        rows: list[dict[str, Any]] = []
        for account in accounts:
            shown = Counter[str]()  # by asset, the quantity that positions already include
            for position in self._cache.positions_open():
                if position.account_id != account.id:
                    continue
                row = self._position(position)
                rows.append(row)
                if account.is_margin_account:
                    total += row["unrealized_pnl"] or Decimal(0)
                    continue
                total += row["value"] or Decimal(0)
                base = self._cache.instrument(position.instrument_id).get_base_currency()
                if account.base_currency is None and base is not None:
                    shown[base.code] += position.signed_decimal_qty()
            for balance in account.balances_total().values():
                amount = balance.as_decimal() - shown[balance.currency.code]
                worth = self._worth(amount, balance.currency)
                total += worth or Decimal(0)
                if balance.currency == self._currency:
                    cash += amount
                elif account.is_margin_account and worth is not None:
                    cash += worth
                elif amount:
                    rows.append(_holding(balance.currency.code, amount, worth))
        return {
            "total_value": total, "cash": cash, "currency": self._currency.code,
            "positions": rows, "as_of": at,
        }  # fmt: skip

    def _position(self, position: Any) -> dict[str, Any]:
        short = position.signed_qty < 0
        # The price at which the position could be closed, as in nautilus_trader's own portfolio.
        price = self._price(position.instrument_id, self._types.ASK if short else self._types.BID)
        value = profit = None
        if price is not None:
            value = self._money(position.notional_value(price))
            profit = self._money(position.unrealized_pnl(price))
        return {
            "symbol": position.instrument_id.value,
            "side": "short" if short else "long",
            "quantity": position.quantity.as_decimal(),
            "entry_price": position.avg_px_open,
            "current_price": None if price is None else price.as_decimal(),
            "value": -value if short and value is not None else value,
            "unrealized_pnl": profit,
            "realized_pnl": self._money(position.realized_pnl),
            "opened_at": position.ts_opened,
        }

    def _price(self, instrument_id: Any, price_type: Any) -> Any:
        """The price of the newest quote, else trade, else bar; None if there is none."""
        for kind in (price_type, self._types.LAST):
            if (price := self._cache.price(instrument_id, kind)) is not None:
                return price
        bars = [self._cache.bar(kind) for kind in self._cache.bar_types(instrument_id)]
        closes = {bar.ts_event: bar.close for bar in bars if bar is not None}
        return closes[max(closes)] if closes else None

    def _money(self, money: Any) -> Decimal | None:
        return self._worth(money.as_decimal(), money.currency)

    def _worth(self, amount: Decimal, currency: Any) -> Decimal | None:
        if not amount:
            return amount
        rate = self._rate(currency)
        return None if rate is None else amount * rate

    def _rate(self, currency: Any) -> Decimal | None:
        """The exchange rate, from an instrument that trades the two currencies for each other."""
        if currency == self._currency:
            return Decimal(1)
        for instrument in self._traded_for(currency):
            price = self._price(instrument.id, self._types.MID)
            if price is not None and (rate := price.as_decimal()):
                return Decimal(rate) if instrument.quote_currency == self._currency else 1 / rate
        return None

    def _traded_for(self, currency: Any) -> list[Any]:
        instruments = self._cache.instruments()
        if len(instruments) != self._indexed:  # a venue may have thousands
            self._indexed = len(instruments)
            self._by_currency = defaultdict(list)
            for instrument in instruments:
                base, quote = instrument.get_base_currency(), instrument.quote_currency
                if self._currency in (base, quote):
                    self._by_currency[base if quote == self._currency else quote].append(instrument)
        return self._by_currency[currency]


def _holding(asset: str, amount: Decimal, worth: Decimal | None) -> dict[str, Any]:
    return {
        "symbol": asset,
        "side": "short" if amount < 0 else "long",
        "quantity": abs(amount),
        "value": worth,
    }
