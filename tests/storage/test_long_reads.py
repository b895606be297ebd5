"""Questions that take long: they end, and they never stand in the way of short ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.long_reads import long_reads
from alphapulse_api.storage.postgres.engine import PostgresEngine
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from alphapulse_api.storage.sqlite.readers import LONG
from tests.waiting import SECONDS

# Neither engine ever ends this by itself.
ENDLESS = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x % 1000 + 1 FROM n) SELECT count(*) FROM n"
)


Opened = Callable[[float], Awaitable[Engine]]


def made(request: pytest.FixtureRequest, tmp_path: Path, url: str, seconds: float) -> Engine:
    if request.param == "sqlite":
        return SQLiteEngine(str(tmp_path / "store.db"), statement_timeout=seconds)
    return PostgresEngine(url, statement_timeout=seconds)


@pytest.fixture(params=["sqlite", "postgres"])
async def opened(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_url: str
) -> AsyncIterator[Opened]:
    """Opens an engine, of either kind, that ends statements after so many seconds."""
    async with AsyncExitStack() as stack:

        async def open_(seconds: float) -> Engine:
            engine = made(request, tmp_path, postgres_url, seconds)
            await engine.open()
            stack.push_async_callback(engine.close)
            return engine

        yield open_


@pytest.fixture
async def patient(opened: Opened) -> Engine:
    """An engine that ends no statement within a test."""
    return await opened(3600)


@pytest.fixture
async def impatient(opened: Opened) -> Engine:
    """An engine that ends statements after a moment."""
    return await opened(0.2)


async def test_a_question_that_takes_too_long_ends_and_says_what_to_narrow(
    impatient: Engine,
) -> None:
    async with asyncio.timeout(SECONDS):
        with pytest.raises(Unavailable) as refused:
            await impatient.fetch(ENDLESS)
    assert refused.value.detail == (
        "The database took longer than database.statement_timeout (0.2 s) for this question. "
        "Ask for less: a shorter range, a filter, a lower limit."
    )
    assert await impatient.fetch("SELECT 1") == [(1,)]


async def test_a_question_ends_when_its_caller_leaves(patient: Engine) -> None:
    """Closing the engine waits for the statements that run."""
    asking = [asyncio.create_task(patient.fetch(ENDLESS)) for _ in range(4)]
    await asyncio.wait(asking, timeout=0.1)
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    async with asyncio.timeout(SECONDS):
        assert await patient.fetch("SELECT 1") == [(1,)]
        await patient.close()
    await patient.open()


async def test_a_short_question_never_waits_for_long_ones(patient: Engine) -> None:
    with long_reads():
        asking = [asyncio.create_task(patient.fetch(ENDLESS)) for _ in range(4 * LONG)]
    await asyncio.wait(asking, timeout=0.1)
    async with asyncio.timeout(SECONDS):
        assert await patient.fetch("SELECT 1") == [(1,)]
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
