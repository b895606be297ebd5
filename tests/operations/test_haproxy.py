"""conf/haproxy-redis.cfg as it stands, run by a real HAProxy: a Redis primary that is replaced."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis

from alphapulse_api.config import EventsConfig
from tests.conftest import Serve
from tests.redis_server import RedisServer, running
from tests.socket_client import connect, trade
from tests.waiting import until

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
CONF = Path(__file__).parents[2] / "conf" / "haproxy-redis.cfg"
SECONDS = 20.0

pytestmark = [
    pytest.mark.operations,
    pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed"),
]


@asynccontextmanager
async def proxied(folder: Path, *servers: RedisServer) -> AsyncIterator[str]:
    """HAProxy in front of two servers: the URL that leads to the primary."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = CONF.read_text()
    for theirs, ours in zip((6380, 6381, 6382), (port, *(s.port for s in servers)), strict=True):
        assert text.count(f"127.0.0.1:{theirs}") == 1
        text = text.replace(f"127.0.0.1:{theirs}", f"127.0.0.1:{ours}")
    (folder / "haproxy.cfg").write_text(text)
    assert HAPROXY is not None
    process = await asyncio.create_subprocess_exec(
        HAPROXY, "-db", "-f", str(folder / "haproxy.cfg"), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        url = f"redis://127.0.0.1:{port}/0"
        await answers(url)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def answers(url: str) -> None:
    """Wait until a primary answers there."""

    def is_primary() -> bool:
        try:
            with redis.Redis.from_url(url) as client:
                return bool(client.info("replication")["role"] == "master")
        except redis.ConnectionError:
            return False

    await until(is_primary)


async def test_sockets_go_on_where_sentinel_replaces_the_primary(
    serve: Serve, tmp_path: Path
) -> None:
    with running() as first, running() as second:
        with second.client() as replica:
            replica.replicaof("127.0.0.1", str(first.port))
            await until(lambda: replica.info("replication")["master_link_status"] == "up")
        async with proxied(tmp_path, first, second) as url:
            server = await serve(events=EventsConfig(type="redis", redis_url=url))
            async with connect(server, await server.login("viewer")) as client:
                await client.ask(type="subscribe", channels=["trades"])
                await server.feed.record_trade(trade(id="before"))
                assert (await client.receive("trade"))["data"]["id"] == "before"
                with first.client() as primary:
                    assert primary.wait(1, 5000) == 1  # replicated
                first.kill()
                with second.client() as replica:
                    replica.replicaof("NO", "ONE")  # as Sentinel does
                # Stored at once; its event waits until HAProxy leads to the new primary.
                await server.feed.record_trade(trade(id="after"))
                assert (await client.receive("trade"))["data"]["id"] == "after"
