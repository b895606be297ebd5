"""The client's streams: one of them, and what it brings, with a limit on every wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from alphapulse_api.client import DashboardClient, Event, EventStream, StreamGap
from tests.conftest import Server
from tests.waiting import SECONDS


@asynccontextmanager
async def client_of(server: Server, url: str | None = None) -> AsyncIterator[DashboardClient]:
    """A client with a fresh key that reconnects without waiting."""
    key = (await server.key())["X-API-Key"]
    async with DashboardClient(url or server.url, api_key=key, rand=lambda: 0.0) as client:
        yield client


async def take(stream: EventStream, count: int) -> list[Event]:
    """The next events, no gap among them."""
    events = []
    async with asyncio.timeout(SECONDS):
        while len(events) < count:
            item = await anext(stream)
            assert isinstance(item, Event), item
            events.append(item)
    return events


async def one(stream: EventStream) -> Event | StreamGap:
    async with asyncio.timeout(SECONDS):
        return await anext(stream)


async def failure(stream: EventStream, kind: type[Exception]) -> Any:
    with pytest.raises(kind) as caught:
        await one(stream)
    return caught.value
