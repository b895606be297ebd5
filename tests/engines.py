"""The store by itself: an engine on a real file, and what the accessors take."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from alphapulse_api.cache import Cache
from alphapulse_api.log import EventLog
from alphapulse_api.record.relay import Relay
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.portfolio.accessor import PortfolioDataAccessor
from alphapulse_api.storage.postgres.engine import PostgresEngine
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from tests.postgres import Postgres

Fresh = Callable[[], AbstractAsyncContextManager[Engine]]
T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """An instant that many seconds after `T0`."""
    return T0 + timedelta(seconds=seconds)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SQLiteEngine]:
    """An open engine on that file."""
    engine = SQLiteEngine(str(path))
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


@cache
def _empty_store() -> bytes:
    """The file of a store with the schema of this release and no rows.

    To copy it takes a fifth of the work of migrating a new file, and no writes that wait for disks.
    """

    async def make(path: Path) -> None:
        async with opened(path):
            pass

    with tempfile.TemporaryDirectory(prefix="ap-store-") as folder, ThreadPoolExecutor(1) as beside:
        path = Path(folder, "store.db")
        beside.submit(asyncio.run, make(path)).result()  # the caller may be in a running loop
        return path.read_bytes()


def empty_store(path: Path) -> Path:
    """Make an empty store in a new file; returns its path."""
    path.touch(0o600, exist_ok=False)
    path.write_bytes(_empty_store())
    return path


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[PostgresEngine]:
    """An open engine on that database."""
    engine = PostgresEngine(url, **options)
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def opened_postgres(server: Postgres) -> AsyncIterator[PostgresEngine]:
    """An open engine on the server's store, emptied."""
    async with connected(await server.emptied()) as engine:
        yield engine


def files(folder: Path) -> list[str]:
    """What lies in a folder, by name."""
    return sorted(file.name for file in folder.iterdir())


def point(name: str, seconds: float, value: float | None, **labels: str) -> dict[str, Any]:
    """A validated metric point of type "risk"."""
    return {
        "metric_type": "risk",
        "name": name,
        "timestamp": at(seconds),
        "value": value,
        "labels": labels,
    }


def relay_of(accessors: Accessors, cache: Cache, events: EventLog, *, alone: bool = False) -> Relay:
    """What relays the outbox of the accessors' engine to a log."""
    own = PortfolioDataAccessor(accessors.engine)
    return Relay(accessors.engine, cache, events, own.get_snapshot, alone=alone)
