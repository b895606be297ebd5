"""Listings, read one page at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Generic, NamedTuple, TypeVar

from aiohttp import StreamReader

T = TypeVar("T")

PAGE_ROWS: Final = 5000


class Page(NamedTuple):
    """Some rows; the cursor of the next page (None: this is the last); the channel's cursor."""

    rows: list[Any]
    next_cursor: str | None
    stream_cursor: str | None


# Requests a page: the most rows, and the cursor to start from.
Fetch = Callable[[int, str | None], Awaitable[Page]]


class Rows(Generic[T]):
    """The rows of a listing: `async for row in rows`, or all at once with `await rows`.

    Only one page is in memory; the next one is requested when needed. Rows can be read only once.

    Args:
        fetch: requests a page.
        limit: total number of rows; None: all.

    Attributes:
        stream_cursor: available after the first page: the cursor of the matching channel before the
            rows were read, so that a stream `since` it misses nothing. None if no channel matches.
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


class Export(Generic[T]):
    """All rows of a listing in one answer: `async for row in export`, read as it arrives.

    It can be read only once. Read it to its end, or close it with `aclose`.

    Args:
        download: opens the answer, which is lines of JSON.
        convert: converts a line to a row.
    """

    def __init__(
        self,
        download: Callable[[], AbstractAsyncContextManager[StreamReader]],
        convert: Callable[[bytes], T],
    ) -> None:
        self._pages = self._read(download, convert)
        self._rows: deque[T] = deque()

    async def _read(
        self,
        download: Callable[[], AbstractAsyncContextManager[StreamReader]],
        convert: Callable[[bytes], T],
    ) -> AsyncGenerator[list[T]]:
        rest = b""
        async with download() as content:
            async for data in content.iter_any():
                *lines, rest = (rest + data).split(b"\n")
                if lines:
                    yield [convert(line) for line in lines if line]

    async def next_page(self) -> list[T] | None:
        """Return the rows that have arrived, at least one, or None after the last.

        Raises:
            ApiError: if the server refuses the request.
            Unreachable: if there is no answer, or it breaks off.
        """
        return await anext(self._pages, None)

    def __aiter__(self) -> Export[T]:
        return self

    async def __anext__(self) -> T:
        while not self._rows:
            page = await self.next_page()
            if page is None:
                raise StopAsyncIteration
            self._rows.extend(page)
        return self._rows.popleft()

    async def aclose(self) -> None:
        """End the request."""
        await self._pages.aclose()
