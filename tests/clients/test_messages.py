"""Types that a generator makes of the AsyncAPI document decode every message of a session."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from alphapulse_api.config import AuthConfig, WebSocketConfig
from alphapulse_api.domain.channels import CHANNELS
from tests.asking import ALERT, DECISION, OBEDIENT, POINT, PORTFOLIO, SIGNAL, TRADE, ask
from tests.clients.test_generated import PAGE, generated_by
from tests.clients.toolbox import HERE, Toolbox
from tests.code_blocks import code_blocks
from tests.conftest import Serve, Server
from tests.forging import SECRET

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

SECONDS = 30
OF_AGENTS = {"served", "command_ready", "command", "command_updated"}
# Sent in this order, each after the answer to the one before.
REQUESTS: tuple[dict[str, Any], ...] = (
    {
        "type": "subscribe",
        "id": 1,
        "channels": list(CHANNELS),
        "snapshot": True,
        "options": {
            "portfolio": {"positions": "changes"},
            "trades": {"include": ["signal", "decision"]},
        },
    },
    {"type": "subscriptions", "id": "two"},
    {"type": "ping", "id": 3},
    {"type": "nonsense", "id": 4},
    {"type": "unsubscribe", "id": 5, "channels": ["alerts"]},
    {
        "type": "subscribe",
        "id": 6,
        "channels": ["alerts"],
        "filters": {"alerts": {"sources": ["x"]}},
    },
)


async def session(server: Server, kinds: set[str]) -> list[str]:
    """The frames of a session, which lasts until all those types of messages have come."""
    frames: list[str] = []
    token = (await server.login())["Authorization"].removeprefix("Bearer ")
    await store(server, "before")
    async with asyncio.timeout(SECONDS), server.session.ws_connect(f"{server.url}/ws") as ws:
        await ws.send_json({"type": "auth", "id": 0, "token": token})
        asked = iter(REQUESTS)
        while kinds - {json.loads(frame)["type"] for frame in frames}:
            frames.append(await ws.receive_str())
            message = json.loads(frames[-1])
            if "id" not in message:
                continue
            if request := next(asked, None):
                await ws.send_json(request)
            else:
                await store(server, "after")
                past = {**TRADE, "id": "past", "executed_at": "2025-01-06T10:00:00Z"}
                await server.feed.import_history(trades=[past])
    return frames


async def serving(server: Server) -> list[str]:
    """The frames of a socket that serves an agent."""
    await server.feed.update_agent("m1", OBEDIENT)
    _, key = await server.dashboard.accounts.create_api_key("bot", {"execute"}, agents=["m1"])
    frames: list[str] = []
    url, headers = f"{server.url}/ws", {"X-API-Key": key}
    async with (
        asyncio.timeout(SECONDS),
        server.session.ws_connect(url, headers=headers) as ws,
    ):

        async def receive(kind: str) -> None:
            frames.append(await ws.receive_str())
            while json.loads(frames[-1])["type"] != kind:
                frames.append(await ws.receive_str())

        await ws.send_json({"type": "serve", "id": 1, "agents": ["m1"]})
        await receive("served")
        sent = await server.feed.send_command("m1", {"name": "pause"})
        await receive("command_ready")
        await ws.send_json({"type": "take", "id": 2})
        await receive("command")
        update = {"type": "command_update", "command_id": sent["id"], "state": "done"}
        await ws.send_json({**update, "id": 3})
        await receive("command_updated")
    return frames


async def store(server: Server, id_: str) -> None:
    """A record of each channel, and a signal and a decision."""
    await server.feed.record_metrics({**POINT, "value": None})
    await server.feed.raise_alert({**ALERT, "id": id_, "source": "x"})
    await server.feed.record_trade({**TRADE, "id": id_, "fees": [{"currency": "A", "amount": "1"}]})
    await server.feed.record_signal("m1", {**SIGNAL, "id": id_})
    await server.feed.record_decision({**DECISION, "id": id_})
    position = {"symbol": "AAPL", "quantity": "1"}
    await server.feed.update_portfolio({**PORTFOLIO, "positions": [position]})


async def test_generated_types_decode_every_message_of_a_session(
    serve: Serve, toolbox: Toolbox
) -> None:
    auth = AuthConfig(jwt_secret=SECRET, token_expiry=2)
    server = await serve(auth=auth, websocket=WebSocketConfig(ping_interval=0.5))
    document = (await ask(server, "GET", "/asyncapi.json")).json
    sent_by_clients = {
        "auth", "subscribe", "unsubscribe", "list_subscriptions", "ping", "serve", "take",
        "command_update",
    }  # fmt: skip
    kinds = set(document["components"]["messages"]) - sent_by_clients
    frames = [*await session(server, kinds - OF_AGENTS), *await serving(server)]
    assert kinds == {json.loads(frame)["type"] for frame in frames}

    toolbox.url = server.url
    await generated_by(toolbox, "messages")
    toolbox.write("decode.py", (HERE / "jobs" / "decode.py").read_text())
    toolbox.write("frames.jsonl", "\n".join(frames))
    (use,) = code_blocks(PAGE, "messages: use")
    toolbox.write("use.py", use.replace("ws://127.0.0.1:8080", server.url.replace("http", "ws")))
    await toolbox.shell("mypy --strict .")

    decoded = await toolbox.shell("python decode.py < frames.jsonl")
    assert decoded.splitlines() == [json.loads(frame)["type"] for frame in frames]
    key = (await server.key())["X-API-Key"]
    used = await toolbox.shell("python use.py", AP_API_KEY=key)
    assert used.splitlines() == ["10 AAPL at 187.20"]
