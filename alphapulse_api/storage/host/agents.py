"""The adapter for a host's own agents accessor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alphapulse_api.domain.errors import Conflict, NotFound
from alphapulse_api.domain.versions import Precondition
from alphapulse_api.storage.host.calls import HostObject, as_given, booked, each, in_main
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.stores import NONE_SET, Record, Written


class HostAgents(HostObject):
    """A host's agents."""

    async def get_agents(self, *args: Any, **query: Any) -> Page:
        page = await self._page("get_agents", *args, **query)
        agents: list[Any] = list(map(_in_main, page))
        return Page(agents, as_given, page.next_cursor, page.approximate)

    async def get_agent(
        self,
        agent_id: str,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> Record:
        ends = {"start_time": start_time, "end_time": end_time}
        query = {name: end for name, end in ends.items() if end is not None}
        if hasattr(self._accessor, "get_agent"):
            return _in_main(await self._call("get_agent", agent_id, **query))
        page = await self.get_agents(**query)
        while True:
            for found in page:
                if found["agent_id"] == agent_id:
                    return dict(found)
            if page.next_cursor is None:
                raise NotFound(f"There is no agent {agent_id!r}.")
            page = await self.get_agents(**query, cursor=page.next_cursor)

    async def get_signals(self, *args: Any, in_full: bool = False, **query: Any) -> Page:
        return booked(await self._page("get_signals", *args, **query))

    async def get_signal(self, agent_id: str, signal_id: str) -> Record:
        return in_main(await self._call("get_signal", agent_id, signal_id))

    async def set_agent(
        self, agent_id: str, update: Mapping[str, Any], *, precondition: Precondition | None = None
    ) -> Record:
        self._no_versions(precondition)
        agent: Record = await self._call("set_agent", agent_id, update)
        return agent

    async def add_signal(
        self, signal: Mapping[str, Any], *, server_set: frozenset[str] = NONE_SET
    ) -> Written:
        stored, new = await self._call("add_signal", self._of_main(signal))
        return in_main(stored), bool(new)

    async def add_signals(
        self,
        signals: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,  # it publishes none by itself
    ) -> list[Written]:
        return await each(self.add_signal, signals, conflicts)


def _in_main(agent: Record) -> Record:
    """An agent of a host's object, with the book of its signals."""
    if "signals" not in agent:
        return agent
    return {**agent, "signals": list(map(in_main, agent["signals"]))}
