"""The adapter for a host's own portfolio accessor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alphapulse_api.domain.errors import NOT_IMPLEMENTED, Problem
from alphapulse_api.domain.versions import Precondition
from alphapulse_api.domain.write_back import Basis
from alphapulse_api.storage.host.calls import HostObject, in_main, page_of
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.stores import NONE_SET, Record


class HostPortfolio(HostObject):
    """A host's portfolio."""

    async def get_portfolio(self, *args: Any, **query: Any) -> Record:
        return in_main(await self._call("get_portfolio", *args, **query))

    async def get_portfolios(self) -> Record:
        raise Problem(
            NOT_IMPLEMENTED, "The host's own portfolio accessor serves the book main only."
        )

    async def get_history(self, *args: Any, **query: Any) -> Page:
        if hasattr(self._accessor, "get_history"):
            return await self._page("get_history", *args, **query)
        portfolio = await self.get_portfolio(include_history=True, **query)
        return page_of(portfolio.get("history", ()))

    async def show_portfolio(self, *args: Any, **query: Any) -> Record:
        return await self.get_portfolio(*args, **query)

    async def basis(self, book: str, as_of: datetime | None, *, remembered: bool) -> Basis | None:
        return None  # a host's own values are stored as they are sent

    async def set_portfolio(
        self,
        portfolio: Mapping[str, Any],
        *,
        server_set: frozenset[str] = NONE_SET,
        precondition: Precondition | None = None,
    ) -> tuple[Record, int | None]:
        self._no_versions(precondition)
        stored, revision = await self._call("set_portfolio", self._of_main(portfolio))
        # A host may return only whether the snapshot is current.
        current = revision is not None and revision is not False
        return in_main(stored), int(revision) if current else None

    async def add_history(self, snapshots: Sequence[Mapping[str, Any]], *, last: bool) -> int:
        for snapshot in snapshots:
            await self.set_portfolio(
                {name: value for name, value in snapshot.items() if name != "positions_value"}
            )
        return len(snapshots)
