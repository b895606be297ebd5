"""Real daily prices: what the demo replays. The source is stated in ``data/README.md``."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.resources import files
from itertools import groupby, pairwise

__all__ = ["PriceDay", "load_prices", "parse_prices"]


@dataclass(frozen=True, slots=True)
class PriceDay:
    """The closing prices of one trading day, in USD per share, by symbol."""

    date: date
    closes: Mapping[str, Decimal]


def parse_prices(lines: Iterable[str]) -> list[PriceDay]:
    """Read CSV with the columns ``date``, ``symbol`` and ``close``, ordered by date.

    Raises:
        ValueError: when a day lacks a symbol that the first day has, or the days are out of order.
    """
    days = [
        PriceDay(date.fromisoformat(day), {row["symbol"]: Decimal(row["close"]) for row in rows})
        for day, rows in groupby(csv.DictReader(lines), key=lambda row: row["date"])
    ]
    for earlier, later in pairwise(days):
        if later.date <= earlier.date:
            raise ValueError(f"{later.date} follows {earlier.date}")
        if later.closes.keys() != days[0].closes.keys():
            raise ValueError(f"{later.date} has other symbols than {days[0].date}")
    return days


def load_prices() -> list[PriceDay]:
    """Return the packaged prices: 756 trading days of AAPL, GOOG, IBM and MSFT."""
    resource = files(__package__) / "data" / "daily_prices.csv"
    return parse_prices(resource.read_text(encoding="utf-8").splitlines())
