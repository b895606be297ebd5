"""Books."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLISH
from alphapulse_api.http.handlers import books
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.books import Book, BookRequest, BooksQuery

# fmt: off
ROWS: Final = (
    Row("GET", "/api/books", "view_portfolio", books.list_books, query=BooksQuery, answer=Book,
        many=True, every_book=True, resource="books", tag="books", operation="listBooks"),
    Row("GET", "/api/books/{id}", "view_portfolio", books.get_book, answer=Book,
        every_book=True, resource="books", tag="books", operation="getBook", failures=(404,)),
    Row("PUT", "/api/books/{id}", PUBLISH, books.put_book, body=BookRequest, answer=Book,
        for_all_books=True, versioned=True, tag="books", operation="updateBook", failures=(409,)),
)
# fmt: on
