"""The protocol of a store of portfolios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from alphapulse_api.domain.versions import Precondition
from alphapulse_api.domain.write_back import Basis
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.stores.records import NONE_SET, Record


class PortfolioStore(Protocol):
    """Snapshots of the portfolio."""

    async def get_portfolio(
        self,
        include_history: bool = False,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        max_points: int = 500,
        as_of: datetime | None = None,
    ) -> Record:
        """The current portfolio, or that of an instant; raises `NotFound`."""

    async def show_portfolio(
        self,
        include_history: bool = False,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        max_points: int = 500,
        as_of: datetime | None = None,
    ) -> Record:
        """Like `get_portfolio`, for a route or a socket, which only encodes it; may be encoded."""

    async def get_portfolios(self) -> Record:
        """`portfolios`: the current one of each book, without positions; and their `totals`."""

    async def get_history(
        self,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """One page of the values at every update, oldest first."""

    async def basis(self, book: str, as_of: datetime | None, *, remembered: bool) -> Basis | None:
        """The snapshot that a sender may have read before it sends one of this time.

        Args:
            book: of both.
            as_of: the time; None for now.
            remembered: whether the current one that this process remembers is enough.
        """

    async def set_portfolio(
        self,
        portfolio: Mapping[str, Any],
        *,
        server_set: frozenset[str] = NONE_SET,
        precondition: Precondition | None = None,
    ) -> tuple[Record, int | None]:
        """Store a validated snapshot; returns it and, if it is the current one, its revision.

        Raises a 412 if the current one does not match `precondition`.
        """

    async def add_history(self, snapshots: Sequence[Mapping[str, Any]], *, last: bool) -> int:
        """Store past snapshots, all or none, and return how many are new; known times are skipped.

        Args:
            snapshots: validated, with `positions_value`, oldest first.
            last: whether the newest becomes the current one, unless a newer one exists.
        """
