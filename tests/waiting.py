"""Waiting for a state that no event announces."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Final

SECONDS: Final = 30.0  # only what hangs takes so long, on any machine
PAUSE_SECONDS: Final = 0.005


async def until(condition: Callable[[], Any]) -> None:
    """Wait until the condition holds; it may be a coroutine function.

    Raises:
        TimeoutError: if it does not come to hold.
    """
    async with asyncio.timeout(SECONDS):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return
            await asyncio.sleep(PAUSE_SECONDS)
