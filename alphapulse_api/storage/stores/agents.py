"""The protocol of a store of agents and their signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.domain.versions import Precondition
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.stores.records import NONE_SET, Record, Written


class AgentStore(Protocol):
    """Agents and their signals."""

    async def get_agents(
        self,
        agent_type: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """One page of agents, by id, each with its newest signals."""

    async def get_agent(
        self,
        agent_id: str,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> Record:
        """One agent with its newest signals in the range; raises `NotFound`."""

    async def get_signals(
        self,
        agent_id: str,
        symbol: str | None = None,
        direction: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
        sort: str | None = None,
        *,
        in_full: bool = False,
    ) -> Page:
        """One page of an agent's signals, in the order of `get_trades`; raises `NotFound`.

        With `in_full`, signals have their `thesis` and `inputs`.
        """

    async def get_signal(self, agent_id: str, signal_id: str) -> Record:
        """One signal with its `thesis` and `inputs`; raises `NotFound`."""

    async def set_agent(
        self, agent_id: str, update: Mapping[str, Any], *, precondition: Precondition | None = None
    ) -> Record:
        """Store a validated update; fields that it leaves out keep their values."""

    async def add_signal(
        self, signal: Mapping[str, Any], *, server_set: frozenset[str] = NONE_SET
    ) -> Written:
        """Store a validated signal; raises `Conflict`."""

    async def add_signals(
        self,
        signals: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,
    ) -> list[Written]:
        """Store validated signals; the arguments are those of `TradeStore.add_trades`."""
