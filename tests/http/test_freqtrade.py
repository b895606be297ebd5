"""freqtrade's messages, as its configuration in docs/http.md makes it send them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asking import Answer, ask, places, problem
from tests.conftest import Server

PATH = "/webhooks/freqtrade"
ORDER = {"bot": "momentum", "trade_id": "7", "pair": "BTC/USDT", "direction": "Long",
         "order_type": "limit", "amount": "0.5", "rate": "60000.5", "enter_tag": "None",
         "exchange": "Binance"}  # fmt: skip


async def _send(server: Server, event: str, **fields: Any) -> Answer:
    order = ORDER if event.startswith(("entry", "exit")) else {"bot": "momentum"}
    message = {"event": event, **order, **fields}
    return await ask(server, "POST", PATH, await server.key("publish"), json=message)


async def _all(server: Server, *steps: tuple[str, dict[str, Any]]) -> None:
    for event, fields in steps:
        answer = await _send(server, event, **fields)
        assert (answer.status, answer.json) == (200, {"accepted": 1}), answer.body


async def _trades(server: Server) -> dict[str, dict[str, Any]]:
    trades = await server.json("/api/trades", await server.key())
    return {trade["id"].removeprefix("momentum:7:"): trade for trade in trades}


async def _states(server: Server, id_: str) -> list[str]:
    trade = await server.json(f"/api/trades/momentum:7:{id_}", await server.key())
    return [state["status"] for state in trade["history"]]


async def test_a_trade_is_entered_and_left(server: Server) -> None:
    profit = {"rate": "61000", "profit_amount": "499.75", "profit_ratio": "0.0166"}
    await _all(
        server,
        ("entry", {}),
        ("entry_fill", {"amount": "0.4995", "rate": "60000.25"}),
        ("exit", {"amount": "0.4995", "exit_reason": "roi"}),
        ("exit_fill", {"amount": "0.4995", **profit}),
    )
    trades = await _trades(server)
    assert sorted(trades) == ["entry:1", "exit:1"]
    entry, exit_ = trades["entry:1"], trades["exit:1"]
    assert (entry["side"], entry["symbol"], entry["agent_id"]) == ("buy", "BTC/USDT", "momentum")
    assert (entry["quantity"], entry["filled_quantity"]) == ("0.5", "0.4995")
    assert (entry["price"], entry["order_type"]) == ("60000.25", "limit")
    assert entry["metadata"] == {"exchange": "Binance", "rate": "60000.5"}
    assert (exit_["side"], exit_["status"], exit_["price"]) == ("sell", "filled", "61000")
    assert exit_["metadata"]["exit_reason"] == "roi"
    assert await _states(server, "entry:1") == ["open", "filled"]
    points = await server.json("/api/metrics/trade", await server.key())
    labels = {"bot": "momentum", "pair": "BTC/USDT"}
    found = {point["name"]: (point["value"], point["labels"]) for point in points}
    assert found == {"profit": (499.75, labels), "profit_ratio": (0.0166, labels)}


async def test_a_short_sells_first(server: Server) -> None:
    await _all(
        server, ("entry_fill", {"direction": "Short"}), ("exit_fill", {"direction": "Short"})
    )
    trades = await _trades(server)
    assert (trades["entry:1"]["side"], trades["exit:1"]["side"]) == ("sell", "buy")


async def test_later_orders_of_a_trade_are_numbered(server: Server) -> None:
    for n in range(1, 12):
        await _all(server, ("entry", {"amount": str(n)}), ("entry_fill", {"amount": str(n)}))
    trades = await _trades(server)
    assert {id_: trade["quantity"] for id_, trade in trades.items()} == {
        f"entry:{n}": str(n) for n in range(1, 12)
    }


async def test_a_cancelled_order_is_followed_by_the_next(server: Server) -> None:
    await _all(
        server,
        ("entry", {}),
        ("entry_cancel", {"reason": "timeout"}),
        ("entry_cancel", {"reason": "timeout"}),
        ("entry", {"rate": "60100"}),
        ("entry_fill", {"rate": "60100"}),
        ("entry_cancel", {"reason": "partially filled - keeping rest open"}),
    )
    trades = await _trades(server)
    assert {id_: trade["status"] for id_, trade in trades.items()} == {
        "entry:1": "cancelled", "entry:2": "filled",
    }  # fmt: skip
    assert trades["entry:1"]["metadata"]["reason"] == "timeout"


async def test_repeats_change_nothing(server: Server) -> None:
    profit = {"profit_amount": "1", "profit_ratio": "0.1", "current_rate": "1"}
    for event, fields in (
        ("entry", {}), ("entry_fill", {}), ("exit", {}), ("exit_fill", profit),
    ):  # fmt: skip
        for rate in ("1", "2"):
            await _all(server, (event, {**fields, "current_rate": rate}))
    assert sorted(await _trades(server)) == ["entry:1", "exit:1"]
    assert len(await server.json("/api/metrics/trade", await server.key())) == 2


async def test_a_fill_that_is_rounded_up_is_the_whole_order(server: Server) -> None:
    await _all(server, ("entry", {}), ("entry_fill", {"amount": "0.500000001"}))
    assert (await _trades(server))["entry:1"]["filled_quantity"] == "0.5"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("running", "active"), ("paused", "inactive"), ("stopped", "stopped"),
        ("process died", "error"), ("running after config reloaded", "active"),
        ("reload_config", "initializing"),
    ],
)  # fmt: skip
async def test_a_status_is_the_agents_state(server: Server, text: str, state: str) -> None:
    await _all(server, ("status", {"message": text}))
    (agent,) = await server.json("/api/agents", await server.key())
    assert (agent["agent_id"], agent["agent_type"], agent["state"]) == (
        "momentum", "freqtrade", state,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("event", "severity"),
    [("warning", "warning"), ("exception", "error"), ("liquidation_warning", "critical")],
)
async def test_warnings_are_alerts(server: Server, event: str, severity: str) -> None:
    await _all(server, (event, {"message": "Margin is low\nBTC/USDT"}))
    (alert,) = await server.json("/api/alerts", await server.key())
    assert (alert["title"], alert["severity"]) == ("Margin is low", severity)
    assert (alert["source"], alert["rule_id"]) == ("momentum", event)


@pytest.mark.parametrize(
    ("event", "fields", "found"),
    [
        ("startup", {}, ["/event"]),
        ("entry", {"trade_id": "None"}, ["/trade_id"]),
        ("entry", {"pair": "None", "amount": None}, ["/pair", "/amount"]),
        ("entry", {"direction": "Up"}, ["/direction"]),
        ("entry", {"amount": "much"}, ["/amount"]),
        ("entry", {"amount": "-1"}, ["/amount"]),
        ("entry_fill", {"rate": "None"}, ["/rate"]),
        ("entry_fill", {"amount": "0"}, ["/amount"]),
        ("entry", {"bot": "a b"}, ["/bot"]),
        ("entry", {"trade_id": "a/b"}, ["/trade_id"]),
        ("exit_fill", {"profit_amount": "x"}, ["/profit_amount"]),
    ],
)
async def test_an_invalid_message_is_refused(
    server: Server, event: str, fields: dict[str, Any], found: list[str]
) -> None:
    answer = await _send(server, event, **fields)
    problem(answer, 422)
    assert places(answer) == found
    assert await _trades(server) == {}
