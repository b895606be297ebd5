"""What is PostgreSQL's own: its connections, its timeouts, the pooler before it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from alphapulse_api.domain.errors import Unavailable, ValidationProblem
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.postgres import connection as postgres_connection
from alphapulse_api.storage.postgres import engine as postgres_engine
from alphapulse_api.storage.postgres import pool as postgres_pool
from alphapulse_api.storage.postgres.connection import Address
from alphapulse_api.storage.postgres.engine import PostgresEngine
from tests import view
from tests.engines import connected, opened_postgres
from tests.postgres import Postgres
from tests.units import COUNT, Held, adds, behind, stored
from tests.waiting import SECONDS, until


@pytest.fixture
async def engine(postgres: Postgres) -> AsyncIterator[PostgresEngine]:
    async with opened_postgres(postgres) as engine:
        yield engine


async def held_by_the_server(engine: PostgresEngine, count: int) -> None:
    """Wait until the server has so many connections of ours; it ends what we close in its time."""
    ours = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'alphapulse_api'"
    )

    async def held() -> bool:
        return await engine.fetch(ours) == [(count,)]

    await until(held)


async def test_what_only_postgres_refuses_fails_alone(engine: PostgresEngine) -> None:
    async def holds_a_nul(transaction: Transaction) -> None:
        await adds("half")(transaction)
        await adds("\x00")(transaction)

    async def takes_too_long(transaction: Transaction) -> None:
        await adds("other half")(transaction)
        await transaction.fetch("SELECT set_config('statement_timeout', '20', true)")
        await transaction.fetch("SELECT pg_sleep(60)")

    a, nul, late, b = await behind(engine, adds("a"), holds_a_nul, takes_too_long, adds("b"))
    assert (a, b) == ("a", "b")
    assert isinstance(nul, ValidationProblem)
    assert isinstance(late, Unavailable)
    assert "statement_timeout" in late.detail
    assert await stored(engine) == ["a", "b", "held"]


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


async def test_a_filter_with_a_nul_is_not_valid(engine: PostgresEngine) -> None:
    with pytest.raises(ValidationProblem, match="NUL"):
        await engine.fetch("SELECT 1 FROM agents WHERE agent_id = $1", "\x00")


async def test_a_reader_that_goes_away_gives_its_connection_back(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(await postgres.emptied(), pool_size=2) as engine:
        before = await engine.fetch("SELECT pg_backend_pid()")
        for _ in range(3):
            reading = asyncio.create_task(engine.fetch("SELECT pg_sleep(60)"))
            await asyncio.sleep(0.02)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert (
                await asyncio.wait_for(engine.fetch("SELECT pg_backend_pid()"), SECONDS) == before
            )
    gc.collect()
    assert caplog.text == ""  # nor did a task fail that nobody awaits


async def test_a_probe_of_a_server_that_answers_ends_well(postgres: Postgres) -> None:
    await Address(await postgres.emptied(), 10.0, False).probe()


@pytest.mark.parametrize("ending", ["cancelled", "failed"])
async def test_a_connection_that_is_not_ready_yet_is_closed(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """As when the process ends while a reader connects, or the server while it is set up."""
    reached = asyncio.Event()
    opened: list[asyncpg.Connection] = []

    async def execute(connection: asyncpg.Connection, *args: Any, **kwargs: Any) -> None:
        opened.append(connection)
        reached.set()
        if ending == "failed":
            raise asyncpg.ConnectionDoesNotExistError
        await asyncio.Event().wait()

    address = Address(await postgres.emptied(), 10.0, False)
    monkeypatch.setattr(asyncpg.Connection, "execute", execute)
    connecting = asyncio.create_task(address.connect(reading=True))
    await reached.wait()
    connecting.cancel()
    with pytest.raises((asyncio.CancelledError, asyncpg.ConnectionDoesNotExistError)):
        await connecting
    assert [connection.is_closed() for connection in opened] == [True]


async def test_close_ends_within_its_time_whatever_still_runs(
    engine: PostgresEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_engine, "CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(postgres_engine, "GRACE_SECONDS", 0.05)
    held = Held(engine)
    writes = [asyncio.create_task(engine.write(held))]
    await held.entered()
    writes.append(asyncio.create_task(engine.write(adds("behind"))))
    reading = asyncio.create_task(engine.fetch("SELECT pg_sleep(60)"))
    await asyncio.sleep(0.02)
    await asyncio.wait_for(engine.close(), SECONDS)
    for task in (*writes, reading):
        with pytest.raises(Unavailable):
            await task
    assert engine.waiting == 0


async def test_a_connection_is_held_to_the_statement_timeout(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "GRACE_SECONDS", 60.0)  # the server is first
    async with connected(await postgres.emptied(), statement_timeout=0.2) as engine:
        with pytest.raises(Unavailable, match="statement_timeout"):
            await engine.fetch("SELECT pg_sleep(60)")
        assert await engine.fetch("SHOW statement_timeout") == [("200ms",)]


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
    async with connected(await postgres.copied(), pool_size=4) as engine:
        await asyncio.gather(
            *(engine.fetch("SELECT pg_sleep(0.01)") for _ in range(40)),
            *(engine.write(adds(f"{i}")) for i in range(40)),
        )
        await held_by_the_server(engine, 4)


async def test_connections_that_nobody_needs_any_more_are_closed(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(await postgres.copied(), pool_size=5) as engine:
        await asyncio.gather(*(engine.fetch("SELECT pg_sleep(0.05)") for _ in range(4)))
        await held_by_the_server(engine, 4)
        monkeypatch.setattr(postgres_pool, "IDLE_SECONDS", 0.2)
        await held_by_the_server(engine, 1)
        await engine.write(adds("a"))
        server = "SELECT pg_backend_pid()"
        (before,) = await engine.fetch(server)
        assert await engine.fetch(server) == [before]
        await asyncio.sleep(0.25)
        assert await engine.fetch(server) != [before]
        await engine.write(adds("b"))
        await held_by_the_server(engine, 2)


async def test_a_read_that_finds_every_connection_in_use_waits_only_so_long(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "GRACE_SECONDS", 0.0)
    url = await postgres.emptied()
    async with connected(url, statement_timeout=0.3, pool_size=2) as engine:
        async with view.readers(engine).acquire():
            with pytest.raises(Unavailable, match="in use"):
                await engine.fetch(COUNT)
        assert await engine.fetch(COUNT) == [(0,)]
