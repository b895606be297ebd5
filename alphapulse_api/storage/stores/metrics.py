"""The protocol of a store of series."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from alphapulse_api.domain.books import Books
from alphapulse_api.domain.points import Place
from alphapulse_api.storage.page import Page


class MetricStore(Protocol):
    """Points of series."""

    def within(self, books: Books, *, prices: bool) -> MetricStore:
        """The same for the series that are in some books by their label `book`.

        Args:
            books: the books.
            prices: whether prices that are in no book are among them.
        """

    async def list_series(
        self,
        name: str | None = None,
        metric_type: str | None = None,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Page:
        """One page of series by a prefix of their names, with the range and number of points."""

    async def get_metrics(
        self,
        metric_type: str,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        aggregation: str | None = None,
        *,
        interval: str | None = None,
        max_points: int | None = None,
        timezone: str | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Page:
        """Points of a type, oldest first."""

    async def get_latest_metrics(
        self,
        metric_type: str | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Page:
        """One page of the newest point of every matching series."""

    def latest_in_parts(
        self, metric_type: str | None = None, name: str | None = None
    ) -> AsyncIterator[Page]:
        """All pages of `get_latest_metrics`."""

    async def add_points(
        self,
        points: Sequence[Mapping[str, Any]],
        *,
        events: bool = True,
        known: set[Place] | None = None,
    ) -> int:
        """Store validated points; returns how many were given.

        Args:
            points: validated, each with a time.
            events: whether they are published; those of an imported history are not.
            known: is filled with those that were stored already, perhaps with another value.
        """
