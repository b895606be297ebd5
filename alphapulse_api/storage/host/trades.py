"""The adapter for a host's own trades accessor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.storage.host.calls import HostObject, booked, in_main
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.stores import Record, Written


class HostTrades(HostObject):
    """A host's trades."""

    async def get_trades(self, *args: Any, **query: Any) -> Page:
        return booked(await self._page("get_trades", *args, **query))

    async def get_trade(self, trade_id: str) -> Record:
        return in_main(await self._call("get_trade", trade_id))

    async def add_trades(
        self,
        trades: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        one: bool = False,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,  # it publishes none by itself
    ) -> list[Written]:
        if conflicts is None:
            return await self._add(trades, one)
        # The host stores all that it is given or raises, so each trade is a call.
        stored: list[Written] = []
        for index, trade in enumerate(trades):
            try:
                stored += await self._add([trade], True)
            except Conflict as conflict:
                conflicts[index] = conflict
                stored.append((dict(trade), False))
        return stored

    async def _add(self, trades: Sequence[Mapping[str, Any]], one: bool) -> list[Written]:
        options = {"one": one} if self._takes("add_trades", "one") else {}
        given = list(map(self._of_main, trades))
        stored = await self._call("add_trades", given, **options)
        return [(in_main(trade), new) for trade, new in stored]
