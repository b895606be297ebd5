"""PostgreSQL where things go wrong: cut and frozen networks, a server that ends and comes back."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.storage.engine import Transaction
from alphapulse_api.storage.postgres import connection as postgres_connection
from alphapulse_api.storage.postgres import engine as postgres_engine
from alphapulse_api.storage.postgres.engine import PostgresEngine
from tests import view
from tests.clock import LoopClock
from tests.engines import connected
from tests.postgres import Postgres
from tests.postgres_load import Load
from tests.proxy import Proxy, proxied
from tests.storage.test_postgres import held_by_the_server
from tests.units import COUNT, adds, stored
from tests.waiting import SECONDS, until

RECOVERY = 10.0  # seconds from the server's return to the first answers


@pytest.fixture
async def proxy(postgres: Postgres) -> AsyncIterator[Proxy]:
    async with proxied(postgres.socket) as proxy:
        yield proxy


@pytest.fixture
async def engine(postgres: Postgres, proxy: Proxy) -> AsyncIterator[PostgresEngine]:
    """An engine behind the proxy, impatient."""
    database = (await postgres.emptied()).rpartition("/ap_")[2].partition("?")[0]
    url = proxy.url.replace("http://", "postgresql://postgres@") + f"/ap_{database}"
    async with connected(url, statement_timeout=0.2, pool_size=5) as engine:
        yield engine


async def test_a_server_that_ends_and_comes_back(mortal: Postgres) -> None:
    async with connected(await mortal.copied(), pool_size=5) as engine:
        load = Load(engine, "w")
        for _ in range(2):
            await load.progress()
            await asyncio.to_thread(mortal.stop)
            await load.trouble()
            await asyncio.to_thread(mortal.start)
            assert await load.progress(1) < RECOVERY
        await load.progress()
        await load.stop()
        assert load.acknowledged <= set(await stored(engine))
        await asyncio.gather(*(engine.fetch(COUNT) for _ in range(20)))
        await held_by_the_server(engine, 5)
        assert engine.waiting == 0
        assert engine.trouble is None


async def test_connections_that_are_cut_under_load(engine: PostgresEngine, proxy: Proxy) -> None:
    load = Load(engine, "w")
    for _ in range(5):
        await load.progress()
        proxy.cut()
        assert await load.progress(1) < RECOVERY
    await load.stop()
    assert load.refused
    assert all(refusal.headers["Retry-After"] for refusal in load.refused)
    assert load.acknowledged <= set(await stored(engine))


async def test_a_network_that_falls_silent_ends_within_the_timeouts(
    engine: PostgresEngine, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "GRACE_SECONDS", 0.1)
    await _until_it_writes(engine)
    written = await stored(engine)
    proxy.freeze()
    calls = [engine.fetch(COUNT), engine.write(adds("lost")), engine.fetch(COUNT)]
    async with asyncio.timeout(SECONDS):
        refused = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(r, Unavailable) and "does not answer" in r.detail for r in refused)
    proxy.thaw()
    began = time.monotonic()
    await _until_it_writes(engine)
    assert time.monotonic() - began < RECOVERY
    assert set(written) <= set(await stored(engine))


async def test_a_server_known_to_be_silent_is_asked_by_one_probe_at_a_time(
    postgres: Postgres, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "CONNECT_SECONDS", 0.2)
    database = (await postgres.emptied()).rpartition("/ap_")[2].partition("?")[0]
    url = proxy.url.replace("http://", "postgresql://postgres@") + f"/ap_{database}"
    async with connected(url, statement_timeout=1, pool_size=5) as engine:
        # One connection each, and all of them warm.
        await asyncio.gather(*(engine.fetch("SELECT pg_sleep(0.1)") for _ in range(4)))
        warm = proxy.connections
        await asyncio.gather(*(engine.fetch(COUNT) for _ in range(4)))
        assert proxy.connections == warm
        proxy.freeze()
        with pytest.raises(Unavailable, match="does not answer"):
            await engine.fetch(COUNT)
        for _ in range(50):
            with pytest.raises(Unavailable, match="does not answer") as refused:
                at_once(engine.fetch(COUNT))
            assert refused.value.headers["Retry-After"]
        with pytest.raises(Unavailable, match="does not answer"):
            at_once(engine.write(adds("refused")))
        assert proxy.connections - warm <= 2  # a probe; the driver's wish to cancel
        await proxy.connected(warm + 4)
        proxy.thaw()
        began = time.monotonic()
        await _until_it_writes(engine)
        assert time.monotonic() - began < RECOVERY
        await asyncio.gather(*(engine.fetch(COUNT) for _ in range(4)))
        assert "refused" not in await stored(engine)


async def test_close_ends_while_the_network_is_silent(
    engine: PostgresEngine, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_engine, "CLOSE_SECONDS", 0.1)
    await engine.write(adds("before"))
    await engine.fetch(COUNT)
    proxy.freeze()
    writing = asyncio.create_task(engine.write(adds("lost")))
    await asyncio.sleep(0)
    await asyncio.wait_for(engine.close(), SECONDS)
    with pytest.raises(Unavailable):
        await writing


async def test_a_call_that_outlasts_the_close_leaves_no_probe(
    engine: PostgresEngine, proxy: Proxy, clock: LoopClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_engine, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(postgres_connection, "CONNECT_SECONDS", 100.0)
    proxy.freeze()
    connections = proxy.connections
    reading = asyncio.create_task(engine.fetch(COUNT))
    await proxy.connected(connections + 1)
    await engine.close()
    assert not reading.done()
    await clock.advance(101)
    with pytest.raises(Unavailable):
        await reading
    assert "alphapulse-probe" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_a_slow_read_through_a_pooler_is_no_outage_for_the_others(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "GRACE_SECONDS", 0.1)
    url = await postgres.emptied()
    async with connected(url, statement_timeout=0.2, pgbouncer=True, pool_size=3) as engine:
        with pytest.raises(Unavailable):
            await engine.fetch("SELECT pg_sleep(60)")
        for _ in range(100):
            await engine.fetch(COUNT)
        await engine.write(adds("a"))
        assert view.breaker(engine).trips == 0


async def test_a_silent_network_to_a_pooler_is_found_out(
    postgres: Postgres, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(postgres_connection, "CONNECT_SECONDS", 0.2)
    database = (await postgres.emptied()).rpartition("/ap_")[2].partition("?")[0]
    url = proxy.url.replace("http://", "postgresql://postgres@") + f"/ap_{database}"
    async with connected(url, statement_timeout=0.2, pgbouncer=True, pool_size=3) as engine:
        await engine.fetch(COUNT)
        proxy.freeze()
        with pytest.raises(Unavailable):
            await engine.fetch(COUNT)
        await until(lambda: view.breaker(engine).trips)
        with pytest.raises(Unavailable, match="does not answer"):
            view.breaker(engine).check()
        proxy.thaw()
        await _until_it_writes(engine)


async def test_a_commit_whose_reply_is_lost_is_not_acknowledged(
    engine: PostgresEngine, proxy: Proxy, postgres: Postgres
) -> None:
    async def last(transaction: Transaction) -> None:
        await adds("unsure")(transaction)
        proxy.freeze()

    with pytest.raises(Unavailable):
        await engine.write(last)
    proxy.thaw()
    await _until_it_writes(engine)


async def test_a_connection_ended_by_the_administrator_is_replaced(
    engine: PostgresEngine,
) -> None:
    await engine.write(adds("a"))
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    )
    with pytest.raises(Unavailable):
        await engine.fetch(f"{end} ORDER BY pid = pg_backend_pid()")
    await _until_it_writes(engine)
    assert "a" in await stored(engine)


async def test_a_write_that_takes_too_long_is_an_outage_for_it_alone(
    engine: PostgresEngine,
) -> None:
    async def slow(transaction: Transaction) -> None:
        await transaction.fetch("SELECT pg_sleep(60)")

    works = (adds("a"), slow, adds("b"))
    a, refused, b = await asyncio.gather(*map(engine.write, works), return_exceptions=True)
    assert (a, b) == ("a", "b")
    assert isinstance(refused, Unavailable)
    assert await stored(engine) == ["a", "b"]


async def test_a_database_that_turns_read_only_refuses_writes_and_heals(
    postgres: Postgres,
) -> None:
    url = await postgres.copied()
    async with connected(url) as engine:

        async def full(transaction: Transaction) -> None:
            await adds("half")(transaction)
            await transaction.execute("DO $$BEGIN RAISE SQLSTATE '53100'; END$$")

        async def nothing(transaction: Transaction) -> None:
            return None

        with pytest.raises(Unavailable, match="disk is full"):
            await engine.write(full)
        await engine.write(nothing)
        assert "disk is full" in (engine.trouble or "")
        await engine.write(adds("a"))
        assert engine.trouble is None
        assert await stored(engine) == ["a"]


def at_once(call: Coroutine[Any, Any, object]) -> None:
    """Run a call that must not wait for anything, not even for a turn of the loop."""
    try:
        call.send(None)
    except StopIteration:
        return
    finally:
        call.close()
    raise AssertionError("the call waits")


async def _until_it_writes(engine: PostgresEngine) -> None:
    numbers = itertools.count()

    async def writes() -> bool:
        try:
            await engine.write(adds(f"after {next(numbers)}"))
            await engine.fetch(COUNT)
        except Unavailable:
            return False
        return True

    await until(writes)
