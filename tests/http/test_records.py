"""Records: what goes in comes out, once, to the digit."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.asking import ALERT, POINT, SIGNAL, TRADE, ask, places, problem
from tests.conftest import Server

JSON = {"Content-Type": "application/json"}


async def _alert(server: Server, alert_id: str = "a1") -> None:
    await server.feed.raise_alert({**ALERT, "id": alert_id})


async def test_acknowledging_is_done_once_and_by_oneself(server: Server) -> None:
    await _alert(server)
    ann, bob = await server.login("operator", "ann"), await server.login("operator", "bob")
    path = "/api/alerts/a1/acknowledge"
    answer = await ask(server, "POST", path, ann, json={"comments": "on it", "user": "ann"})
    assert answer.status == 200
    first = answer.json
    assert (first["acknowledged"], first["status"]) == (True, "acknowledged")
    assert (first["acknowledged_by"], first["comments"]) == ("ann", "on it")
    again = await ask(server, "POST", path, bob, json={"comments": "me too"})
    assert (again.status, again.json) == (200, first)
    assert (await ask(server, "GET", "/api/alerts/a1", bob)).json == first


async def test_an_empty_body_acknowledges_too(server: Server) -> None:
    await _alert(server)
    ann = await server.login("operator", "ann")
    answer = await ask(server, "POST", "/api/alerts/a1/acknowledge", ann)
    assert (answer.json["acknowledged_by"], answer.json["comments"]) == ("ann", None)


async def test_only_an_admin_acknowledges_in_anothers_name(server: Server) -> None:
    await _alert(server)
    path, body = "/api/alerts/a1/acknowledge", {"user": "desk-7"}
    problem(await ask(server, "POST", path, await server.login("operator"), json=body), 403)
    assert (await ask(server, "GET", "/api/alerts/a1", await server.key())).json["status"] == (
        "active"
    )
    answer = await ask(server, "POST", path, await server.login("admin"), json=body)
    assert answer.json["acknowledged_by"] == "desk-7"


async def test_acknowledging_takes_nothing_else(server: Server) -> None:
    await _alert(server)
    admin = await server.login()
    path = "/api/alerts/a1/acknowledge"
    answer = await ask(server, "POST", path, admin, json={"comment": "x", "user": ""})
    assert sorted(places(answer)) == ["/comment", "/user"]
    answer = await ask(server, "POST", "/api/alerts/a1/resolve", admin, json={"why": "x"})
    assert places(answer) == ["/why"]
    for action in ("acknowledge", "resolve"):
        problem(await ask(server, "POST", f"/api/alerts/none/{action}", admin), 404)


async def test_resolving_is_done_once_and_ends_an_alerts_life(server: Server) -> None:
    await _alert(server)
    admin = await server.login()
    first = (await ask(server, "POST", "/api/alerts/a1/resolve", admin)).json
    assert first["status"] == "resolved"
    assert first["resolved_at"].endswith("Z")
    assert (await ask(server, "POST", "/api/alerts/a1/resolve", admin)).json == first
    late = (await ask(server, "POST", "/api/alerts/a1/acknowledge", admin)).json
    assert (late["status"], late["acknowledged"]) == ("resolved", True)
    listed = await server.json("/api/alerts?acknowledged=true", admin)
    assert listed == [late]


@pytest.mark.parametrize(
    ("path", "record", "change"),
    [
        ("/api/trades", TRADE, {"price": "187.21"}),
        ("/api/alerts", ALERT, {"title": "another"}),
        ("/api/agents/m1/signals", SIGNAL, {"confidence": 0.8}),
    ],
)
async def test_the_same_id_again_changes_nothing_and_other_content_is_a_conflict(
    server: Server, path: str, record: dict[str, Any], change: dict[str, Any]
) -> None:
    caller = await server.key("publish")
    record = {**record, "id": "r1"}
    first = await ask(server, "POST", path, caller, json=record)
    again = await ask(server, "POST", path, caller, json=record)
    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json
    refused = problem(await ask(server, "POST", path, caller, json={**record, **change}), 409)
    assert refused["errors"][0]["pointer"] == "/id"
    assert await server.json(path, caller) == [first.json]


@pytest.mark.parametrize(("path", "record"), [("/api/trades", TRADE), ("/api/alerts", ALERT)])
async def test_a_201_says_where_the_record_is(
    server: Server, path: str, record: dict[str, Any]
) -> None:
    caller = await server.login()
    for id_ in ("r1", "binance:BTC-USDT@9;a=b", "ä&b"):
        made = await ask(server, "POST", path, caller, json={**record, "id": id_})
        assert made.status == 201
        assert made.headers["Location"].isascii()
        found = await ask(server, "GET", made.headers["Location"], caller)
        assert found.json["id"] == id_
        again = await ask(server, "POST", path, caller, json={**record, "id": id_})
        assert (again.status, "Location" in again.headers) == (200, False)
    without = await ask(server, "POST", path, caller, json=record)
    assert without.headers["Location"] == f"{path}/{without.json['id']}"
    if path == "/api/trades":
        many = await ask(server, "POST", path, caller, json=[record])
        assert (many.status, "Location" in many.headers) == (201, False)


async def test_equal_numbers_said_otherwise_are_the_same_content(server: Server) -> None:
    caller = await server.key("publish")
    prices = ("187.20", "187.2", 187.2, "1.872e2")
    for number, price in enumerate(prices):
        answer = await ask(server, "POST", "/api/trades", caller,
                           json={**TRADE, "id": "t1", "price": price})  # fmt: skip
        assert (answer.status, answer.json["price"]) == (200 if number else 201, "187.20")


async def test_an_acknowledged_alert_may_be_sent_again(server: Server) -> None:
    await _alert(server)
    changed = await server.feed.acknowledge_alert("a1", "ann")
    answer = await ask(
        server, "POST", "/api/alerts", await server.key("publish"), json={**ALERT, "id": "a1"}
    )
    assert (answer.status, answer.json["acknowledged_by"]) == (200, changed["acknowledged_by"])


async def test_one_bad_element_refuses_the_whole_array(server: Server) -> None:
    caller = await server.key("publish")
    await server.feed.record_trade({**TRADE, "id": "t9"})
    trades: list[Any] = [{**TRADE, "id": f"t{n}"} for n in range(3)]
    assert places(
        await ask(server, "POST", "/api/trades", caller, json=[*trades, {**TRADE, "price": "x"}])
    ) == ["/3/price"]
    clash = [*trades, {**TRADE, "id": "t9", "price": "1"}]
    refused = problem(await ask(server, "POST", "/api/trades", caller, json=clash), 409)
    assert refused["errors"][0]["pointer"] == "/3/id"
    assert [t["id"] for t in await server.json("/api/trades", caller)] == ["t9"]
    points = [POINT, {**POINT, "metric_type": "Risk"}, {**POINT, "labels": {"a": []}}]
    answer = await ask(server, "POST", "/api/metrics", caller, json=points)
    assert sorted(places(answer)) == ["/1/metric_type", "/2/labels"]
    assert await server.json("/api/metrics", caller) == []
    answer = await ask(server, "POST", "/api/trades", caller, json=trades)
    assert (answer.status, answer.json) == (201, {"accepted": 3})
    answer = await ask(server, "POST", "/api/metrics", caller, json=[])
    assert (answer.status, answer.json) == (201, {"accepted": 0})


DIGITS = [
    "67123.50", "0.00", "0.000000000000000000000000000000000001", "1" * 38, "10000000000000000000",
    "1234567890123456789012345.1234567890123456789012345", "0.10", "100",
]  # fmt: skip


@pytest.mark.parametrize("digits", DIGITS)
@pytest.mark.parametrize("as_number", [False, True])
async def test_decimals_keep_every_digit(server: Server, digits: str, as_number: bool) -> None:
    caller = await server.key("publish")
    said = digits if as_number else f'"{digits}"'
    body = f'{{"id":"t1","symbol":"A","side":"buy","quantity":3,"price":{said},"fee":-{digits}}}'
    if not as_number:
        body = body.replace(f"-{digits}", f'"-{digits}"')
    answer = await ask(server, "POST", "/api/trades", caller, data=body, headers=JSON)
    assert answer.status == 201, answer.body
    for trade in (answer.json, await server.json("/api/trades/t1", caller)):
        assert trade["price"] == digits
        whole, _, decimals = digits.partition(".")
        # Zero has no sign: PostgreSQL's numeric keeps none, and the engines answer alike.
        assert trade["fee"] == (f"-{digits}" if int(whole + decimals) else digits)
        tripled = str(int(whole + decimals) * 3).zfill(len(decimals) + 1)
        assert trade["value"].replace(".", "") == tripled
    portfolio = f'{{"total_value":{said},"cash":{said},"positions":[]}}'
    answer = await ask(server, "PUT", "/api/portfolio", caller, data=portfolio, headers=JSON)
    assert answer.json["cash"] == digits
    assert (await server.json("/api/portfolio", caller))["total_value"] == digits


async def test_a_computed_value_is_exact(server: Server) -> None:
    price, quantity = "1234567890123456789.123456789", "9876543210987654321.987654321"
    stored = await server.feed.record_trade({**TRADE, "price": price, "quantity": quantity})
    (trade,) = await server.json("/api/trades", await server.key())
    # Whole numbers are exact in Python: the points stand 9 places from the end of each.
    product = str(int(price.replace(".", "")) * int(quantity.replace(".", "")))
    assert trade["value"] == f"{product[:-18]}.{product[-18:]}"
    assert format(stored["value"], "f") == trade["value"]


async def test_what_is_not_a_number_is_null(server: Server) -> None:
    caller = await server.key("publish")
    body = json.dumps(
        [
            {**POINT, "name": name, "value": value}
            for name, value in (
                ("nan", float("nan")), ("inf", float("inf")), ("low", -float("inf")), ("none", None)
            )
        ]
    )  # fmt: skip
    answer = await ask(server, "POST", "/api/metrics", caller, data=body, headers=JSON)
    assert answer.json == {"accepted": 4}
    points = await server.json("/api/metrics/risk", caller)
    assert [point["value"] for point in points] == [None] * 4
    assert {p["value"] for p in await server.json("/api/metrics/risk/latest", caller)} == {None}
    agent = await server.feed.update_agent("m1", {"metrics": {"sharpe": float("nan"), "n": 1}})
    assert agent["metrics"] == {"sharpe": None, "n": 1.0}
    assert (await server.json("/api/agents", caller))[0]["metrics"] == {"sharpe": None, "n": 1.0}
    for text in (b"NaN", b"Infinity"):
        raw = await ask(server, "GET", "/api/metrics/risk", caller)
        assert text not in raw.body


IDS = ["a", "A-1_b.c~d", "2026:01:02", "a@b", "ü-ж-漢", "a+b", "a&b=c", 'a"b', "...", "1,2;3"]


@pytest.mark.parametrize("record_id", IDS)
async def test_every_id_that_is_taken_can_be_asked_for(server: Server, record_id: str) -> None:
    caller = await server.key("publish")
    admin = await server.login()
    path = quote(record_id, safe="")
    answer = await ask(server, "POST", "/api/alerts", caller, json={**ALERT, "id": record_id})
    assert answer.status == 201, answer.body
    assert (await ask(server, "GET", f"/api/alerts/{path}", caller)).json["id"] == record_id
    assert (await ask(server, "POST", f"/api/alerts/{path}/resolve", admin)).status == 200
    put = await ask(server, "PUT", f"/api/agents/{path}", caller, json={"state": "active"})
    assert put.json["agent_id"] == record_id


async def test_what_an_agent_leaves_out_stays(server: Server) -> None:
    caller = await server.key("publish")
    path = "/api/agents/m1"
    await ask(server, "PUT", path, caller, json={"agent_type": "momentum", "state": "active"})
    answer = await ask(server, "PUT", path, caller, json={"metrics": {"sharpe": 1.5}})
    known = answer.json
    assert (known["agent_type"], known["state"]) == ("momentum", "active")
    assert known["metrics"] == {"sharpe": 1.5}
    problem(await ask(server, "GET", "/api/agents/nobody/signals", caller), 404)
    answer = await ask(server, "POST", f"{path}/signals", caller, json={**SIGNAL, "agent_id": "x"})
    assert places(answer) == ["/agent_id"]


async def test_a_trade_is_put_under_its_id(server: Server) -> None:
    caller = await server.key("publish")
    order = {**TRADE, "order_type": "limit", "price": None}
    states = [("open", 201), ("open", 200), ("cancelled", 200)]
    for status, expected in states:
        body = {**order, "status": status}
        answer = await ask(server, "PUT", "/api/trades/o1", caller, json=body)
        assert (answer.status, answer.json["id"], answer.json["status"]) == (expected, "o1", status)
    read = await server.json("/api/trades/o1", caller)
    assert [state["status"] for state in read["history"]] == ["open", "cancelled"]
    again = await ask(server, "PUT", "/api/trades/o1", caller, json=read)
    assert again.status == 200
    filled = {**TRADE, "order_type": "limit", "status": "filled"}
    refused = problem(await ask(server, "PUT", "/api/trades/o1", caller, json=filled), 409)
    assert "is cancelled, which is final: its status stays" in refused["detail"]
    other = await ask(server, "PUT", "/api/trades/o1", caller, json={**order, "id": "o2"})
    assert places(other) == ["/id"]
    for body in ([], [order], "o1", 7):
        assert (await ask(server, "PUT", "/api/trades/o3", caller, json=body)).status == 422
