"""Whatever is committed is published, once, and the states of a record in their order.

Each process here has its own connections to one PostgreSQL and one Redis.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.config import AuthConfig, DatabaseConfig, EventsConfig
from alphapulse_api.domain.channels import LOGGED
from alphapulse_api.domain.errors import NotFound
from alphapulse_api.record.feed import Feed
from tests import redis_server
from tests.asking import ask
from tests.commands import ROOT, environment
from tests.conftest import Serve
from tests.engines import at
from tests.proxy import Proxy
from tests.record.conftest import Process
from tests.socket_client import alert, connect, portfolio, trade
from tests.waiting import SECONDS, until
from tests.workers import SECRET


async def until_stored(look: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a commit that nobody has published yet."""

    async def stored() -> bool:
        try:
            return await look()
        except NotFound:
            return False

    await until(stored)


# -- order ----------------------------------------------------------------------------------------


# -- once -----------------------------------------------------------------------------------------

TRADES = [trade(id="t", executed_at=at(0))]
WRITES: dict[str, tuple[str, Callable[[Feed], Awaitable[Any]]]] = {
    "trade": ("trades", lambda feed: feed.record_trade(TRADES[0])),
    "trades": ("trades", lambda feed: feed.record_trades(TRADES)),
    "alert": ("alerts", lambda feed: feed.raise_alert(alert(id="a"))),
    "portfolio": ("portfolio", lambda feed: feed.update_portfolio(portfolio(as_of=at(0)))),
}
ENDS: dict[str, tuple[dict[str, Any], Callable[[Feed], Awaitable[Any]]]] = {
    "trades": ({"id": "end"}, lambda feed: feed.record_trade(trade(id="end"))),
    "alerts": ({"id": "end"}, lambda feed: feed.raise_alert(alert(id="end"))),
    "portfolio": ({"cash": "-1"}, lambda feed: feed.update_portfolio(portfolio(cash="-1"))),
}


async def all_published(process: Process, channel: str) -> list[dict[str, Any]]:
    """What was published in a channel until now."""
    end, write = ENDS[channel]
    await write(process.feed)
    return (await process.received_until(channel, **end))[:-1]


def looked_for(process: Process, channel: str) -> Callable[[], Awaitable[bool]]:
    async def there() -> bool:
        if channel == "trades":
            return bool(await process.store.trades.get_trades())
        if channel == "alerts":
            return bool(await process.store.alerts.get_alerts())
        return bool(await process.store.portfolio.get_portfolio())

    return there


@pytest.mark.parametrize("name", list(WRITES))
async def test_a_write_and_its_repeats_elsewhere_publish_one_event(
    one: Process, slow: Process, proxy: Proxy, name: str
) -> None:
    channel, write = WRITES[name]
    proxy.freeze()
    waiting = asyncio.create_task(write(slow.feed))
    await until_stored(looked_for(one, channel))
    await asyncio.gather(*(write(one.feed) for _ in range(4)))
    proxy.thaw()
    await waiting
    await write(slow.feed)
    assert len(await all_published(slow, channel)) == 1
    assert one.received(channel) == slow.received(channel)


@pytest.mark.parametrize("verb", ["acknowledge", "resolve"])
async def test_a_change_and_its_repeats_elsewhere_publish_one_event(
    one: Process, slow: Process, proxy: Proxy, verb: str
) -> None:
    changes: dict[str, Callable[[Feed], Awaitable[Any]]] = {
        "acknowledge": lambda feed: feed.acknowledge_alert("a", "ann"),
        "resolve": lambda feed: feed.resolve_alert("a"),
    }
    before = await one.feed.raise_alert(alert(id="a"))

    async def changed() -> bool:
        return bool(await one.store.alerts.get_alert("a") != before)

    proxy.freeze()
    waiting = asyncio.create_task(changes[verb](slow.feed))
    await until_stored(changed)
    await asyncio.gather(*(changes[verb](one.feed) for _ in range(4)))
    await one.feed.raise_alert(alert(id="a"))
    proxy.thaw()
    after = await waiting
    states = [data["status"] for data in await all_published(one, "alerts")]
    assert states == ["active", after["status"]]


async def test_a_repeat_publishes_nothing(one: Process, redis_url: str) -> None:
    """Also where the log knows nothing of it."""
    batch = [trade(id=str(n), executed_at=at(n)) for n in range(1000)]
    await one.feed.record_trades(batch)
    await one.feed.raise_alert(alert(id="a"))
    await one.feed.acknowledge_alert("a", "ann")
    await one.follower.until(lambda: len(one.follower.items) == 1002)
    redis_server.empty(redis_url)
    await one.follower.until(lambda: len(one.follower.items) == 1002 + len(LOGGED))
    one.follower.items.clear()
    await one.feed.record_trades(batch)
    await one.feed.raise_alert(alert(id="a"))
    await one.feed.acknowledge_alert("a", "bob")
    assert await all_published(one, "trades") == []
    assert await all_published(one, "alerts") == []


FEEDER = """
import asyncio, sys
from alphapulse_api import Config, Dashboard

async def main():
    async with Dashboard(Config.load(), serve=False) as dashboard:
        feed = dashboard.feed
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(
            feed.record_trade({"id": "t", "symbol": "AAPL", "side": "buy", "quantity": 1,
                               "price": 10}),
            feed.raise_alert({"id": "new", "title": "drawdown"}),
            feed.acknowledge_alert("old", "ann"),
            feed.update_portfolio({"total_value": 1, "cash": 1, "as_of": "2026-03-01T12:00:00Z"}),
        )
        print("answered", flush=True)

asyncio.run(main())
"""


@asynccontextmanager
async def feeder(folder: Path, **variables: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A trading process, ready; it writes once it is asked to."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FEEDER, cwd=folder, env=environment(folder, **variables),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("by_whom", ["another worker", "the restarted process"])
async def test_what_a_killed_process_did_not_relay_is_published_soon_and_once(
    serve: Serve, database_url: str, redis_url: str, proxy: Proxy, tmp_path: Path, by_whom: str
) -> None:
    server = await serve(
        auth=AuthConfig(jwt_secret=SECRET),
        database=DatabaseConfig(url=database_url),
        events=EventsConfig(type="redis", redis_url=redis_url),
    )
    await server.feed.raise_alert(alert(id="old"))
    variables = {
        "AP_CONFIG": str(ROOT / "conf" / "production.yaml"), "AP_JWT_SECRET": SECRET,
        "AP_DATABASE_URL": database_url,
        "AP_REDIS_URL": f"{proxy.url.replace('http:', 'redis:')}/0",
    }  # fmt: skip

    async def stored() -> bool:
        accessors = server.backend.accessors
        await accessors.trades.get_trade("t")
        await accessors.alerts.get_alert("new")
        await accessors.portfolio.get_portfolio()
        return bool((await accessors.alerts.get_alert("old"))["acknowledged"])

    headers = await server.login()
    async with connect(server, headers) as client:
        await client.ask(type="subscribe", channels=["trades", "alerts", "portfolio"])
        async with feeder(tmp_path, **variables) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            proxy.freeze()
            process.stdin.write(b"\n")
            await until_stored(stored)
            process.kill()
            assert await process.stdout.read() == b"", "nobody was answered"
        # What it had sent on its way is gone with its connections.
        proxy.cut()
        proxy.thaw()
        async with asyncio.timeout(SECONDS):
            messages = await client.receive_many(4)
        for _ in range(2):
            if by_whom == "another worker":
                for path, body in (
                    ("trades", trade(id="t", price=10)),
                    ("alerts", {"id": "new", "title": "drawdown"}),
                    ("alerts/old/acknowledge", {}),
                ):
                    answer = await ask(server, "POST", f"/api/{path}", headers, json=body)
                    assert answer.status in (200, 201), answer.body
                body = portfolio("1", as_of="2026-03-01T12:00:00Z")
                answer = await ask(server, "PUT", "/api/portfolio", headers, json=body)
                assert answer.status == 200
            else:
                async with feeder(tmp_path, **variables) as process:
                    out, _ = await process.communicate(b"\n")
                    assert out == b"answered\n"
        await server.feed.record_trade(trade(id="end"))
        assert (await client.receive("trade"))["data"]["id"] == "end"
        assert sorted(((m["channel"], m["data"].get("id")) for m in messages), key=str) == [
            ("alerts", "new"), ("alerts", "old"), ("portfolio", None), ("trades", "t"),
        ]  # fmt: skip
