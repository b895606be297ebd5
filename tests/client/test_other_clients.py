"""Clients that are not ours: the `websockets` package, and JavaScript under Node.

The server writes data frames past aiohttp's writer, which writes pings: both arrive whole.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as websockets_connect

from alphapulse_api import Config
from alphapulse_api.config import WebSocketConfig
from tests.conftest import Serve, Server
from tests.proxy import proxied
from tests.socket_client import gone, trade
from tests.waiting import until

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "stream_client.mjs"
NODE = shutil.which("node")
# Subscribes more often at once than a socket may send messages; the last of them is refused.
FLOOD = f"""
    import {{ stream }} from "{(ROOT / "alphapulse_api/console/static/stream.js").as_uri()}";
    const print = (message) => console.log(JSON.stringify(message));
    let flooded = false;
    const flood = (state) => {{
      print({{ state }});
      if (state !== "live" || flooded) return;
      flooded = true;
      for (let n = 0; n < 24; n++) client.subscribe("trades");
    }};
    const client = stream(process.argv[1], () => ({{ api_key: process.env.AP_API_KEY }}), {{
      event: print, gap: print, state: flood, error: ({{ code }}) => print({{ code }}),
    }});
    client.subscribe("trades");
"""
# Asks for a channel with a filter that there is not, beside a good one.
REFUSED = f"""
    import {{ stream }} from "{(ROOT / "alphapulse_api/console/static/stream.js").as_uri()}";
    const print = (message) => console.log(JSON.stringify(message));
    const client = stream(process.argv[1], () => ({{ api_key: process.env.AP_API_KEY }}), {{
      event: print, gap: (gap) => print({{ gap }}), error: ({{ code }}) => print({{ code }}),
    }});
    client.subscribe("alerts", {{ colours: ["red"] }});
    client.subscribe("trades");
"""
# Credentials by turns: "secret" is a good one, "reject" a failure, "null" the wish to end.
CREDENTIALS = f"""
    import {{ stream }} from "{(ROOT / "alphapulse_api/console/static/stream.js").as_uri()}";
    const print = (message) => console.log(JSON.stringify(message));
    const [url, , kind, ...turns] = process.argv.slice(1);
    const credentials = async () => {{
      const turn = turns.shift() ?? "secret";
      print({{ turn }});
      if (turn === "reject") throw new Error("the vault is closed");
      return turn === "null" ? null : {{ [kind]: process.env.AP_API_KEY }};
    }};
    const client = stream(url, credentials, {{
      event: print, gap: print, state: (state) => print({{ state }}), error: print,
    }});
    client.subscribe("trades");
"""
EVENTS = 1000
PINGS_OFTEN = WebSocketConfig(ping_interval=0.05)
SECONDS = 30

needs_node = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")


async def publish(server: Server, count: int, first: int = 0) -> list[str]:
    """So many trades, spread over many pings; their ids."""
    ids = [f"{n:05}" for n in range(first, first + count)]
    for n in range(0, count, 20):
        await server.feed.record_trades([trade(id=i) for i in ids[n : n + 20]])
    return ids


@asynccontextmanager
async def node(
    url: str, key: str, *script: str, arguments: Sequence[str] = ()
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The JavaScript client, following trades, or another script."""
    assert NODE is not None
    process = await asyncio.create_subprocess_exec(
        NODE,
        "--experimental-websocket",
        *(script or (str(SCRIPT),)),
        url,
        "trades",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "AP_API_KEY": key, "NODE_NO_WARNINGS": "1"},
    )
    try:
        async with asyncio.timeout(SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def messages(process: asyncio.subprocess.Process, count: int) -> list[dict[str, Any]]:
    assert process.stdout is not None
    return [json.loads(await process.stdout.readline()) for _ in range(count)]


async def subscribed(server: Server, count: int = 1) -> None:
    """Wait until so many clients are subscribed."""
    fanout = server.backend.connections.fanout
    await until(lambda: len(fanout.subscriptions("trades")) >= count)


async def test_frames_between_pings_are_whole_to_websockets(serve: Serve) -> None:
    server = await serve(websocket=PINGS_OFTEN)
    headers = await server.key()
    url = server.url.replace("http", "ws") + "/ws"
    async with asyncio.timeout(SECONDS), websockets_connect(url, additional_headers=headers) as ws:
        await ws.send(json.dumps({"type": "subscribe", "channels": ["trades"]}))
        await subscribed(server)
        publishing = asyncio.create_task(publish(server, EVENTS))
        got: list[str] = []
        heartbeats = 0
        while len(got) < EVENTS:
            message = json.loads(await ws.recv())
            heartbeats += message["type"] == "heartbeat"
            if message["type"] == "trade":
                got.append(message["data"]["id"])
        assert got == await publishing
        assert heartbeats > 0


@needs_node
async def test_frames_between_pings_are_whole_to_node(serve: Serve) -> None:
    server = await serve(websocket=PINGS_OFTEN)
    async with node(server.url, (await server.key())["X-API-Key"]) as process:
        await subscribed(server)
        ids = await publish(server, EVENTS)
        assert [m["data"]["id"] for m in await messages(process, EVENTS)] == ids


@needs_node
async def test_the_javascript_client_resumes_where_it_was_cut(server: Server) -> None:
    key = (await server.key())["X-API-Key"]
    async with proxied(server.url) as proxy, node(proxy.url, key) as process:
        ids: list[str] = []
        got: list[dict[str, Any]] = []
        for round_ in range(3):
            await subscribed(server)
            ids += await publish(server, 40, first=round_ * 100)
            got += await messages(process, 40)
            proxy.cut()
            # What happens while it is away is what it must come back for.
            ids += await publish(server, 20, first=round_ * 100 + 40)
            got += await messages(process, 20)
        assert [m["data"]["id"] for m in got] == ids
        assert proxy.connections >= 3


@needs_node
async def test_the_javascript_client_reports_a_gap(serve: Serve) -> None:
    first = await serve()
    # One database, one server after the other: the key is known to both.
    key = (await first.key())["X-API-Key"]
    async with proxied(first.url) as proxy, node(proxy.url, key) as process:
        await subscribed(first)
        await publish(first, 1)
        assert len(await messages(process, 1)) == 1
        await first.dashboard.__aexit__(None, None, None)
        second = await serve()
        proxy.target = second.url
        proxy.cut()
        assert await messages(process, 1) == [{"type": "gap", "channel": "trades"}]
        await publish(second, 1, first=1)
        assert (await messages(process, 1))[0]["data"]["id"] == "00001"


@needs_node
async def test_the_javascript_client_asks_again_for_what_a_flood_left_unanswered(
    server: Server,
) -> None:
    key = (await server.key())["X-API-Key"]
    flooding = ("--input-type=module", "--eval", FLOOD)
    async with node(server.url, key, *flooding) as process:
        while (await messages(process, 1))[0].get("code") != "rate_limited":
            pass
        ids = await publish(server, 40)
        received: list[dict[str, Any]] = []
        while sum("data" in m for m in received) < len(ids):
            received += await messages(process, 1)
        assert [m["data"]["id"] for m in received if "data" in m] == ids
        assert {"state": "reconnecting"} not in received


@needs_node
async def test_to_the_javascript_client_one_channel_that_is_refused_is_not_all(
    server: Server,
) -> None:
    key = (await server.key())["X-API-Key"]
    refused = ("--input-type=module", "--eval", REFUSED)
    async with proxied(server.url) as proxy, node(proxy.url, key, *refused) as process:
        received = await messages(process, 2)  # both channels at once, then each by itself
        assert received == [{"code": "invalid_filter"}] * 2
        for first in (0, 1):
            await subscribed(server)
            await publish(server, 1, first=first)
            assert (await messages(process, 1))[0]["data"]["id"] == f"0000{first}"
            proxy.cut()
            await gone(server)


def by_turns(url: str, secret: str, kind: str, *turns: str) -> Any:
    script = ("--input-type=module", "--eval", CREDENTIALS)
    return node(url, secret, *script, arguments=(kind, *turns))


REJECTED = {"code": "credentials", "message": "the vault is closed"}


@needs_node
async def test_the_javascript_client_asks_again_where_credentials_reject(server: Server) -> None:
    key = (await server.key())["X-API-Key"]
    async with (
        proxied(server.url) as proxy,
        by_turns(proxy.url, key, "api_key", "reject", "secret", "reject") as process,
    ):
        again = [{"turn": "reject"}, REJECTED, {"state": "reconnecting"}, {"turn": "secret"}]
        assert await messages(process, 6) == [{"state": "connecting"}, *again, {"state": "live"}]
        await subscribed(server)
        proxy.cut()
        await gone(server)
        await publish(server, 1)
        assert await messages(process, 6) == [{"state": "reconnecting"}, *again, {"state": "live"}]
        (event,) = await messages(process, 1)
        assert event["data"]["id"] == "00000"


@needs_node
async def test_the_javascript_client_ends_where_an_expiring_token_is_not_replaced(
    serve: Serve, config: Config
) -> None:
    server = await serve(auth=replace(config.auth, token_expiry=3))
    token = (await server.login())["Authorization"].removeprefix("Bearer ")
    async with by_turns(server.url, token, "token", "secret", "null") as process:
        expected = [
            {"state": "connecting"},
            {"turn": "secret"},
            {"turn": "null"},
            {"state": "offline"},
        ]
        assert [m for m in await messages(process, 5) if m != {"state": "live"}] == expected
        assert await process.wait() == 0
    await gone(server)


@needs_node
async def test_the_javascript_client_stays_where_a_new_token_comes_late(
    serve: Serve, config: Config
) -> None:
    server = await serve(auth=replace(config.auth, token_expiry=5))
    token = (await server.login())["Authorization"].removeprefix("Bearer ")
    async with by_turns(
        server.url, token, "token", "secret", "reject", "secret", "null"
    ) as process:
        expected = [{"state": "connecting"}, {"turn": "secret"}, {"turn": "reject"}, REJECTED]
        expected += [{"turn": "secret"}, {"turn": "null"}, {"state": "offline"}]
        assert [m for m in await messages(process, 8) if m != {"state": "live"}] == expected
