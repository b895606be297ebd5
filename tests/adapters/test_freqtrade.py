"""freqtrade's own `Webhook`, with the configuration that docs/http.md says to paste."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import jsonschema
import pytest
from freqtrade.config_schema.config_schema import CONF_SCHEMA
from freqtrade.enums import RPCMessageType
from freqtrade.rpc import RPC
from freqtrade.rpc.webhook import Webhook

from tests.commands import ROOT
from tests.conftest import Serve, Server

PAGE = (ROOT / "docs/http.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r'^```json\n(\{"webhook": .+?)^```$', PAGE, re.MULTILINE | re.DOTALL)
NOW = datetime.now(UTC)
# What freqtradebot.py puts into its messages.
ORDER: dict[str, Any] = {
    "trade_id": 7, "buy_tag": None, "enter_tag": None, "exchange": "Binance", "pair": "BTC/USDT",
    "base_currency": "BTC", "quote_currency": "USDT", "leverage": 1.0, "direction": "Long",
    "limit": 60000.5, "order_rate": 60000.5, "open_rate": 60000.5, "order_type": "limit",
    "stake_amount": 30000.25, "stake_currency": "USDT", "fiat_currency": None, "amount": 0.5,
    "open_date": NOW, "current_rate": 60001.0, "sub_trade": False,
}  # fmt: skip
EXIT: dict[str, Any] = ORDER | {
    "gain": "profit", "close_rate": 61000.0, "order_rate": 61000.0, "profit_amount": 1e-05,
    "profit_ratio": 0.0166, "exit_reason": "roi", "close_date": NOW, "current_rate": None,
    "amount": 0.4995, "cumulative_profit": 0.0, "final_profit_ratio": None, "is_final_exit": False,
}  # fmt: skip


async def _webhook(server: Server, secret: str) -> Webhook:
    """freqtrade's handler, whose URL contains the secret as the documented one does."""
    (block,) = BLOCKS
    config = json.loads(block)
    jsonschema.validate(config["webhook"], CONF_SCHEMA["properties"]["webhook"])
    host = server.url.removeprefix("http://")
    url = config["webhook"]["url"]
    assert url == "https://freqtrade:whk_…@dashboard.example.com/webhooks/freqtrade"
    config["webhook"]["url"] = f"http://freqtrade:{secret}@{host}/webhooks/freqtrade"
    config["webhook"] |= {"retries": 0}
    return Webhook(Mock(spec=RPC), config)


async def _token(server: Server) -> str:
    return (await server.dashboard.accounts.create_api_key("freqtrade", {"webhook"}))[1]


async def _send(webhook: Webhook, kind: RPCMessageType, message: dict[str, Any]) -> None:
    sent: Any = {"type": kind, **message}
    await asyncio.to_thread(webhook.send_msg, sent)


async def test_a_trades_life_and_profit(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "freqtrade")
    server = await serve()
    webhook = await _webhook(server, await _token(server))
    cancelled = {"reason": "cancelled due to timeout"}
    for kind, message in (
        (RPCMessageType.ENTRY, ORDER),
        (RPCMessageType.ENTRY_CANCEL, ORDER | cancelled),
        (RPCMessageType.ENTRY, ORDER),
        (RPCMessageType.ENTRY_FILL, ORDER | {"amount": 0.4995}),
        (RPCMessageType.EXIT, EXIT),
        (RPCMessageType.EXIT_CANCEL, EXIT | cancelled),
        (RPCMessageType.EXIT, EXIT),
        (RPCMessageType.EXIT_FILL, EXIT),
    ):
        await _send(webhook, kind, message)
    assert caplog.text == ""
    reader = await server.key()
    trades = {
        trade["id"]: (trade["side"], trade["status"], trade["filled_quantity"], trade["price"])
        for trade in await server.json("/api/trades", reader)
    }
    assert trades == {
        "momentum:7:entry:1": ("buy", "cancelled", "0", None),
        "momentum:7:entry:2": ("buy", "filled", "0.4995", "60000.5"),
        "momentum:7:exit:1": ("sell", "cancelled", "0", None),
        "momentum:7:exit:2": ("sell", "filled", "0.4995", "61000.0"),
    }
    exit_ = await server.json("/api/trades/momentum:7:exit:2", reader)
    assert exit_["metadata"]["exit_reason"] == "roi"
    assert "enter_tag" not in exit_["metadata"]
    points = await server.json("/api/metrics/trade", reader)
    assert {p["name"]: p["value"] for p in points} == {"profit": 1e-05, "profit_ratio": 0.0166}


async def test_states_and_warnings(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "freqtrade")
    server = await serve()
    webhook = await _webhook(server, await _token(server))
    protection = {
        "id": 1, "pair": "ETH/USDT", "base_currency": "ETH", "lock_time": "2026-01-01 10:00:00",
        "lock_timestamp": 0, "lock_end_time": "2026-01-01 11:00:00", "lock_end_timestamp": 0,
        "reason": "Cooldown period", "side": "*", "active": True,
    }  # fmt: skip
    await _send(webhook, RPCMessageType.STATUS, {"status": "running"})
    await _send(webhook, RPCMessageType.WARNING, {"status": "Dry run is enabled."})
    await _send(webhook, RPCMessageType.EXCEPTION, {"status": "*OperationalException:*"})
    await _send(webhook, RPCMessageType.PROTECTION_TRIGGER, protection)
    await _send(webhook, RPCMessageType.PROTECTION_TRIGGER_GLOBAL, protection)
    assert caplog.text == ""
    reader = await server.key()
    (agent,) = await server.json("/api/agents", reader)
    assert (agent["agent_id"], agent["state"]) == ("momentum", "active")
    alerts = {
        alert["title"]: alert["severity"] for alert in await server.json("/api/alerts", reader)
    }
    assert alerts == {
        "Dry run is enabled.": "warning",
        "*OperationalException:*": "error",
        "ETH/USDT: Cooldown period until 2026-01-01 11:00:00": "warning",
        "all pairs: Cooldown period until 2026-01-01 11:00:00": "warning",
    }


async def test_an_api_key_of_scope_publish_does_as_well(serve: Serve) -> None:
    server = await serve()
    key = (await server.key("publish"))["X-API-Key"]
    await _send(await _webhook(server, key), RPCMessageType.STATUS, {"status": "stopped"})
    (agent,) = await server.json("/api/agents", await server.key())
    assert agent["state"] == "stopped"
