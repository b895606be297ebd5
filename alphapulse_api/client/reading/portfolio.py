"""The portfolio and its history."""

from __future__ import annotations

from datetime import datetime

from alphapulse_api.client import values
from alphapulse_api.client.reading.requests import Requests
from alphapulse_api.client.rows import Portfolio


class PortfolioReading(Requests):
    """Every GET about the portfolio as a method."""

    async def portfolio(
        self,
        *,
        include_history: bool = False,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        max_points: int | None = None,
        as_of: datetime | None = None,
        book: str | None = None,
    ) -> Portfolio:
        """Return the current portfolio, with its `history` in the range if requested.

        Args:
            as_of: return the portfolio as it was at that time. Its history ends there, so this
                cannot be combined with `end_time`.

        Raises:
            ApiError: 404 before the first portfolio is recorded, or at a time before that.
        """
        params = {
            "book": book,
            "as_of": as_of,
            "include_history": True if include_history else None,
            "start_time": start_time,
            "end_time": end_time,
            "max_points": max_points,
        }
        portfolio: Portfolio = await self._get("/api/portfolio", values.PORTFOLIO, params)
        return portfolio
