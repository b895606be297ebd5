"""What callers limited to books see of the records that belong to no book: nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn

from alphapulse_api.domain.errors import NotFound
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.query import FIRST
from alphapulse_api.storage.stores import AgentStore, Record


class NoSystem:
    """The store of system samples, which belong to no book."""

    async def get_system(self, *_: Any, **__: Any) -> Page:
        """No samples."""
        return Page()


class NoAudit:
    """The audit log, which is about every book."""

    async def get_audit(self, *_: Any, **__: Any) -> Page:
        """No entries."""
        return Page()


class SignalsOnly:
    """The signals of agents, without the agents, which belong to no book.

    Args:
        agents: the store of the signals in some books.
    """

    def __init__(self, agents: AgentStore) -> None:
        self._agents = agents

    async def get_agents(self, *_: Any, **__: Any) -> Page:
        """No agents."""
        return Page()

    async def get_agent(self, agent_id: str, *_: Any, **__: Any) -> NoReturn:
        """Raises `NotFound`."""
        raise _not_found(agent_id)

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
        """As `AgentStore.get_signals`; an agent without any signal in the books is not found."""
        page = await self._agents.get_signals(
            agent_id, symbol, direction, start_time, end_time, limit, cursor, sort, in_full=in_full
        )
        if not page and not await self._agents.get_signals(agent_id, start_time=FIRST, limit=1):
            raise _not_found(agent_id)
        return page

    async def get_signal(self, agent_id: str, signal_id: str) -> Record:
        """As `AgentStore.get_signal`."""
        return await self._agents.get_signal(agent_id, signal_id)


def _not_found(agent_id: str) -> NotFound:
    return NotFound(f"There is no agent {agent_id!r}.")
