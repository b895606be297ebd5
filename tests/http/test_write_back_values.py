"""Read, change, write back: computed values that only repeat what was read are computed again."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_api.client import DashboardClient
from tests.asking import Answer, ask, problem
from tests.conftest import Serve, Server

TIME = "2026-01-31T12:00:00Z"
POSITION = {"symbol": "AAPL", "quantity": "10", "entry_price": "100", "current_price": "110"}
# An inverse contract: what the sender states does not follow from the other fields.
INVERSE = {**POSITION, "symbol": "XBTUSD", "value": "0.2", "weight": 0.5, "unrealized_pnl": "0.01",
           "unrealized_pnl_pct": 0.3}  # fmt: skip
PORTFOLIO = {"total_value": "2000", "cash": "900", "positions": [POSITION, INVERSE]}
COMPUTED = ("value", "weight", "unrealized_pnl", "unrealized_pnl_pct")
ORDER = {"id": "o1", "symbol": "AAPL", "side": "buy", "quantity": "10", "price": "100",
         "order_type": "limit", "status": "open", "executed_at": TIME}  # fmt: skip


async def put(server: Server, caller: Any, portfolio: Any, tag: str | None = None) -> Answer:
    headers = {} if tag is None else {"If-Match": tag}
    return await ask(server, "PUT", "/api/portfolio", caller, json=portfolio, headers=headers)


def computed(position: dict[str, Any]) -> list[Any]:
    return [position[name] for name in COMPUTED]


@pytest.mark.parametrize(
    ("changes", "total_value", "expected"),
    [
        ({"quantity": "20"}, "2000", ["2200", 1.1, "200", 0.1]),
        ({"current_price": "120"}, "2000", ["1200", 0.6, "200", 0.2]),
        ({"entry_price": "88"}, "2000", ["1100", 0.55, "220", 0.25]),
        ({"side": "short"}, "2000", ["-1100", -0.55, "-100", -0.1]),
        ({}, "4000", ["1100", 0.275, "100", 0.1]),
        ({"current_price": None}, "2000", [None, None, None, None]),
        ({"quantity": "20", "value": "7"}, "2000", ["7", 0.0035, "200", 0.1]),
    ],
    ids=["quantity", "price", "entry", "side", "total", "no-price", "stated"],
)
async def test_what_was_computed_follows_the_changes(
    either: Server, changes: dict[str, Any], total_value: str, expected: list[Any]
) -> None:
    caller = await either.login()
    await put(either, caller, PORTFOLIO)
    read = await ask(either, "GET", "/api/portfolio", caller)
    known = read.json
    assert computed(known["positions"][0]) == ["1100", 0.55, "100", 0.1]
    changed = {**known, "total_value": total_value}
    changed["positions"] = [{**known["positions"][0], **changes}, known["positions"][1]]
    answer = await put(either, caller, changed, read.headers["ETag"])
    assert answer.status == 200, answer.body
    assert computed(answer.json["positions"][0]) == expected
    assert computed(answer.json["positions"][1]) == computed(INVERSE)
    # A request that is sent twice has the same result.
    again = await put(either, caller, changed)
    assert again.json == answer.json
    assert await either.json("/api/portfolio", caller) == answer.json
    # A late one changes the snapshot of its time.
    await put(either, caller, {**PORTFOLIO, "as_of": None, "positions": []})
    past = await either.json("/api/portfolio", caller, as_of=known["as_of"])
    assert past["positions"] == answer.json["positions"]


async def test_a_past_portfolio_is_corrected_by_the_same_rule(either: Server) -> None:
    caller = await either.login()
    await put(either, caller, {**PORTFOLIO, "as_of": TIME})
    await put(either, caller, {**PORTFOLIO, "positions": []})
    past = await either.json("/api/portfolio", caller, as_of=TIME)
    past["positions"][0]["quantity"] = "20"
    await put(either, caller, past)
    corrected = await either.json("/api/portfolio", caller, as_of=TIME)
    assert computed(corrected["positions"][0]) == ["2200", 1.1, "200", 0.1]


async def test_a_wide_portfolio_follows_the_changes_too(either: Server) -> None:
    caller = await either.login()
    positions = [{**POSITION, "symbol": f"S{n % 30}"} for n in range(60)]  # each twice
    await put(either, caller, {**PORTFOLIO, "positions": positions})
    known = await either.json("/api/portfolio", caller)
    for position in known["positions"]:
        position["quantity"] = "1"
    answer = (await put(either, caller, known)).json
    assert [computed(p) for p in answer["positions"]] == [["110", 0.055, "10", 0.1]] * 60
    assert (await put(either, caller, known)).json == answer


async def test_another_process_computes_from_what_was_read_too(
    serve: Serve, shared_store: dict[str, Any]
) -> None:
    two = [await serve(**shared_store), await serve(**shared_store)]
    caller = await two[0].login()
    await put(two[1], caller, PORTFOLIO)
    for server, quantity, value in ((two[0], "20", "2200"), (two[1], "30", "3300")):
        known = await two[0].json("/api/portfolio", caller)
        known["positions"][0]["quantity"] = quantity
        answer = await put(server, caller, known)
        assert answer.json["positions"][0]["value"] == value


async def test_the_feed_and_the_client_compute_again_too(server: Server) -> None:
    stored = await server.feed.update_portfolio(PORTFOLIO)
    stored["positions"][0]["quantity"] = 20
    stored = await server.feed.update_portfolio({**stored, "as_of": None})
    assert stored["positions"][0]["value"] == 2200
    key = (await server.key("publish", "view_portfolio", "view_trades"))["X-API-Key"]
    async with DashboardClient(server.url, api_key=key) as api:
        portfolio = await api.portfolio()
        portfolio["positions"][0]["quantity"] = 30
        portfolio = await api.update_portfolio(portfolio, if_match=portfolio)
        assert portfolio["positions"][0]["value"] == 3300
        await api.record_trade(ORDER)
        trade = await api.trade("o1")
        assert (await api.record_trade({**trade, "status": "filled", "price": 101}))[
            "value"
        ] == 1010


STEPS: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str]]]] = {
    "filled": ([{"status": "filled"}], [("10", "1000")]),
    "price": ([{"status": "filled", "price": "101"}], [("10", "1010")]),
    "partly": (
        [
            {"status": "partially_filled", "filled_quantity": "4"},
            {"filled_quantity": "6", "price": "101"},
            {"status": "filled", "price": "102"},
        ],
        [("4", "400"), ("6", "606"), ("10", "1020")],
    ),
    "cancelled": (
        [{"status": "partially_filled", "filled_quantity": "4"}, {"status": "cancelled"}],
        [("4", "400"), ("4", "400")],
    ),
    "stated": ([{"status": "filled", "value": "7"}], [("10", "7")]),
}


@pytest.mark.parametrize("name", STEPS)
async def test_the_value_of_a_trade_follows_its_changes(either: Server, name: str) -> None:
    caller = await either.login()
    await ask(either, "POST", "/api/trades", caller, json=ORDER)
    for changes, expected in zip(*STEPS[name], strict=True):
        known = await either.json("/api/trades/o1", caller)
        changed = {**known, **changes}
        for _ in range(2):  # the second time it is a repeat
            answer = await ask(either, "POST", "/api/trades", caller, json=changed)
            assert answer.status == 200, answer.body
            assert (answer.json["filled_quantity"], answer.json["value"]) == expected


async def test_a_value_that_the_sender_of_a_trade_stated_is_kept(either: Server) -> None:
    caller = await either.login()
    await ask(either, "POST", "/api/trades", caller, json={**ORDER, "value": "0.2"})
    known = await either.json("/api/trades/o1", caller)
    filled = {**known, "status": "filled"}
    answer = await ask(either, "POST", "/api/trades", caller, json=filled)
    assert (answer.json["filled_quantity"], answer.json["value"]) == ("10", "0.2")
    problem(await ask(either, "POST", "/api/trades", caller, json={**filled, "value": "1"}), 409)
