"""How the calls that read ask: one row, or page after page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from alphapulse_api.client import values
from alphapulse_api.client.http import Answer
from alphapulse_api.client.pages import Page, Rows
from alphapulse_api.client.values import Shape
from alphapulse_api.domain.plain import plain

Books = str | Sequence[str]
"""Ids of books, or "*" for every book that the caller may use."""


class Requests(ABC):
    """Sends the questions of the calls; subclasses define how a request is sent."""

    @abstractmethod
    async def _request(self, method: str, path: str, **options: Any) -> Answer:
        """Send an authenticated request."""

    async def _get(self, path: str, shape: Shape, params: Mapping[str, Any] | None = None) -> Any:
        answer = await self._request("GET", path, params=params)
        return values.tagged(values.convert(answer.content, shape), answer.headers.get("ETag"))

    def _pages(
        self, path: str, shape: Shape, params: Mapping[str, Any], limit: int | None
    ) -> Rows[Any]:
        """Make a listing with pages."""

        async def fetch(size: int, cursor: str | None) -> Page:
            return await self._page(path, shape, {**params, "limit": size, "cursor": cursor})

        return Rows(fetch, limit)

    async def _page(self, path: str, shape: Shape, params: Mapping[str, Any]) -> Page:
        answer = await self._request("GET", path, params=params)
        rows = [values.convert(row, shape) for row in answer.content]
        return Page(rows, answer.next_cursor, answer.headers.get("X-Stream-Cursor"))


def labels_of(labels: Mapping[str, str] | None) -> list[str]:
    """Labels as the parameter `label`."""
    return [f"{key}:{value}" for key, value in (labels or {}).items()]


def comma(words: str | Sequence[str] | None) -> str | None:
    """Words as a parameter that is a comma list."""
    words = plain(words)
    return words if words is None or isinstance(words, str) else ",".join(words)
