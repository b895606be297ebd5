"""The schema that checks a portfolio: one for each book, which remembers its last positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from alphapulse_api.domain.books import MAIN
from alphapulse_api.schemas.portfolio import PortfolioRequest, remember_positions

MOST: Final = 64  # books whose last positions are remembered


class PortfolioSchemas:
    """Schemas of portfolios by book.

    Args:
        clocked: sets a schema to check times.
    """

    def __init__(self, clocked: Callable[[PortfolioRequest], PortfolioRequest]) -> None:
        self._clocked = clocked
        self._others = clocked(PortfolioRequest())  # remembers nothing
        self._by_book: dict[str, PortfolioRequest] = {}

    def __repr__(self) -> str:
        return f"<PortfolioSchemas books={len(self._by_book)}>"

    def of(self, portfolio: Any) -> PortfolioRequest:
        """The schema for a portfolio that is not checked yet."""
        if isinstance(portfolio, Mapping):
            book = portfolio.get("book")
        else:
            book = getattr(portfolio, "book", None)
        if not isinstance(book, str):
            book = MAIN
        schema = self._by_book.get(book)
        if schema is None:
            if len(self._by_book) >= MOST:
                return self._others
            schema = self._by_book[book] = self._clocked(PortfolioRequest())
            remember_positions(schema)
        return schema
