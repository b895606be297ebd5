"""Every answer is as the OpenAPI document says, and what the document says occurs."""

from __future__ import annotations

from typing import Any, Final

from alphapulse_api.config import RateLimitConfig
from alphapulse_api.http.codecs.formats import EXPORTED
from alphapulse_api.http.spec.examples import REQUESTS
from tests.asking import (
    ALERT,
    DECISION,
    OBEDIENT,
    POINT,
    RULE,
    SAMPLE,
    SIGNAL,
    SILENCE,
    TRADE,
    USAGE,
    Answer,
    ask,
)
from tests.books import open_books
from tests.conftest import PASSWORD, Serve, Server
from tests.described import Described
from tests.http.test_access import make_rule
from tests.notifications import add_notifications, add_silence, notification
from tests.provocations import LISTED, TOKEN_ROW, callers_of, lines_of, path_of, provocations
from tests.webhooks import alertmanager, grafana

# Headers that an answer has only in some cases.
OCCASIONAL: Final = frozenset({"Age", "Link", "X-Next-Cursor", "X-Approximate"})
SIDES = ("buy", "sell")


async def test_every_answer_is_as_described(serve: Serve) -> None:
    server = await serve(rate_limit=RateLimitConfig(requests_per_minute=10_000))
    described = Described((await ask(server, "GET", "/openapi.json")).json, closed=True)
    admin = await server.login()
    seen: set[tuple[str, str]] = set()
    absent: list[tuple[str, str, int, set[str]]] = []

    async def check(method: str, path: str, caller: Any = admin, **kwargs: Any) -> Answer:
        answer = await ask(server, method, path, caller, **kwargs)
        described.check(method, path, answer)
        if answer.status < 400:
            plain, operation = described.find(method, path)
            seen.add((method, plain))
            headers = set(operation["responses"][str(answer.status)]["headers"]) - OCCASIONAL
            if missing := {name for name in headers if name not in answer.headers}:
                absent.append((method, path, answer.status, missing))
        return answer

    await check("GET", "/api/portfolio")  # 404
    position = {"symbol": "A", "quantity": 1, "side": "short", "current_price": 2}
    portfolio = {"total_value": 1, "cash": "-1", "positions": [position, {**position, "value": 1}]}
    portfolio["performance"] = {"sharpe": None, "sortino": 1}
    await check("PUT", "/api/portfolio", json=portfolio)
    await check("GET", "/api/portfolio?include_history=true")
    await check("PUT", "/api/books/x1", json={"mode": "paper"})
    await check("PUT", "/api/books/x1", json={"closed": True, "title": "closed"})
    await check("POST", "/api/trades", json={**TRADE, "id": "x1"})
    await check("POST", "/api/trades", json={**TRADE, "id": "x1"})  # 200, a repeat
    await check("POST", "/api/trades", json={**TRADE, "id": "x1", "price": 1})  # 409
    await check("PUT", "/api/trades/x1", json=TRADE)  # 200
    await check("PUT", "/api/trades/x2", json=TRADE)
    pending = {"symbol": "A", "side": "sell", "quantity": 1, "status": "pending"}
    await check("POST", "/api/trades", json=pending)
    await check("POST", "/api/trades", json={**TRADE, "fee": -1, "metadata": {"a": [1]}})
    await check("POST", "/api/alerts", json={**ALERT, "id": "x1", "metric_value": None})
    for path, record in (
        ("/api/trades/batch", TRADE),
        ("/api/metrics/batch", POINT),
        ("/api/alerts/batch", ALERT),
        ("/api/agents/x1/signals/batch", SIGNAL),
        ("/api/decisions/batch", DECISION),
        ("/api/usage/batch", USAGE),
        ("/api/system/batch", SAMPLE),
    ):
        await check("POST", path, json=[record])
        await check("POST", f"{path}?on_error=continue", json=[record, {}, {**record, "x": 1}])
        await check("POST", path, json=[{}])  # 422
    await check("POST", "/api/metrics", json=[POINT, {**POINT, "name": "b", "value": None}])
    await check("PUT", "/api/agents/x1", json={"metrics": {"a": None}, **OBEDIENT})
    await check("POST", "/api/agents/x1/commands", json={"id": "x1", "name": "pause"})
    await check("POST", "/api/agents/x1/commands", json={"id": "x1", "name": "pause"})  # 200
    await check("POST", "/api/agents/x1/commands", json={"id": "x1", "name": "halt"})  # 409
    await check("POST", "/api/agents/x1/commands", json={"name": "dance"})  # 422
    await check("POST", "/api/commands/halt", json={"reason": "r"})
    await check("GET", "/api/commands/x1?wait=0")
    await check("POST", "/api/agents/x1/signals", json={**SIGNAL, "target_price": "1.50"})
    signal = {**REQUESTS["SignalRequest"], "id": "s-1"}
    await check("POST", "/api/agents/x1/signals", json=signal)
    await check("GET", "/api/agents/x1/signals/s-1")
    await check("GET", "/api/agents/x1/record")
    parts = {"signals": [SIGNAL], "trades": [{**TRADE, "id": "t-9"}]}
    decision = {**REQUESTS["DecisionRequest"], "id": "d-9", **parts}
    await check("POST", "/api/decisions", json=decision)
    await check("POST", "/api/decisions", json=decision)  # 200, a repeat
    await check("POST", "/api/decisions", json={**decision, "votes": []})  # 409
    await check("POST", "/api/usage", json={**USAGE, "id": "u-9", "cost": "1", "currency": "USD"})
    rule = {**REQUESTS["RuleRequest"], "id": "x1"}
    await check("POST", "/api/rules", json=rule)
    await check("POST", "/api/rules", json=rule)  # 200, a repeat
    await check("POST", "/api/rules", json={**rule, "name": "another"})  # 409
    await check("PUT", "/api/rules/x1", json={**RULE, "threshold_series": None})
    await check("POST", "/api/rules/test", json=REQUESTS["RuleTest"])
    await check(
        "PUT",
        "/api/rules/x2",
        json={"name": "Quiet", "watch": "agent", "function": "silence", "window": "5m"},
    )
    await check("DELETE", "/api/rules/x2")
    await check("GET", "/api/decisions")
    await check("GET", "/api/decisions/d-9")
    await check("GET", "/api/decisions/d-9?expand=signals,trades,cost,profit")
    await check("GET", "/api/trades/t-9/why")
    await check("GET", "/api/trades/x1/why")
    await check("POST", "/api/trades", json={**TRADE, "side": "sell", "quantity": 99, "fee": 1})
    for group in ("symbol", "strategy", "agent", "day", "week", "month"):
        assert (await check("GET", f"/api/pnl?group_by={group}")).json
    sample = {"component": "feed", "status": "error", "message": None, "metrics": {"lag": 0.1}}
    await check("POST", "/api/system", json=sample)
    await check("POST", "/webhooks/alertmanager", json=alertmanager({}))
    await check("POST", "/webhooks/alertmanager", json={"alerts": [{}]})  # 422
    await check("POST", "/webhooks/grafana", json=grafana())
    await check("POST", "/webhooks/freqtrade", json={"event": "warning", "message": "m"})
    await check("POST", "/webhooks/freqtrade", json={"event": "entry"})  # 422
    await check("POST", "/webhooks/tradingview", json={"ticker": "A", "action": "buy"})
    await check("POST", "/webhooks/tradingview", json={"action": "buy"})  # 422
    _, token = await server.dashboard.accounts.create_api_key("tv", {"webhook"})
    await check("POST", f"/webhooks/tradingview/{token}", None, json={"message": "hello"})
    await check("POST", "/webhooks/tradingview/none", None, json={"message": "hello"})  # 401
    await add_notifications(
        server.backend.engine, notification("n1"), notification("n2", book=None)
    )
    await check("POST", "/api/silences", json={**SILENCE, "id": "x1"})
    await check("POST", "/api/silences", json={**SILENCE, "id": "x1"})  # 200, a repeat
    await check("POST", "/api/silences", json={**SILENCE, "matchers": {"labels": ["a:b"]}})
    await check("POST", "/api/silences", json={**SILENCE, "matchers": {}})  # 422
    await check("DELETE", "/api/silences/x1")
    await check("POST", "/api/alerts/x1/acknowledge")
    await check("POST", "/api/alerts/x1/resolve", json={})
    form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
    pair = (await check("POST", "/token", None, data=form)).json
    await check("POST", "/token", None, data={"grant_type": "x"})
    await check("POST", "/token", None, data={**form, "password": "wrong"})
    for row in LISTED:
        if row.method == "GET":
            await check("GET", path_of(row))
        if row.export:
            for form in EXPORTED:
                await check("GET", f"{path_of(row)}?format={form}")
        if row.body_in_lines:
            await check("POST", path_of(row), **lines_of(row))
    await check("GET", "/api/metrics/risk?aggregation=avg,p99,count,stddev")
    await check("POST", "/token/revoke", None, data={"token": pair["refresh_token"]})
    assert seen == {(row.method, row.path) for row in LISTED}
    assert absent == []


async def test_every_failure_that_is_described_occurs(serve: Serve) -> None:
    server = await serve(
        rate_limit=RateLimitConfig(requests_per_minute=10_000), rules=({**RULE, "id": "main"},)
    )
    described = Described((await ask(server, "GET", "/openapi.json")).json, closed=True)
    callers = await callers_of(server)
    portfolio = await ask(server, "GET", "/api/portfolio", callers["admin"])
    await server.feed.update_portfolio({"total_value": 1, "cash": 1})
    await server.feed.raise_alert({**ALERT, "id": "x1"})
    await server.feed.record_trade({**TRADE, "id": "x1"})
    await server.feed.update_agent("x1", OBEDIENT)
    await server.feed.record_signal("x1", {**SIGNAL, "id": "x1"})
    await server.feed.send_command("x1", {"id": "x1", "name": "pause"})
    await server.feed.record_decision({**DECISION, "id": "x1"})
    await add_silence(server.backend.accessors, "x1")
    await make_rule(server, "x1")
    await server.feed.open_book("x1", mode="paper")
    await open_books(server, "beta")
    for book in ("main", "beta"):
        await server.feed.raise_alert({**ALERT, "id": "x2", "book": book})
        await server.feed.record_trade({**TRADE, "id": "x2", "book": book})
        await server.feed.record_signal("x2", {**SIGNAL, "id": "x2", "book": book})
        await server.feed.record_decision({**DECISION, "id": "x2", "book": book})
    missing = {}
    for row in LISTED:
        _, operation = described.find(row.method, row.path)
        statuses = {status for status in described.statuses(operation) if status >= 300}
        seen = {portfolio.status} if operation["operationId"] == "getPortfolio" else set()
        for path, caller, options in provocations(row, callers):
            answer = await ask(server, row.method, path, caller, **options)
            described.check(row.method, path, answer)
            seen.add(answer.status)
        missing[row.operation] = statuses - seen - {429, 503}
    assert {name: statuses for name, statuses in missing.items() if statuses} == {}


async def test_a_page_has_as_many_rows_as_its_limit_s_default(server: Server) -> None:
    described = Described((await ask(server, "GET", "/openapi.json")).json)
    caller, feed = await server.login(), server.feed
    await feed.record_metrics([{**POINT, "name": f"n{n}"} for n in range(1001)])
    await feed.record_trades([TRADE] * 101)
    closed = [{**TRADE, "symbol": f"s{n}", "side": side} for n in range(101) for side in SIDES]
    await feed.record_trades(closed)
    for number in range(101):
        await feed.record_usage({**USAGE, "agent_id": f"agent-{number}"})
        await feed.raise_alert(ALERT)
        await feed.record_signal("x1", SIGNAL)
        await feed.update_agent("x1", OBEDIENT)
        await feed.send_command("x1", {"name": "pause"})
        await feed.record_decision(DECISION)
        await feed.update_agent(f"agent-{number}", {})
        await feed.open_book(f"book-{number}", mode="paper")
        await feed.report_system({"component": f"c{number}", "status": "healthy"})
        await add_silence(server.backend.accessors, f"si-{number}")
        await add_notifications(server.backend.engine, notification(f"n-{number}"))
        await make_rule(server, f"r-{number}")
    pages = 0
    for row in LISTED:
        for parameter in described.find(row.method, row.path)[1]["parameters"]:
            if parameter["name"] == "limit":
                page = (await ask(server, "GET", path_of(row), caller)).json
                assert len(page) == parameter["schema"]["default"], row.path
                pages += 1
    assert pages == len([row for row in LISTED if row.pages])


async def test_every_caller_has_a_quota_as_described(serve: Serve) -> None:
    server = await serve(rate_limit=RateLimitConfig(requests_per_minute=1))
    described = Described((await ask(server, "GET", "/openapi.json")).json, closed=True)
    callers = await callers_of(server)
    spent = callers["admin"], None
    await ask(server, "GET", "/api/me", spent[0])
    await ask(server, "POST", path_of(TOKEN_ROW, callers), json={"message": "hello"})
    limited = set()
    for row in LISTED:
        caller = spent[row.by_token]
        answer = await ask(server, row.method, path_of(row, callers), caller)
        if answer.status == 429:
            described.check(row.method, path_of(row, callers), answer)
            assert answer.headers["Retry-After"]
            assert answer.headers["RateLimit"]
            limited.add(row.operation)
    assert limited == {row.operation for row in LISTED if row.counted}
