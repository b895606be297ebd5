"""The reader and the writer of each book, which the calls of one process share."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.portfolio.reading import Reader
from alphapulse_api.storage.portfolio.writing import Writer
from alphapulse_api.storage.tables.book_directory import BookDirectory

MOST_BOOKS: Final = 1000
MOST_BYTES: Final = 64 * 1024 * 1024  # of remembered positions


class _Entry:
    """A book, and how many bytes its reader and writer remembered when it was used last."""

    __slots__ = ("reader", "size", "writer")

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self.reader = reader
        self.writer = writer
        self.size = 0


class Portfolios:
    """Remembers the current portfolio of each book that was used lately.

    All accessors of a process share it, because concurrent updates of a book are stored in the
    order of their calls.

    Args:
        engine: the database.
        stale_after: the age in seconds from which a current portfolio is stale.
        ahead: microseconds by which the clock of a sender may be ahead.
        directory: the books.
        most_bytes: of positions that are remembered. The book used last is always remembered.
    """

    def __init__(
        self,
        engine: Engine,
        stale_after: float,
        ahead: int,
        directory: BookDirectory,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._stale_after = stale_after
        self._ahead = ahead
        self._most_bytes = most_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._size = 0

    def __repr__(self) -> str:
        return f"<Portfolios books={len(self._entries)} bytes={self._size}>"

    def __len__(self) -> int:
        """The number of books that are remembered."""
        return len(self._entries)

    def reader(self, book: str) -> Reader:
        """The reader of a book."""
        return self._entry(book).reader

    def writer(self, book: str) -> Writer:
        """The writer of a book."""
        return self._entry(book).writer

    def _entry(self, book: str) -> _Entry:
        entry = self._entries.get(book)
        if entry is None:
            reader = Reader(self._engine, book, self._stale_after, self._ahead)
            writer = Writer(self._engine, book, reader, self._directory, self._ahead)
            entry = self._entries[book] = _Entry(reader, writer)
        else:
            self._entries.move_to_end(book)
            size = entry.reader.size + entry.writer.size
            self._size += size - entry.size
            entry.size = size
        if len(self._entries) > MOST_BOOKS or self._size > self._most_bytes:
            self._forget(book)
        return entry

    def _forget(self, used: str) -> None:
        """Forget the books that were not used for the longest time."""
        for book, entry in list(self._entries.items()):
            if len(self._entries) <= MOST_BOOKS and self._size <= self._most_bytes:
                return
            # A busy writer knows the order of its calls.
            if book != used and not entry.writer.busy:
                del self._entries[book]
                self._size -= entry.size
