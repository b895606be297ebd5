"""The portfolio over HTTP: before the first update, now, and in the past."""

from __future__ import annotations

import time
from typing import Any

from tests.asking import PORTFOLIO, ask, places, problem
from tests.conftest import Server


async def test_there_is_no_portfolio_before_the_first_update(server: Server) -> None:
    caller = await server.key("publish")
    problem(await ask(server, "GET", "/api/portfolio", caller), 404)
    position = {"symbol": "AAPL", "quantity": "10", "entry_price": "100", "current_price": "110"}
    answer = await ask(
        server, "PUT", "/api/portfolio", caller, json={**PORTFOLIO, "positions": [position]}
    )
    shown = answer.json
    assert shown["stale"] is False
    assert "history" not in shown
    (held,) = shown["positions"]
    assert (held["value"], held["unrealized_pnl"], held["unrealized_pnl_pct"]) == (
        "1100", "100", 0.1,
    )  # fmt: skip
    assert (await server.json("/api/portfolio", caller)) == shown
    with_history = await server.json("/api/portfolio?include_history=true", caller)
    (point,) = with_history.pop("history")
    assert with_history == shown
    assert set(point) == {"timestamp", "total_value", "cash", "positions_value"}


async def test_the_portfolio_of_a_past_time_is_shown_as_it_was_held(server: Server) -> None:
    caller = await server.key("publish")

    async def put(second: int, quantity: str) -> dict[str, Any]:
        position = {"symbol": "AAPL", "quantity": quantity, "current_price": "2"}
        as_of = f"2026-03-01T12:00:{second:02}.000000Z"
        body = {**PORTFOLIO, "positions": [position], "as_of": as_of}
        return dict((await ask(server, "PUT", "/api/portfolio", caller, json=body)).json)

    async def held(second: int, more: str = "") -> Any:
        path = f"/api/portfolio?as_of=2026-03-01T12:00:{second:02}Z{more}"
        answer = await ask(server, "GET", path, caller)
        assert answer.status == 200
        return answer.headers["X-Cache"], answer.json

    first, last = await put(10, "1"), await put(30, "2.50")
    assert first["stale"] is True  # today; then it was not
    assert await held(20) == ("MISS", {**first, "stale": False})
    assert await held(20) == ("HIT", {**first, "stale": False})
    assert (await held(30))[1] == {**last, "stale": False}
    late = await put(15, "7")
    state, shown = await held(20, "&include_history=true")
    points = shown.pop("history")
    assert (state, shown) == ("MISS", {**late, "stale": False})
    assert [point["timestamp"][17:19] for point in points] == ["10", "15"]
    assert (await held(20))[0] == "MISS", "a late snapshot changes the past"

    refused = await ask(server, "GET", "/api/portfolio?as_of=2026-03-01T12:00:09Z", caller)
    problem(refused, 404)
    assert "the oldest that is kept is of 2026-03-01T12:00:10" in refused.json["detail"]
    for query in ("as_of=now", "as_of=2026-03-01T12:00:20Z&end_time=2026-03-02T00:00:00Z",
                  "as_of=2026-03-01T12:00:20Z&start_time=2026-03-02T00:00:00Z"):  # fmt: skip
        answer = await ask(server, "GET", f"/api/portfolio?{query}", caller)
        assert places(answer) == [query.rpartition("&")[2].partition("=")[0]]


async def test_a_portfolio_from_the_future_is_refused(server: Server) -> None:
    caller = await server.key("publish")
    ahead = {"total_value": "1", "cash": "1", "as_of": time.time() + 3600}
    answer = await ask(server, "PUT", "/api/portfolio", caller, json=ahead)
    assert places(answer) == ["/as_of"]
    slightly = {**ahead, "as_of": time.time() + 60}
    assert (await ask(server, "PUT", "/api/portfolio", caller, json=slightly)).status == 200


async def test_a_missing_portfolio_can_be_waited_for(server: Server) -> None:
    answer = await ask(server, "GET", "/api/portfolio", await server.key())
    assert answer.status == 404
    assert answer.headers["X-Stream-Cursor"]
