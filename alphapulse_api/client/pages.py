"""A listing, a page at a time."""

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


# Asks for a page of at most so many rows, from a cursor on.
Fetch = Callable[[int, str | None], Awaitable[Page]]


class Rows(Generic[T]):
    """The rows of a listing: `async for row in rows`, or all at once by `await rows`.

    One page is in memory at a time, and the next is asked for when it is needed. Once only.

    Args:
        fetch: asks for a page.
        limit: rows in all; None: all there are.

    Attributes:
        stream_cursor: after the first page, the cursor of the matching channel, taken before the
            rows were read: a stream `since` it misses nothing that is not in the rows. None where
            there is no such channel.
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
        """The next page, or None after the last. Raises `ApiError` and `Unreachable`."""
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
