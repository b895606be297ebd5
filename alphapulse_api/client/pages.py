"""Listings, read one page at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")

PAGE_ROWS: Final = 5000


class Page(NamedTuple):
    """Some rows; the cursor of the next page (None: this is the last); the channel's cursor."""

    rows: list[Any]
    next_cursor: str | None
    stream_cursor: str | None


# Requests a page of at most so many rows, from a cursor.
Fetch = Callable[[int, str | None], Awaitable[Page]]


class Rows(Generic[T]):
    """The rows of a listing: `async for row in rows`, or all at once with `await rows`.

    Only one page is in memory; the next is requested when it is needed. Rows can be read once.

    Args:
        fetch: requests a page.
        limit: total number of rows; None: all.

    Attributes:
        stream_cursor: after the first page, the cursor of the matching channel from before the rows
            were read, so that a stream `since` it misses nothing. None if no channel matches.
    """

    def __init__(self, fetch: Fetch, limit: int | None = None) -> None:
        if limit is not None and limit < 1:
            raise ValueError("limit must be at least 1")
        self._fetch = fetch
        self._left = limit
        self._cursor: str | None = None
        self._ended = False
        self._page: deque[T] = deque()
        self.stream_cursor: str | None = None

    async def next_page(self) -> list[T] | None:
        """Return the next page, or None after the last.

        Raises:
            ApiError: if the server refuses the request.
            Unreachable: if there is no answer.
        """
        if self._ended:
            return None
        size = PAGE_ROWS if self._left is None else min(PAGE_ROWS, self._left)
        page = await self._fetch(size, self._cursor)
        if self._cursor is None:
            self.stream_cursor = page.stream_cursor
        self._cursor = page.next_cursor
        rows = page.rows if self._left is None else page.rows[: self._left]
        if self._left is not None:
            self._left -= len(rows)
        self._ended = self._cursor is None or self._left == 0
        return rows

    def __aiter__(self) -> Rows[T]:
        return self

    async def __anext__(self) -> T:
        while not self._page:
            page = await self.next_page()
            if page is None:
                raise StopAsyncIteration
            self._page.extend(page)
        return self._page.popleft()

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self._all().__await__()

    async def _all(self) -> list[T]:
        return [row async for row in self]
