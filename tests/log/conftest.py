"""Fixtures that several files of this folder use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from alphapulse_api.log import EventLog
from alphapulse_api.log.memory import MemoryEventLog
from tests.event_logs import redis_log

Open = Callable[..., Awaitable[EventLog]]


@pytest.fixture(params=["memory", "redis"])
async def open_log(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def open_one(**limits: Any) -> EventLog:
            if request.param == "memory":
                return MemoryEventLog(**limits)
            url = request.getfixturevalue("redis_url")
            return await stack.enter_async_context(redis_log(url, **limits))

        yield open_one
