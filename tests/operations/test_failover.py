"""A PostgreSQL primary that is lost, and its standby in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from alphapulse_api.config import AuthConfig, CacheConfig, DatabaseConfig, EventsConfig
from alphapulse_api.domain.errors import StartupError, Unavailable
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.postgres.engine import PostgresEngine
from tests.conftest import Serve
from tests.engines import at, connected, point
from tests.socket_client import connect, trade
from tests.standby import Pair, standby
from tests.units import adds, stored
from tests.waiting import until

pytestmark = pytest.mark.operations


@pytest.fixture
def pair() -> Iterator[Pair]:
    with standby() as pair:
        yield pair


async def writes_again(engine: PostgresEngine, name: str) -> None:
    """Wait until a write is stored."""
    await until(lambda: succeeds(engine.write(adds(name))))


async def succeeds(call: Awaitable[object]) -> bool:
    """Whether a call is not refused."""
    try:
        await call
    except Unavailable:
        return False
    return True


async def refusal(call: Callable[[], Awaitable[object]]) -> str:
    """Why a call is refused, once the connections that were open have been found to be closed."""
    refused = 0
    while True:
        try:
            await call()
        except Unavailable as error:
            refused += 1
            if refused == 3:
                return error.detail


async def values(metrics: MetricsDataAccessor) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in await metrics.get_metrics("risk", at(0), at(1000), limit=10_000):
        found.setdefault(row["name"], []).append(row["value"])
    return found


async def test_points_after_an_asynchronous_fail_over_are_stored_under_their_own_series(
    pair: Pair,
) -> None:
    async with connected(pair.url(await pair.primary.new()), pool_size=3) as engine:
        metrics = MetricsDataAccessor(engine)
        await metrics.add_points([point("kept", 0, 1.0)])
        await pair.caught_up()
        await pair.cut()
        await metrics.add_points([point(name, 1, 1.0) for name in ("lost", "also lost")])
        await values(metrics)
        await asyncio.to_thread(pair.fail_over)
        await writes_again(engine, "trade")
        await metrics.add_points([point(name, 2, 2.0) for name in ("new", "also lost", "kept")])
        await metrics.add_points([point("lost", 3, 3.0)])
        assert await values(metrics) == {
            "kept": [1.0, 2.0],
            "new": [2.0],
            "also lost": [2.0],
            "lost": [3.0],
        }


@pytest.mark.parametrize("target", [None, "primary", "read-write"])
async def test_reads_and_writes_follow_the_primary(pair: Pair, target: str | None) -> None:
    options = {} if target is None else {"target_session_attrs": target}
    url = pair.url(await pair.primary.new(), **options)
    async with connected(url, pool_size=3) as engine:
        await engine.write(adds("before"))
        await pair.caught_up()
        assert await stored(engine) == ["before"]
        await asyncio.to_thread(pair.primary.stop)
        # Only the standby is there: nothing is read from it without a word, nothing is a fault.
        for call in (lambda: engine.fetch("SELECT 1"), lambda: engine.write(adds("lost"))):
            assert "the server cannot be reached" in await refusal(call)
        alone = url.replace(f"{pair.primary.folder},", "")
        if target is not None:
            with pytest.raises(StartupError, match="none of the hosts is the primary"):
                await PostgresEngine(alone).open()
        await asyncio.to_thread(pair.promote)
        await writes_again(engine, "after")
        assert await stored(engine) == ["after", "before"]
        readers = await engine.fetch("SELECT current_setting('default_transaction_read_only')")
        assert readers[0][0] == "on"


async def test_a_writer_that_met_a_standby_leaves_it(pair: Pair) -> None:
    """One address in front of both, such as a virtual one or `target_session_attrs=any`."""
    database = await pair.primary.new()
    async with connected(database):
        pass  # the tables
    await pair.caught_up()
    hosts = pair.url(database, target_session_attrs="any")
    # The standby first.
    primary, _, other = hosts.partition("host=")[2].partition("&")[0].partition(",")
    url = hosts.replace(f"{primary},{other}", f"{other},{primary}")
    async with connected(url, pool_size=2) as engine:
        with pytest.raises(Unavailable, match="the server is a standby"):
            await engine.write(adds("lost"))
        await asyncio.to_thread(pair.promote)
        await writes_again(engine, "after")
        assert await stored(engine) == ["after"]


def _events(kind: str, redis_url: str) -> EventsConfig:
    return EventsConfig(type="redis", redis_url=redis_url) if kind == "redis" else EventsConfig()


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_clients_get_a_resync_when_a_fail_over_lost_what_they_received(
    pair: Pair, serve: Serve, redis_url: str, kind: str
) -> None:
    url = pair.url(await pair.primary.new())
    server = await serve(
        database=DatabaseConfig(url=url, pool_size=3),
        events=_events(kind, redis_url),
        cache=CacheConfig(type="redis", redis_url=redis_url) if kind == "redis" else CacheConfig(),
        auth=AuthConfig(jwt_secret="s" * 32),
    )
    caller = await server.login("viewer")
    async with connect(server, caller) as client:
        await client.ask(type="subscribe", channels=["trades", "alerts", "metrics", "portfolio"])
        await server.feed.record_trade(trade(id="kept"))
        kept = await client.receive("trade")
        await pair.caught_up()
        await pair.cut()
        await server.feed.record_trade(trade(id="lost"))
        lost = await client.receive("trade")
        assert [t["id"] for t in await server.json("/api/trades", caller)] == ["lost", "kept"]
        await asyncio.to_thread(pair.fail_over)
        await until(lambda: succeeds(server.feed.record_trade(trade(id="new"))))
        gaps, news = set(), []
        while len(gaps) < 4 or not news:
            message = await client.receive()
            if message["type"] == "resync":
                gaps.add(message["channel"])
            elif message["type"] == "trade":
                news.append(message["data"]["id"])
        assert gaps == {"trades", "alerts", "metrics", "portfolio"}
        assert news == ["new"]
        assert [t["id"] for t in await server.json("/api/trades", caller)] == ["new", "kept"]
    async with connect(server, caller) as client:
        for cursor in (kept["cursor"], lost["cursor"]):
            ack = await client.ask(type="subscribe", channels=["trades"], since={"trades": cursor})
            assert ack["channels"]["trades"]["resumed"] is False


async def test_a_fail_over_that_lost_nothing_while_all_were_down_is_noticed_at_the_start(
    pair: Pair, serve: Serve, redis_url: str
) -> None:
    url = pair.url(await pair.primary.new())
    sections = {
        "database": DatabaseConfig(url=url, pool_size=3),
        "events": _events("redis", redis_url),
        "auth": AuthConfig(jwt_secret="s" * 32),
    }
    server = await serve(**sections)
    await server.feed.record_trade(trade(id="kept"))
    await pair.caught_up()
    cursor = server.backend.events.cursor("trades")
    await server.dashboard.__aexit__(None, None, None)
    await asyncio.to_thread(pair.fail_over)
    server = await serve(**sections)
    caller = await server.login("viewer")
    await until(lambda: server.backend.events.since("trades", cursor) is None)
    async with connect(server, caller) as client:
        ack = await client.ask(type="subscribe", channels=["trades"], since={"trades": cursor})
        assert ack["channels"]["trades"]["resumed"] is False
