"""The adapter for a host's own system accessor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.storage.host.calls import HostObject, each
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.stores import Written


class HostSystem(HostObject):
    """A host's samples of its components."""

    async def get_system(self, *args: Any, **query: Any) -> Page:
        return await self._page("get_system", *args, **query)

    async def add_sample(self, sample: Mapping[str, Any]) -> Written:
        stored = await self._call("add_sample", sample)
        if isinstance(stored, tuple):
            record, new = stored
            return record, bool(new)
        return stored, True  # a host may return only the sample

    async def add_samples(
        self,
        samples: Sequence[Mapping[str, Any]],
        *,
        server_set: Sequence[frozenset[str]] | None = None,
        conflicts: dict[int, Conflict] | None = None,
        events: bool = True,  # it publishes none by itself
    ) -> list[Written]:
        return await each(self.add_sample, samples, conflicts)
