"""The PostgreSQL engine: commits in groups, undoes a unit alone, reads beside writes, closes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from alphapulse_api.data.engine import Transaction, postgres_connection, postgres_lending
from alphapulse_api.data.engine import postgres as postgres_engine
from alphapulse_api.data.engine.group import GROUP_LIMIT
from alphapulse_api.data.engine.postgres import PostgresEngine
from alphapulse_api.errors import Unavailable, ValidationProblem
from tests.postgres import Postgres
from tests.storage import connected, opened_postgres

COUNT = "SELECT count(*) FROM revoked_tokens"


def adds(name: str) -> Any:
    """A unit of work that stores one row."""

    async def work(transaction: Transaction) -> str:
        await transaction.execute(
            "INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2)", name, 0
        )
        return name

    return work


class Held:
    """A unit of work that stays in its transaction until released."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.entered = asyncio.Event()

    async def __call__(self, transaction: Transaction) -> None:
        await adds("held")(transaction)
        self.entered.set()
        await self.release.wait()


@pytest.fixture
async def engine(postgres: Postgres) -> AsyncIterator[PostgresEngine]:
    async with opened_postgres(postgres) as engine:
        yield engine


async def stored(engine: PostgresEngine) -> list[str]:
    rows = await engine.fetch("SELECT jti FROM revoked_tokens ORDER BY jti")
    return [row[0] for row in rows]


async def transactions(engine: PostgresEngine) -> int:
    """How many different transactions have stored the rows that are there."""
    return int((await engine.fetch("SELECT count(DISTINCT xmin::text) FROM revoked_tokens"))[0][0])


async def held_by_the_server(engine: PostgresEngine, count: int) -> None:
    """Wait until the server has so many connections of ours; it ends what we close in its time."""
    ours = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'alphapulse_api'"
    )
    async with asyncio.timeout(10):
        while await engine.fetch(ours) != [(count,)]:
            await asyncio.sleep(0.01)


async def behind(engine: PostgresEngine, *works: Any) -> list[Any]:
    """The results of works that all gather behind one that is under way."""
    held = Held()
    first = asyncio.create_task(engine.write(held))
    await held.entered.wait()
    group = asyncio.gather(*(engine.write(work) for work in works), return_exceptions=True)
    await asyncio.sleep(0)
    assert engine.waiting == 1 + len(works)
    held.release.set()
    await first
    return list(await group)


async def test_writes_that_gather_during_a_write_share_the_next_commit(
    engine: PostgresEngine,
) -> None:
    names = [f"a{i:03}" for i in range(300)]
    assert await behind(engine, *map(adds, names)) == names
    assert await stored(engine) == [*names, "held"]
    assert await transactions(engine) == 2
    assert engine.waiting == 0


async def test_a_group_is_bounded(engine: PostgresEngine) -> None:
    await behind(engine, *(adds(f"{i}") for i in range(GROUP_LIMIT + 1)))
    assert await transactions(engine) == 3


async def test_a_failing_unit_undoes_only_itself(engine: PostgresEngine) -> None:
    async def fails(transaction: Transaction) -> None:
        await adds("half")(transaction)
        raise KeyError("no")

    async def breaks_the_schema(transaction: Transaction) -> None:
        await adds("other half")(transaction)
        await transaction.execute("INSERT INTO revoked_tokens (jti) VALUES ('z')")

    async def holds_a_nul(transaction: Transaction) -> None:
        await adds("third half")(transaction)
        await adds("\x00")(transaction)

    async def takes_too_long(transaction: Transaction) -> None:
        await adds("fourth half")(transaction)
        await transaction.fetch("SELECT set_config('statement_timeout', '20', true)")
        await transaction.fetch("SELECT pg_sleep(60)")

    works = (adds("a"), fails, adds("b"), breaks_the_schema, holds_a_nul, takes_too_long, adds("a"))
    a, failed, b, broken, nul, late, twice, c = await behind(engine, *works, adds("c"))
    assert (a, b, c) == ("a", "b", "c")
    assert isinstance(failed, KeyError)
    # Faults of the statement are not dressed up as an outage.
    assert isinstance(broken, asyncpg.NotNullViolationError)
    assert isinstance(twice, asyncpg.UniqueViolationError)
    assert isinstance(nul, ValidationProblem)
    assert isinstance(late, Unavailable)
    assert "statement_timeout" in late.detail
    assert await stored(engine) == ["a", "b", "c", "held"]
    with pytest.raises(KeyError):  # alone, it needs no second run
        await engine.write(fails)
    assert await stored(engine) == ["a", "b", "c", "held"]


async def test_a_fault_of_ours_fails_alone_and_is_no_outage(engine: PostgresEngine) -> None:
    async def asks_wrongly(transaction: Transaction) -> None:
        await transaction.fetch("SELECT 1 FROM agents WHERE agent_id = $1")

    a, wrong, b = await behind(engine, adds("a"), asks_wrongly, adds("b"))
    assert (a, b) == ("a", "b")
    assert isinstance(wrong, asyncpg.InterfaceError)


async def test_a_commit_that_ends_in_a_rollback_is_not_acknowledged(
    engine: PostgresEngine,
) -> None:
    async def hides_its_fault(transaction: Transaction) -> None:
        with contextlib.suppress(asyncpg.PostgresError):
            await transaction.fetch("SELECT 1 / 0")

    with pytest.raises(Unavailable, match="ROLLBACK"):
        await engine.write(hides_its_fault)
    assert await engine.write(adds("next")) == "next"


async def test_reads_do_not_wait_behind_a_write(engine: PostgresEngine) -> None:
    held = Held()
    writing = asyncio.create_task(engine.write(held))
    await held.entered.wait()
    answers = await asyncio.wait_for(asyncio.gather(*(engine.fetch(COUNT) for _ in range(50))), 5)
    assert {answer[0][0] for answer in answers} == {0}
    assert not writing.done()
    held.release.set()
    await writing
    assert await engine.fetch(COUNT) == [(1,)]


async def test_reading_connections_cannot_write(engine: PostgresEngine) -> None:
    with pytest.raises(Unavailable, match="read-only"):
        await engine.fetch("DELETE FROM agents")


async def test_a_filter_with_a_nul_is_not_valid(engine: PostgresEngine) -> None:
    with pytest.raises(ValidationProblem, match="NUL"):
        await engine.fetch("SELECT 1 FROM agents WHERE agent_id = $1", "\x00")


async def test_a_writer_that_goes_away_is_stored_all_the_same(engine: PostgresEngine) -> None:
    held = Held()
    first = asyncio.create_task(engine.write(held))
    await held.entered.wait()
    leaving = asyncio.create_task(engine.write(adds("left")))
    await asyncio.sleep(0)
    for task in (first, leaving):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    held.release.set()
    assert await engine.write(adds("next")) == "next"
    assert await stored(engine) == ["held", "left", "next"]


async def test_a_reader_that_goes_away_gives_its_connection_back(postgres: Postgres) -> None:
    async with connected(await postgres.emptied(), pool_size=2) as engine:
        for _ in range(3):
            reading = asyncio.create_task(engine.fetch("SELECT pg_sleep(60)"))
            await asyncio.sleep(0.02)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert await asyncio.wait_for(engine.fetch(COUNT), 5) == [(0,)]


async def test_close_finishes_the_writes_it_accepted_and_refuses_later_ones(
    postgres: Postgres,
) -> None:
    url = await postgres.emptied()
    engine = PostgresEngine(url)
    await engine.open()
    held = Held()
    accepted = [asyncio.create_task(engine.write(held))]
    await held.entered.wait()
    accepted += [asyncio.create_task(engine.write(adds(f"{i}"))) for i in range(50)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(engine.close())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="closed"):
        await asyncio.wait_for(engine.write(adds("late")), 5)
    held.release.set()
    await closing
    await asyncio.gather(*accepted)
    with pytest.raises(Unavailable, match="closed"):
        await engine.fetch(COUNT)
    await engine.close()  # twice is once
    await engine.open()  # and again
    assert await engine.fetch(COUNT) == [(51,)]
    await engine.close()


async def test_close_ends_within_its_time_whatever_still_runs(
    engine: PostgresEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_engine, "CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(postgres_engine, "GRACE_SECONDS", 0.05)
    held = Held()
    writes = [asyncio.create_task(engine.write(held))]
    await held.entered.wait()
    writes.append(asyncio.create_task(engine.write(adds("behind"))))
    reading = asyncio.create_task(engine.fetch("SELECT pg_sleep(60)"))
    await asyncio.sleep(0.02)
    await asyncio.wait_for(engine.close(), 3)
    for task in (*writes, reading):
        with pytest.raises(Unavailable):
            await task
    assert engine.waiting == 0


async def test_a_connection_is_held_to_the_statement_timeout(postgres: Postgres) -> None:
    async with connected(await postgres.emptied(), statement_timeout=0.05) as engine:
        with pytest.raises(Unavailable, match="statement_timeout"):
            await engine.fetch("SELECT pg_sleep(60)")
        assert await engine.fetch("SHOW statement_timeout") == [("50ms",)]


async def test_behind_a_pooler_nothing_is_left_on_a_connection(postgres: Postgres) -> None:
    url = await postgres.emptied()
    async with connected(url, pool_size=2, pgbouncer=True) as engine:

        async def times_out(transaction: Transaction) -> None:
            (row,) = await transaction.fetch("SHOW statement_timeout")
            assert row == ("10s",)

        await engine.write(adds("a"))
        await engine.write(times_out)
        for _ in range(3):
            assert await engine.fetch(COUNT) == [(1,)]
        assert await engine.fetch("SELECT count(*) FROM pg_prepared_statements") == [(0,)]
        assert await engine.fetch("SHOW statement_timeout") == [("0",)]
        assert await engine.fetch("SHOW application_name") == [("",)]
        advisory = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert await engine.fetch(advisory) == [(0,)]


async def test_the_pool_is_bounded(postgres: Postgres) -> None:
    async with connected(await postgres.new(), pool_size=4) as engine:
        await asyncio.gather(
            *(engine.fetch("SELECT pg_sleep(0.01)") for _ in range(40)),
            *(engine.write(adds(f"{i}")) for i in range(40)),
        )
        await held_by_the_server(engine, 4)


async def test_connections_that_nobody_needs_any_more_are_closed(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(await postgres.new(), pool_size=5) as engine:
        await asyncio.gather(*(engine.fetch("SELECT pg_sleep(0.05)") for _ in range(4)))
        await held_by_the_server(engine, 4)
        monkeypatch.setattr(postgres_lending, "IDLE_SECONDS", 0.0)
        await held_by_the_server(engine, 1)


async def test_a_read_that_finds_every_connection_in_use_waits_only_so_long(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "GRACE_SECONDS", 0.0)
    url = await postgres.emptied()
    async with connected(url, statement_timeout=0.3, pool_size=2) as engine:
        assert engine._readers is not None
        async with engine._readers.lent():
            with pytest.raises(Unavailable, match="in use"):
                await engine.fetch(COUNT)
        assert await engine.fetch(COUNT) == [(0,)]
