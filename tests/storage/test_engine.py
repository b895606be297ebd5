"""What both engines do: commit in groups, undo a unit alone, read beside writes, close clean."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.engine.group import GROUP_LIMIT
from alphapulse_api.storage.postgres.engine import PostgresEngine
from alphapulse_api.storage.sqlite.engine import SQLiteEngine
from tests import view
from tests.postgres import Postgres
from tests.units import COUNT, Held, adds, behind, stored
from tests.waiting import SECONDS

Commits = Callable[[], Awaitable[int]]


@pytest.fixture
async def commits(engine: Engine) -> Commits:
    """How many commits have stored something, as the database itself counts it."""
    if isinstance(engine, SQLiteEngine):
        seen: list[str] = []
        (writer,) = view.connections(engine)
        writer.set_trace_callback(lambda sql: seen.append(sql) if sql == "COMMIT" else None)

        async def traced() -> int:
            return len(seen)

        return traced

    async def counted() -> int:
        rows = await engine.fetch("SELECT count(DISTINCT xmin::text) FROM revoked_tokens")
        return int(rows[0][0])

    return counted


async def test_writes_that_gather_during_a_write_share_the_next_commit(
    engine: Engine, commits: Commits
) -> None:
    names = [f"a{i:03}" for i in range(300)]
    assert await behind(engine, *map(adds, names)) == names
    assert await stored(engine) == [*names, "held"]
    assert await commits() == 2
    assert engine.waiting == 0


async def test_a_group_is_bounded(engine: Engine, commits: Commits) -> None:
    await behind(engine, *(adds(f"{i}") for i in range(GROUP_LIMIT + 1)))
    assert await commits() == 3


async def test_a_failing_unit_undoes_only_itself(engine: Engine, commits: Commits) -> None:
    async def fails(transaction: Transaction) -> None:
        await adds("half")(transaction)
        raise KeyError("no")

    async def breaks_the_schema(transaction: Transaction) -> None:
        await adds("other half")(transaction)
        await transaction.execute("INSERT INTO revoked_tokens (jti) VALUES ('z')")

    works = (adds("a"), fails, adds("b"), breaks_the_schema, adds("a"), adds("c"))
    a, failed, b, broken, twice, c = await behind(engine, *works)
    assert (a, b, c) == ("a", "b", "c")
    assert isinstance(failed, KeyError)
    # Faults of the statement are not dressed up as an outage.
    wrong = (sqlite3.IntegrityError, asyncpg.IntegrityConstraintViolationError)
    assert isinstance(broken, wrong)
    assert isinstance(twice, wrong)
    assert await stored(engine) == ["a", "b", "c", "held"]
    if isinstance(engine, SQLiteEngine):  # in PostgreSQL a savepoint has a number of its own, too
        assert await commits() == 2
    with pytest.raises(KeyError):  # alone, too
        await engine.write(fails)
    assert await stored(engine) == ["a", "b", "c", "held"]


async def test_reads_do_not_wait_behind_a_write(engine: Engine) -> None:
    held = Held(engine)
    writing = asyncio.create_task(engine.write(held))
    await held.entered()
    answers = await asyncio.wait_for(
        asyncio.gather(*(engine.fetch(COUNT) for _ in range(50))), SECONDS
    )
    assert {answer[0][0] for answer in answers} == {0}
    assert not writing.done()
    held.release()
    await writing
    assert await engine.fetch(COUNT) == [(1,)]


async def test_reading_connections_cannot_write(engine: Engine) -> None:
    with pytest.raises(Unavailable, match="read-only"):
        await engine.fetch("DELETE FROM agents")


async def test_a_writer_that_goes_away_is_stored_all_the_same(engine: Engine) -> None:
    held = Held(engine)
    first = asyncio.create_task(engine.write(held))
    await held.entered()
    leaving = asyncio.create_task(engine.write(adds("left")))
    await asyncio.sleep(0)
    for task in (first, leaving):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    held.release()
    assert await engine.write(adds("next")) == "next"
    assert await stored(engine) == ["held", "left", "next"]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_close_finishes_the_writes_it_accepted_and_refuses_later_ones(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    engine: Engine = SQLiteEngine(str(tmp_path / "store.db"))
    if kind == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        engine = PostgresEngine(await postgres.emptied())
    await engine.open()
    held = Held(engine)
    accepted = [asyncio.create_task(engine.write(held))]
    await held.entered()
    accepted += [asyncio.create_task(engine.write(adds(f"{i}"))) for i in range(50)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(engine.close())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="closed"):
        await asyncio.wait_for(engine.write(adds("late")), SECONDS)
    held.release()
    await closing
    await asyncio.gather(*accepted)
    with pytest.raises(Unavailable, match="closed"):
        await engine.fetch(COUNT)
    await engine.close()  # twice is once
    await engine.open()  # and again
    assert await engine.fetch(COUNT) == [(51,)]
    await engine.close()
