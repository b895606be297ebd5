"""Books: accounts, strategies or runs with their own money. Each record is kept in one book."""

from __future__ import annotations

from typing import Final

MAIN: Final = "main"
"""The book of a record that names none."""

NO_BOOK: Final = ""
"""Stored for an alert that belongs to no book, because columns of a key cannot hold nulls."""

BOOK_LABEL: Final = "book"
"""The label that puts a series of metrics into a book."""

PRICE: Final = "price"
"""The type of metrics whose series are prices of symbols; without the label they are of no book."""
