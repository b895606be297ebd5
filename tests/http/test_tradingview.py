"""TradingView's messages: text, JSON alerts and JSON signals, friendly and hostile."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.asking import Answer, ask, places, problem
from tests.conftest import Server

PATH = "/webhooks/tradingview"
JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"


async def _send(server: Server, body: str | bytes, kind: str = TEXT) -> Answer:
    headers = {"Content-Type": kind}
    data = body.encode() if isinstance(body, str) else body
    return await ask(server, "POST", PATH, await server.key("publish"), data=data, headers=headers)


async def _alerts(server: Server) -> list[dict[str, Any]]:
    alerts: list[dict[str, Any]] = await server.json("/api/alerts", await server.key())
    return alerts


async def test_text_is_an_alert(server: Server) -> None:
    answer = await _send(server, "BTCUSDT crossed 50000\nvolume: 12 ↑")
    assert (answer.status, answer.json) == (200, {"accepted": 1})
    (alert,) = await _alerts(server)
    assert (alert["title"], alert["source"]) == ("BTCUSDT crossed 50000", "tradingview")
    assert alert["message"] == "BTCUSDT crossed 50000\nvolume: 12 ↑"
    assert alert["severity"] == "warning"


@pytest.mark.parametrize(("body", "kind"), [("42", JSON), ('"up"', JSON), ("[BTC] up", TEXT)])
async def test_what_is_no_object_is_text(server: Server, body: str, kind: str) -> None:
    assert (await _send(server, body, kind)).status == 200
    assert (await _alerts(server))[0]["title"] == body


async def test_an_object_is_an_alert_with_the_fields_of_one(server: Server) -> None:
    message = {"id": "rsi:1", "message": "RSI\nabove 70", "severity": "HIGH", "ticker": "BTCUSDT",
               "time": "2026-01-01T10:00:00Z", "metric_value": 71.5, "tags": ["rsi"]}  # fmt: skip
    for _ in range(2):
        assert (await _send(server, json.dumps(message), JSON)).status == 200
    (alert,) = await _alerts(server)
    assert (alert["id"], alert["title"], alert["severity"]) == ("rsi:1", "RSI", "error")
    assert alert["created_at"] == "2026-01-01T10:00:00.000000Z"
    assert (alert["metric_value"], alert["tags"]) == (71.5, ["rsi"])
    assert alert["metadata"] == {"ticker": "BTCUSDT"}


@pytest.mark.parametrize("kind", [JSON, TEXT])
async def test_a_direction_makes_a_signal(server: Server, kind: str) -> None:
    message = {"id": "x:1", "agent_id": "breakout", "ticker": "BTCUSDT", "action": "BUY",
               "target_price": "67123.50", "confidence": 0.8, "price": 66000.5,
               "time": "2026-01-01T10:00:00Z", "exchange": "BINANCE"}  # fmt: skip
    for _ in range(2):
        assert (await _send(server, json.dumps(message), kind)).status == 200
    path = "/api/agents/breakout/signals"
    signals = await server.json(path, await server.key(), start_time="2026-01-01T00:00:00Z")
    (signal,) = signals
    assert (signal["symbol"], signal["direction"]) == ("BTCUSDT", "buy")
    assert (signal["target_price"], signal["confidence"]) == ("67123.50", 0.8)
    assert signal["metadata"] == {"price": 66000.5, "exchange": "BINANCE"}
    assert await _alerts(server) == []


async def test_a_position_is_a_direction_and_both_names_are_kept(server: Server) -> None:
    message = {"symbol": "BTC/USDT", "ticker": "BTCUSDT", "direction": "long"}
    assert (await _send(server, json.dumps(message), JSON)).status == 200
    (signal,) = await server.json("/api/agents/tradingview/signals", await server.key())
    assert (signal["symbol"], signal["direction"]) == ("BTC/USDT", "buy")
    assert signal["metadata"] == {"ticker": "BTCUSDT"}


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ({"action": "buy"}, "/symbol"),
        ({"action": "{{strategy.order.action}}", "ticker": "A"}, "/action"),
        ({"action": None, "ticker": "A"}, "/action"),
        ({"direction": "up", "symbol": "A"}, "/direction"),
        ({"action": "buy", "ticker": ""}, "/ticker"),
        ({"action": "buy", "ticker": "A", "agent_id": "a b"}, "/agent_id"),
        ({"action": "buy", "ticker": "A", "time": "noon"}, "/time"),
        ({"severity": "high"}, "/title"),
        ({"message": 1, "title": "t"}, "/message"),
        ({"message": "m", "id": "export"}, "/id"),
        ({}, "/title"),
    ],
)
async def test_an_invalid_object_is_refused(
    server: Server, message: dict[str, Any], place: str
) -> None:
    answer = await _send(server, json.dumps(message), JSON)
    problem(answer, 422)
    assert places(answer) == [place]
    assert await _alerts(server) == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("", TEXT, 400), ("  \n", TEXT, 400), (b"\xff", TEXT, 400), ('{"price": }', TEXT, 400),
        ("a=b", "application/x-www-form-urlencoded", 415), ("x" * (64 * 1024 + 1), TEXT, 413),
        ("nul \x00", TEXT, 422),
    ],
    ids=["empty", "blank", "not UTF-8", "broken JSON", "form", "long", "NUL"],
)  # fmt: skip
async def test_other_bodies_are_refused(
    server: Server, body: str | bytes, kind: str, status: int
) -> None:
    problem(await _send(server, body, kind), status)
    assert await _alerts(server) == []


async def test_long_text_is_cut(server: Server) -> None:
    await _send(server, "x" * 5000)
    (alert,) = await _alerts(server)
    assert (len(alert["title"]), len(alert["message"])) == (256, 4096)


async def test_the_same_id_with_other_content_is_a_conflict(server: Server) -> None:
    await _send(server, '{"id": "a", "message": "one"}')
    problem(await _send(server, '{"id": "a", "message": "two"}'), 409)
