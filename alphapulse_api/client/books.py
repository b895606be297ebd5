"""The calls about books."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alphapulse_api.client import values
from alphapulse_api.client.http import segment
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.rows import Book, BookMode, Portfolios
from alphapulse_api.client.rules import RuleWriting


class BookCalls(RuleWriting):
    """Every call about books as a method."""

    def books(self, *, mode: BookMode | None = None, limit: int | None = None) -> Rows[Book]:
        """Return the books, by id.

        Args:
            mode: live, paper or backtest.
            limit: total number of books; default: all.
        """
        return self._pages("/api/books", values.BOOK, {"mode": mode}, limit)

    async def book(self, book: str) -> Book:
        """Return one book."""
        found: Book = await self._get(f"/api/books/{segment(book)}", values.BOOK, {})
        return found

    async def open_book(
        self,
        book: str,
        *,
        mode: BookMode | None = None,
        currency: str | None = None,
        title: str | None = None,
        closed: bool | None = None,
        if_match: Mapping[str, Any] | str | None = None,
    ) -> Book:
        """Open a book, or change one; omitted fields keep their values; returns the book.

        Args:
            book: its id: lower-case letters, digits, - and _.
            mode: live, paper or backtest; required for a new book, and fixed by its first record.
            currency: of its portfolio; fixed by the first update of that.
            title: for people.
            closed: True: it takes late facts and corrections, and nothing new. False opens it
                again.
            if_match: what `book` or this method returned before, or an ETag: change nothing if the
                book has changed since.

        Raises:
            ApiError: 409, if records have fixed another mode or currency; 412, if `if_match` does
                not hold; 422, if a new book has no mode.
        """
        said = {"mode": mode, "currency": currency, "title": title, "closed": closed}
        body = {name: value for name, value in said.items() if value is not None}
        path = f"/api/books/{segment(book)}"
        stored: Book = await self._put(path, body, values.BOOK, if_match)
        return stored

    async def portfolios(self) -> Portfolios:
        """Return the current portfolio of each book, and totals by mode and currency."""
        found: Portfolios = await self._get("/api/portfolios", values.PORTFOLIOS, {})
        return found
