"""The types of books and of their portfolios together."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal, TypedDict

BookMode = Literal["live", "paper", "backtest"]


class Book(TypedDict):
    """An account, a strategy or a run with money of its own."""

    id: str
    title: str | None
    mode: BookMode
    currency: str | None
    opened_at: datetime
    closed_at: datetime | None


class BookPortfolio(TypedDict):
    """The current portfolio of a book; its values are None before the first update."""

    book: str
    title: str | None
    mode: BookMode
    closed_at: datetime | None
    currency: str | None
    total_value: Decimal | None
    cash: Decimal | None
    positions_value: Decimal | None
    as_of: datetime | None
    stale: bool | None


class PortfolioTotal(TypedDict):
    """The sum of the open books of one mode and one currency."""

    mode: BookMode
    currency: str
    books: int
    total_value: Decimal
    cash: Decimal
    positions_value: Decimal


class Portfolios(TypedDict):
    """The current portfolio of each book, and totals."""

    portfolios: list[BookPortfolio]
    totals: list[PortfolioTotal]
    stale_after: float
