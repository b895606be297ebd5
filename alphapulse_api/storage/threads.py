"""Work over rows: on the event loop where it is short, else on a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

# Rows to fold on the event loop: some 2 ms of its time. A hop to a thread takes 0.1 ms.
ON_LOOP: Final = 500


async def off_loop(rows: int, work: Callable[..., T], *args: Any) -> T:
    """Do work over so many rows; what takes less than some 4 µs a row may say fewer."""
    return work(*args) if rows <= ON_LOOP else await asyncio.to_thread(work, *args)
