"""Reads the records of agents and of the system that have changed, since they have no events.

A write of them only invalidates cached answers. The tags that pass say which agents to read, and
that there are samples of the system. Records are read once a second at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from alphapulse_api.domain.tags import tag
from alphapulse_api.domain.times import from_micros, to_micros
from alphapulse_api.rules.samples import Samples, of_agent, of_system
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.tables.agent_states import agent_states

EVERY_SECONDS: Final = 1.0
_OVERLAP: Final = 60 * 1_000_000  # samples that come later than that are not evaluated
_AGENT: Final = tag("agents", None, "agent_id", "")
MAX_IDS: Final = 1000  # beyond, all agents are read
Change = tuple[str, Samples, int]  # what is watched, its samples, its time


class RecordReader:
    """Reads what the tags of invalidations name.

    Args:
        accessors: the stores.
        now: the present in microseconds; only what changes later is read.
    """

    def __init__(self, accessors: Accessors, now: int) -> None:
        self._accessors = accessors
        self._agents: set[str] = set()
        self._all_agents = False
        self._system = False
        self._known_agents: dict[str, Any] | None = None
        self._known_samples: dict[tuple[str, int], Any] = {}
        self._since = now
        self._due = 0.0

    def __repr__(self) -> str:
        return f"<RecordReader agents={len(self._agents)} system={self._system}>"

    def note(self, changed: str | None) -> bool:
        """Take a tag that was invalidated, or None for all; returns whether there is more to read.

        Args:
            changed: the tag.
        """
        if changed is None:
            self._all_agents = self._system = True
        elif changed.startswith(_AGENT):
            if len(self._agents) < MAX_IDS:
                self._agents.add(changed.removeprefix(_AGENT))
            else:
                self._all_agents = True
        elif changed == "system":
            self._system = True
        else:
            return False
        return True

    @property
    def wait(self) -> float | None:
        """Seconds until records are to be read; None if there are none."""
        if not (self._agents or self._all_agents or self._system):
            return None
        return max(0.0, self._due - asyncio.get_running_loop().time())

    async def read(self) -> AsyncIterator[Change]:
        """Read what has changed; raises `Unavailable`."""
        self._due = asyncio.get_running_loop().time() + EVERY_SECONDS
        if self._agents or self._all_agents:
            ids = None if self._all_agents else frozenset(self._agents)
            found = await agent_states(self._accessors.engine, ids)
            named, self._agents, self._all_agents = self._agents, set(), False
            known = {agent["agent_id"]: agent["updated_at"] for agent in found}
            before = self._known_agents
            for agent in found:
                id_ = agent["agent_id"]
                if id_ in named or (before is not None and before.get(id_) != known[id_]):
                    yield "agent", of_agent(agent), to_micros(agent["updated_at"])
            self._known_agents = known if ids is None else {**(before or {}), **known}
        if self._system:
            self._system = False
            async for change in self._samples():
                yield change

    async def _samples(self) -> AsyncIterator[Change]:
        cursor, recent = None, {}
        start = self._since - _OVERLAP
        while True:
            page = await self._accessors.system.get_system(
                start_time=from_micros(start), limit=1000, cursor=cursor
            )
            for sample in page:
                at = to_micros(sample["timestamp"])
                key = sample["component"], at
                recent[key] = sample["status"], sample["metrics"]
                if self._known_samples.get(key) != recent[key]:
                    self._since = max(self._since, at)
                    yield "system", of_system(sample), at
            cursor = page.next_cursor
            if cursor is None:
                break
        self._known_samples = recent
