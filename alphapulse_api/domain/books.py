"""Books: accounts, strategies or runs with their own money. Each record is kept in one book."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from alphapulse_api.domain.errors import NotFound

MAIN: Final = "main"
"""The book of a record that names none."""

NO_BOOK: Final = ""
"""Stored for an alert that belongs to no book, because columns of a key cannot hold nulls."""

BOOK_LABEL: Final = "book"
"""The label that puts a series of metrics into a book."""

PRICE: Final = "price"
"""The type of metrics whose series are prices of symbols; without the label they are of no book."""

EVERY: Final = "*"
"""Asks for all books that the caller may see."""

BOOK: Final = "[a-z0-9][a-z0-9_-]{0,63}"
"""The pattern of an id."""

MODES: Final = ("live", "paper", "backtest")


class Books:
    """The books that a question means, or that a caller may use: all of them, or some.

    Args:
        ids: the ids, the home book first; None: all books, and alerts that belong to none.

    Attributes:
        ids: each id once; None for all.
        home: the book of a record that names none.
    """

    __slots__ = ("_known", "home", "ids")

    def __init__(self, ids: Iterable[str] | None = None) -> None:
        self.ids = None if ids is None else tuple(dict.fromkeys(ids))
        if self.ids is not None and not self.ids:
            raise ValueError("there must be a book")
        self._known = None if self.ids is None else frozenset(self.ids)
        self.home = (
            MAIN if self._known is None or MAIN in self._known else next(iter(self.ids or ()))
        )

    def __repr__(self) -> str:
        return f"<Books {self.text}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Books) and (self.home, self._known) == (other.home, other._known)

    def __hash__(self) -> int:
        return hash((self.home, self._known))

    def __contains__(self, book: str | None) -> bool:
        """Whether records of a book are among them; None and "": of an alert that has none."""
        return self._known is None or book in self._known

    @property
    def one(self) -> str | None:
        """The only book; None if there are several."""
        return self.ids[0] if self.ids is not None and len(self.ids) == 1 else None

    @property
    def text(self) -> str:
        """The same text for the same set of books, for keys of caches."""
        return EVERY if self._known is None else ",".join(sorted(self._known))

    def narrowed(self, asked: str | None) -> Books:
        """Those of the books that a question means.

        Args:
            asked: an id; "*": all of these; None: the home book.

        Raises:
            NotFound: for a book that is not among them.
        """
        if asked == EVERY:
            return self
        return Books((self.checked(self.home if asked is None else asked),))

    def checked(self, book: str) -> str:
        """The id of a book.

        Raises:
            NotFound: if it is not among them. The answer is that for a book that does not exist.
        """
        if book not in self:
            raise NotFound(f"There is no book {book!r}.")
        return book

    def place(self, record: dict[str, Any]) -> None:
        """Put a validated record into its book: the one that it names, else the home book.

        Raises:
            NotFound: if its book is not among them.
        """
        book = record.get("book")
        if book is None:
            book = self.home
        record["book"] = self.checked(book) or None  # "": of no book


ALL: Final = Books()
HOME: Final = Books((MAIN,))
