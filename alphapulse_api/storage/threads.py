"""Runs work over rows on the event loop if it is short, else on a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

from alphapulse_api.runtime.slices import Steps, finish, paced

T = TypeVar("T")

# Rows to fold on the event loop, about 2 ms. A hop to a thread takes 0.1 ms.
ON_LOOP: Final = 500


STEP: Final = 100  # rows folded in one step: about 0.4 ms


async def in_steps(rows: int, steps: Steps[T]) -> T:
    """Run work over that many rows in steps of `STEP` rows; pauses let other threads run."""
    return finish(steps) if rows <= ON_LOOP else await asyncio.to_thread(paced, steps)


async def off_loop(rows: int, work: Callable[..., T], *args: Any) -> T:
    """Run work over that many rows; pass fewer if a row takes less than 4 µs."""
    return work(*args) if rows <= ON_LOOP else await asyncio.to_thread(work, *args)
