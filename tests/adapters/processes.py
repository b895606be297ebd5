"""Processes of other programs, which end with their test."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def ended(process: Process) -> AsyncIterator[None]:
    """End the process with the block, and read what it still writes."""
    streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await asyncio.gather(*(stream.read() for stream in streams), process.wait())
