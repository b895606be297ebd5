"""Orders that live: from pending to filled, and what brokers report afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.domain.errors import Conflict
from alphapulse_api.domain.orders import FINAL, STATUSES, completed
from alphapulse_api.storage.outbox import oldest, read
from alphapulse_api.storage.tables.trades import TradeDataAccessor
from tests.asking import ask, places, problem
from tests.conftest import Server
from tests.engines import at, connected
from tests.postgres import Postgres
from tests.socket_client import connect

ORDER = {"id": "o1", "symbol": "AAPL", "side": "buy", "quantity": "10", "order_type": "limit"}


async def post(server: Server, caller: Any, **fields: Any) -> Any:
    answer = await ask(server, "POST", "/api/trades", caller, json={**ORDER, **fields})
    assert answer.status in (200, 201), answer.body
    return answer.json


async def test_an_order_lives_and_everybody_sees_each_state_once(either: Server) -> None:
    caller = await either.key("publish")
    async with connect(either, caller) as client:
        await client.ask(type="subscribe", channels=["trades"])
        await post(either, caller, status="pending")
        await post(either, caller, status="open", order_id="v-1")
        first = {"status": "partially_filled", "filled_quantity": "4", "price": "100.10"}
        await post(either, caller, **first)
        again = await post(either, caller, **first)
        await post(either, caller, status="partially_filled", filled_quantity="7", price="100.20")
        last = await post(either, caller, status="filled", price="100.25", fee="1.50")
        events = [m["data"] for m in await client.settled() if m["type"] == "trade"]
    assert [(e["status"], e["filled_quantity"], e["price"], e["value"]) for e in events] == [
        ("pending", "0", None, None),
        ("open", "0", None, None),
        ("partially_filled", "4", "100.10", "400.40"),
        ("partially_filled", "7", "100.20", "701.40"),
        ("filled", "10", "100.25", "1002.50"),
    ]
    assert again == events[2]
    assert last == events[-1]
    assert [e["updated_at"] for e in events] == sorted({e["updated_at"] for e in events})
    trade = await either.json("/api/trades/o1", caller)
    history = trade.pop("history")
    assert trade == last
    assert trade["order_id"] == "v-1"
    assert [(s["status"], s["filled_quantity"], s["price"]) for s in history] == [
        (e["status"], e["filled_quantity"], e["price"]) for e in events
    ]
    assert [s["at"] for s in history] == [e["updated_at"] for e in events]
    assert await either.json("/api/trades", caller) == [last]


async def test_an_array_may_hold_an_orders_whole_life(either: Server) -> None:
    caller = await either.key("publish")
    states = [
        {**ORDER, "status": "open"},
        {**ORDER, "id": "o2", "status": "canceled", "quantity": "0"},
        {**ORDER, "status": "filled", "price": "99"},
    ]
    async with connect(either, caller) as client:
        await client.ask(type="subscribe", channels=["trades"])
        answer = await ask(either, "POST", "/api/trades", caller, json=states)
        assert answer.json == {"accepted": 3}
        events = [m["data"] for m in await client.settled() if m["type"] == "trade"]
        # The whole array again: repeats of earlier states and of the present ones.
        answer = await ask(either, "POST", "/api/trades", caller, json=states)
        assert answer.json == {"accepted": 3}
        assert not [m for m in await client.settled() if m["type"] == "trade"]
    assert [(e["id"], e["status"]) for e in events] == [
        ("o1", "open"), ("o2", "cancelled"), ("o1", "filled"),
    ]  # fmt: skip


async def test_a_state_never_goes_back(either: Server) -> None:
    caller = await either.key("publish")
    filled = await post(either, caller, status="filled", price="100")
    for change, reason in (
        ({"status": "open", "price": "100"}, "is filled, which is final"),
        ({"status": "cancelled"}, "is filled, which is final"),
        ({"price": "101"}, "another price"),
        ({"price": "100", "symbol": "MSFT"}, "another symbol"),
        ({"price": "100", "side": "sell"}, "another side"),
    ):
        answer = await ask(either, "POST", "/api/trades", caller, json={**ORDER, **change})
        assert reason in problem(answer, 409)["detail"]
    assert await either.json("/api/trades", caller) == [filled]


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"status": "cancelled"}, "names it in corrects."),
        ({"fee": "2"}, "names it in corrects."),
        ({"symbol": "MSFT"}, "build yours from all three."),
    ],
)
async def test_a_refusal_says_what_to_do_about_it(
    either: Server, change: dict[str, str], remedy: str
) -> None:
    caller = await either.key("publish")
    state = {**ORDER, "status": "filled", "price": "100", "fee": "1"}
    assert (await ask(either, "POST", "/api/trades", caller, json=state)).status == 201
    answer = await ask(either, "POST", "/api/trades", caller, json={**state, **change})
    assert problem(answer, 409)["detail"].endswith(remedy)


@pytest.mark.parametrize("status", ["filled", "cancelled", "open"])
async def test_a_commission_that_comes_late_is_added_once_and_sent(
    either: Server, status: str
) -> None:
    caller = await either.key("publish")
    state = {"status": status, "price": "100"}
    before = await post(either, caller, **state)
    facts = {
        "fee": "-0.25",
        "fees": [{"currency": "BNB", "amount": "0.0010"}],
        "metadata": {"venue": "X"},
        "decision_id": "d1",
        "decided_price": "99.90",
    }
    async with connect(either, caller) as client:
        await client.ask(type="subscribe", channels=["trades"])
        for name, value in facts.items():
            after = await post(either, caller, **state, **{name: value})
            assert after == await post(either, caller, **state, **{name: value})
            assert after[name] == value
        events = [m["data"] for m in await client.settled() if m["type"] == "trade"]
    assert len(events) == len(facts)
    assert events[-1] == after == await post(either, caller, **state)
    assert {**after, "updated_at": None} == {**before, **facts, "updated_at": None}
    for name, value in {"fee": "1", "metadata": {"venue": "Y"}, "decision_id": "d2"}.items():
        answer = await ask(
            either, "POST", "/api/trades", caller, json={**ORDER, **state, name: value}
        )
        assert f"another {name}" in problem(answer, 409)["detail"]
    trade = await either.json("/api/trades/o1", caller)
    assert [s["status"] for s in trade["history"]] == [status]


async def test_a_bust_is_a_trade_that_corrects_another(server: Server) -> None:
    caller = await server.key("publish")
    await post(server, caller, price="100")
    bust = await post(server, caller, id="o1-bust", status="cancelled", quantity="0", corrects="o1")
    assert (bust["corrects"], bust["quantity"], bust["price"]) == ("o1", "0", None)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"status": "filled"}, "/price"),
        ({"status": "partially_filled", "filled_quantity": "1"}, "/price"),
        ({"price": "1", "quantity": "0"}, "/quantity"),
        ({"status": "open", "quantity": "0"}, "/quantity"),
        ({"status": "pending", "quantity": "0"}, "/quantity"),
        ({"price": "1", "filled_quantity": "11"}, "/filled_quantity"),
        ({"price": "1", "status": "done"}, "/status"),
        ({"price": "1", "order_type": "Stop Limit"}, "/order_type"),
        ({"price": "1", "order_type": "limit\n"}, "/order_type"),
        ({"price": "1", "fees": [{"currency": "USD"}]}, "/fees/0/amount"),
        ({"price": "1", "fees": [{"currency": "USD", "amount": "x"}]}, "/fees/0/amount"),
        ({"price": "1", "fees": [{"currency": "A", "amount": 1}] * 33}, "/fees"),
        ({"price": "1", "corrects": "a b"}, "/corrects"),
        ({"price": "1", "corrects": "o1"}, "/corrects"),  # itself
    ],
)
async def test_what_no_order_can_be_is_refused(
    server: Server, fields: dict[str, Any], place: str
) -> None:
    caller = await server.key("publish")
    answer = await ask(server, "POST", "/api/trades", caller, json={**ORDER, **fields})
    assert places(answer) == [place]
    assert await server.json("/api/trades", caller) == []


async def test_any_word_of_the_field_is_an_order_type(server: Server) -> None:
    caller = await server.key("publish")
    for word in ("stop_loss_limit", "trailing_stop_market", "take_profit", "iceberg"):
        trade = await post(server, caller, id=word, order_type=word, price="1")
        assert trade["order_type"] == word
    assert (await post(server, caller, id="x", status="expired"))["status"] == "expired"
    frame = await ask(server, "GET", "/api/trades?format=csv&status=expired", caller)
    assert frame.body.count(b"\r\n") == 2


@pytest.fixture
async def two(postgres: Postgres) -> AsyncIterator[list[Any]]:
    """Two processes on one database."""
    url = await postgres.emptied()
    async with connected(url) as one, connected(url) as other:
        yield [one, other]


async def test_two_processes_that_advance_one_order_agree_on_its_life(two: list[Any]) -> None:
    stores = [TradeDataAccessor(engine) for engine in two]
    order = {"symbol": "AAPL", "side": "buy", "quantity": Decimal(10), "price": Decimal(1)}

    async def say(store: TradeDataAccessor, id_: str, status: str, **fields: Any) -> bool:
        trade, server_set = completed({**order, "id": id_, "status": status, **fields}, at(0))
        try:
            await store.add_trades([trade], server_set=[server_set], one=True)
        except Conflict:
            return False
        return True

    for n in range(15):
        said = await asyncio.gather(
            *(
                say(stores[i % 2], f"o{n}", status)
                for i, status in enumerate(
                    ("filled", "pending", "open", "cancelled", "expired", "open", "pending")
                )
            )
        )
        trades = [await store.get_trade(f"o{n}") for store in stores]
        assert trades[0] == trades[1]
        trade = trades[0]
        assert trade["status"] in FINAL
        # One final state was taken, and states only ever advanced.
        assert sum(said[i] for i in (0, 3, 4)) == 1
        ranks = [min(STATUSES.index(s["status"]), 3) for s in trade["history"]]
        assert ranks == sorted(set(ranks))
        ids = list(await oldest(two[0], 1000))
        rows = [row for row in await read(two[0], ids) if row.record_id == f"o{n}"]
        assert [row.revision for row in rows] == list(range(len(trade["history"])))
        assert [row.id for row in rows] == sorted(row.id for row in rows)


async def test_what_was_read_may_be_sent_back(server: Server) -> None:
    caller = await server.key("publish")
    fees = [{"currency": "BNB", "amount": "0.10"}]
    await post(server, caller, status="partially_filled", price="1", filled_quantity="2", fees=fees)
    trade = await server.json("/api/trades/o1", caller)
    assert (await ask(server, "POST", "/api/trades", caller, json=trade)).status == 200
    table = await ask(server, "GET", "/api/trades?format=csv", caller)
    headers = {"Content-Type": "text/csv"}
    answer = await ask(server, "POST", "/api/trades", caller, data=table.body, headers=headers)
    assert answer.json == {"accepted": 1}
    assert await server.json("/api/trades/o1", caller) == trade
