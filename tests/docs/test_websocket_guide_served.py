"""Every message that docs/websocket.md shows, sent to a real server or received from one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alphapulse_api.config import AuthConfig, WebSocketConfig
from alphapulse_api.sockets.requests import REQUESTS
from tests.asking import OBEDIENT, PORTFOLIO, SIGNAL
from tests.conftest import Serve, Server
from tests.docs.test_websocket_guide import EXAMPLES
from tests.socket_client import Client, connect, point, raw, trade
from tests.sockets.test_slow_clients import small_kernel_buffers
from tests.waiting import until


def is_request(example: dict[str, Any]) -> bool:
    """`subscriptions` is the one type that both sides send."""
    answers = example["type"] == "subscriptions" and "channels" in example
    return example["type"] in REQUESTS and not answers


REQUESTS_SHOWN = [example for example in EXAMPLES if is_request(example)]
# A resync needs a Redis that loses its past: tests/integration/test_redis_events.py.
ANSWERS_SHOWN = [e for e in EXAMPLES if not is_request(e) and e["type"] != "resync"]


def shows(example: Any, live: Any) -> bool:
    """Whether the live value has what the example has: the same members, of the same kinds."""
    if isinstance(example, dict) and isinstance(live, dict):
        return all(name in live and shows(example[name], live[name]) for name in example)
    if isinstance(example, list) and isinstance(live, list):
        return not example or all(shows(example[0], item) for item in live)
    if isinstance(example, int | float) and not isinstance(example, bool):
        return isinstance(live, int | float) and not isinstance(live, bool)
    return type(example) is type(live)


class Tour:
    """Goes through the guide; keeps what it sent and received."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sent: list[str] = []
        self.received: list[dict[str, Any]] = []

    async def say(self, client: Client, example: dict[str, Any], **real: Any) -> None:
        """Send an example, with what only a running server can know filled in."""
        self.sent.append(json.dumps(example))
        await client.send(**{**example, **real})
        self.received += await client.settled(ends=True)

    async def receive(self, client: Client, kind: str) -> None:
        """Listen until a message of that type comes."""
        while True:
            self.received.append(await client.receive())
            if self.received[-1]["type"] == kind:
                return


@pytest.fixture
async def tour(serve: Serve) -> Tour:
    """The whole guide, lived through."""
    server = await serve(
        websocket=WebSocketConfig(ping_interval=0.3), auth=AuthConfig(token_expiry=1)
    )
    tour = Tour(server)
    by_token, by_key, subscribe, unsubscribe, subscriptions, *more = REQUESTS_SHOWN
    include, changes, resume, ping, serve_agents, take, update = more
    feed = server.feed
    await feed.record_metrics([point("var_95")])
    key = (await server.key())["X-API-Key"]
    async with server.session.ws_connect(f"{server.url}/ws") as ws:
        client = Client(ws)
        await tour.receive(client, "welcome")
        await tour.say(client, by_key, api_key=key)
        await tour.say(client, subscribe)
        await client.send(type="subscribe", channels=["alerts", "portfolio"])
        await feed.record_trade(trade(id="t-1", price="187.20"))
        await feed.raise_alert({"id": "a-1", "severity": "warning", "title": "t", "message": "m"})
        await feed.update_portfolio({"total_value": "100000.00", "cash": "25000.00"})
        await tour.receive(client, "portfolio")
        await tour.say(client, subscriptions)
        await tour.say(client, unsubscribe)
        await tour.say(client, ping)
        tour.received.append(await client.ask(**ping))
        await tour.receive(client, "heartbeat")
        await tour.say(client, include)
        await feed.record_signal("momentum-1", {**SIGNAL, "id": "s-1", "conviction": 0.4})
        decision = {"id": "d-1", "agent_id": "manager", "signal_ids": ["s-1"]}
        await feed.record_decision({**decision, "targets": [{"symbol": "AAPL"}]})
        await tour.say(client, changes)
        held = [{"symbol": name, "quantity": 1, "current_price": 1} for name in ("A", "MSFT", "C")]
        for price in (420, 421):
            held[1] = {**held[1], "side": "long", "current_price": price}
            await feed.update_portfolio({**PORTFOLIO, "positions": held})
        await tour.receive(client, "portfolio_changes")
    cursor = next(m["cursor"] for m in tour.received if m["type"] == "trade")
    await feed.record_trade(trade(id="t-2"))
    async with connect(server, {"X-API-Key": key}) as client:
        await tour.say(client, resume, since={"trades": cursor})
    _, narrow = await server.dashboard.accounts.create_api_key("narrow", {"view_trades"})
    async with connect(server, {"X-API-Key": narrow}) as client:
        await client.send(type="subscribe", id=2, channels=["alerts"])
        await tour.receive(client, "error")
    await feed.update_agent("momentum-1", OBEDIENT)
    _, executing = await server.dashboard.accounts.create_api_key(
        "agent", {"execute"}, agents=["momentum-1"]
    )
    async with connect(server, {"X-API-Key": executing}) as client:
        await tour.say(client, serve_agents)
        sent = await feed.send_command("momentum-1", {"name": "pause"})
        await tour.receive(client, "command_ready")
        await tour.say(client, take)
        await tour.say(client, update, command_id=sent["id"])
    async with connect(server) as client:
        token = (await server.login("viewer"))["Authorization"].removeprefix("Bearer ")
        await tour.say(client, by_token, token=token)
        await tour.receive(client, "token_expiring")
    await _lag(tour)
    return tour


async def _lag(tour: Tour) -> None:
    """A client that did not read learns how many points of a series were skipped."""
    server, labels = tour.server, {f"label{n}": "x" * 250 for n in range(4)}
    async with raw(server, await server.key(name="slow")) as client:
        small_kernel_buffers(server)
        await client.send(type="subscribe", channels=["metrics"])
        await client.until("subscribed")
        (connection,) = server.backend.connections
        for n in range(10_000):
            await server.feed.record_metrics(
                [point("var_95", n + i, labels=labels) for i in range(50)]
            )
            if connection.writer.backlog:
                break
        await server.feed.record_metrics([point("var_95", labels=labels)] * 10)
        await until(lambda: not server.backend.connections.fanout.pending)
        await client.send(type="ping", id="end")
        tour.received += await client.until("pong")


async def test_a_real_server_accepts_and_sends_all_that_the_guide_shows(tour: Tour) -> None:
    assert sorted(tour.sent) == sorted(map(json.dumps, REQUESTS_SHOWN))
    assert {m["code"] for m in tour.received if m["type"] == "error"} == {"forbidden"}
    for example in ANSWERS_SHOWN:
        alike = [m for m in tour.received if m["type"] == example["type"] and shows(example, m)]
        assert alike, example
        # An answer carries the id of its question.
        if example.get("id") is not None:
            assert example["id"] in {m["id"] for m in alike}
