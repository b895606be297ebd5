"""Nonsense at every route: always an answer, never a 5xx, and a problem where it is refused."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alphapulse_api.config import AuthConfig
from alphapulse_api.http.route_table import ROWS
from tests.asking import (
    ALERT,
    DECISION,
    POINT,
    PORTFOLIO,
    RULE,
    RULE_TEST,
    SAMPLE,
    SIGNAL,
    SILENCE,
    TRADE,
    USAGE,
    Answer,
    ask,
    problem,
)
from tests.conftest import Serve, Server
from tests.http.test_access import make_rule
from tests.notifications import add_silence
from tests.webhooks import alertmanager, grafana

GETS = [row for row in ROWS if row.method == "GET" and row.handler is not None]
WRITES = [row for row in ROWS if row.method in ("POST", "PUT") and "{token}" not in row.path]
OWN_REFUSALS = [row for row in ROWS if row.refusal is not None]
SEEDS: dict[str, Any] = {
    "/api/trades": TRADE,
    "/api/trades/{id}": TRADE,
    "/api/alerts": ALERT,
    "/api/metrics": {**POINT, "labels": {"a": "b"}},
    "/api/portfolio": {**PORTFOLIO, "positions": [{"symbol": "A", "quantity": 1, "side": "short"}]},
    "/api/system": SAMPLE,
    "/api/agents/{id}": {"agent_type": "a", "state": "active", "metrics": {"a": 1}, "commands": []},
    "/api/agents/{id}/signals": SIGNAL,
    "/api/agents/{id}/commands": {"name": "pause", "reason": "r", "ttl": 5},
    "/api/commands/halt": {"reason": "r"},
    "/api/books/{id}": {"title": "t"},
    "/api/decisions": DECISION,
    "/api/usage": USAGE,
    "/api/silences": SILENCE,
    "/api/rules": RULE,
    "/api/rules/{id}": RULE,
    "/api/rules/test": RULE_TEST,
    "/api/alerts/{id}/acknowledge": {"comments": "c", "user": "u"},
    "/api/alerts/{id}/resolve": {},
    "/webhooks/alertmanager": alertmanager({}, {"fingerprint": "f2"}),
    "/webhooks/grafana": grafana(),
    "/webhooks/freqtrade": {
        "event": "exit_fill",
        "bot": "b",
        "trade_id": "1",
        "pair": "A/B",
        "direction": "Long",
        "order_type": "limit",
        "amount": "1",
        "rate": "2",
        "profit_amount": "1",
    },
    "/webhooks/tradingview": {"message": "hello", "ticker": "A", "action": "buy"},
}
SEEDS |= {f"{path}/batch": seed for path, seed in SEEDS.items() if path.startswith("/api/")}
WORDS = sorted(
    {name for row in ROWS for name in row.query().fields}
    | {name for row in ROWS if row.body for name in row.body().fields}
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([
        10**400, -(2**63), 2**64, 1e308, 5e-324, -0.0, "NaN", "1e99", "-0", "\x00", "\ud800", "{0}",
        "{a!r}", "%s", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", 253402300800, -62135596801,
    ])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
# A field by its number, so that it is one of the record's own; or else any word.
CHANGES = st.lists(
    st.tuples(st.integers(0, 40) | st.sampled_from(WORDS), VALUES), min_size=1, max_size=2
)
BROKEN_JSON = st.sampled_from([
    b"[" * 100_000, b'{"a":' * 5_000, b"1" * 5_000, b"1e99999999999999999999", b'"\\ud800"', b"-",
    b"NaN", b"[NaN]", b'{"a":1,"a":2}', b"\xef\xbb\xbf{}", b"\x00", b"1e999999999",
])  # fmt: skip
QUERY_VALUES = (
    st.text(max_size=40) | st.integers().map(str) | st.floats().map(str) | st.sampled_from([
        "2026-01-01T00:00:00Z", "2026-01-01T00:00:00 00:00", "0001-01-01T00:00:00Z", "1e9",
        "9999-12-31T23:59:59Z", "avg,p99", "auto", "1s", "9999999999999999w", "a:b", "WzEsMV0",
        "W10", "WzEsIngiXQ", "WzkyMjMzNzIwMzY4NTQ3NzU4MDgsMV0", "true", "info,critical", "csv",
        "arrow",
    ])
)  # fmt: skip
TYPES = st.sampled_from([
    "application/json", "application/json; charset=utf-16", "application/x-www-form-urlencoded",
    "text/plain", "", "a/b;c", "application/x-ndjson", "text/csv",
])  # fmt: skip


async def _nonsense(
    server: Server,
    arguments: st.SearchStrategy[Any],
    act: Callable[[Any], Awaitable[Answer]],
    examples: int,
) -> None:
    """Hypothesis is synchronous: its examples are drawn in a thread, and acted on in the loop."""
    loop = asyncio.get_running_loop()

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(arguments)
    def run(example: Any) -> None:
        work = asyncio.wait_for(act(example), 10)
        answer = asyncio.run_coroutine_threadsafe(work, loop).result()
        assert answer.status < 500, (example, answer.body)
        if answer.status >= 400 and example[0] not in OWN_REFUSALS:
            problem(answer, answer.status)

    await asyncio.to_thread(run)


async def _callers(serve: Serve) -> tuple[Server, dict[str, str]]:
    server = await serve(auth=AuthConfig(jwt_secret="x" * 64))
    await server.feed.raise_alert({**ALERT, "id": "x1"})
    await server.feed.record_metrics(POINT)
    await server.feed.update_portfolio(PORTFOLIO)
    await server.feed.record_signal("x1", SIGNAL)
    await server.feed.record_decision({**DECISION, "id": "x1"})
    return server, await server.login("admin")


def _path(path: str) -> str:
    return path.replace("{id}", "x1").replace("{signal_id}", "x1").replace("{metric_type}", "risk")


async def test_no_body_of_a_write_is_too_much(serve: Serve) -> None:
    server, admin = await _callers(serve)

    async def write(example: tuple[Any, bytes, str]) -> Answer:
        row, body, kind = example
        headers = {**admin, "Content-Type": kind}
        return await ask(server, row.method, _path(row.path), headers=headers, data=body)

    bodies = VALUES.map(_dumps) | st.binary(max_size=100) | BROKEN_JSON
    await _nonsense(server, st.tuples(st.sampled_from(WRITES), bodies, TYPES), write, 120)


async def test_no_field_of_a_record_is_too_much(serve: Serve) -> None:
    """Records that are right but for one or two fields get furthest."""
    server, admin = await _callers(serve)
    headers = {**admin, "Content-Type": "application/json"}

    async def write(example: tuple[Any, list[tuple[Any, Any]], bool]) -> Answer:
        row, changes, several = example
        names = list(row.body().fields) or ["x"]
        record = copy.deepcopy(SEEDS[row.path])
        for field, value in changes:
            record[names[field % len(names)] if isinstance(field, int) else field] = value
        body = (
            [record, record] if row.body_is_array or (several and row.body_may_be_array) else record
        )
        return await ask(server, row.method, _path(row.path), headers=headers, data=_dumps(body))

    for path, record in (("/api/books/x1", {"mode": "paper"}), ("/api/trades/x1", TRADE)):
        assert (await ask(server, "PUT", path, admin, json=record)).status in (200, 201)
    await add_silence(server.backend.accessors, "x1")
    await make_rule(server)
    rows = st.sampled_from([row for row in WRITES if row.body and not row.body_in_lines])
    await _nonsense(server, st.tuples(rows, CHANGES, st.booleans()), write, 200)
    # What was taken can be read.
    for row in GETS:
        answer = await ask(server, "GET", _path(row.path), admin)
        absent = row.path == "/api/commands/{id}" or "{signal_id}" in row.path
        assert answer.status == (404 if absent else 200), row.path
        if not row.export:
            json.loads(answer.body)


async def test_no_query_is_too_much(serve: Serve) -> None:
    server, admin = await _callers(serve)

    async def read(example: tuple[Any, list[tuple[Any, str]]]) -> Answer:
        row, pairs = example
        names = sorted(row.query().fields) or ["x"]
        query = [(names[n % len(names)] if isinstance(n, int) else n, v) for n, v in pairs]
        return await ask(server, "GET", _path(row.path), admin, params=query)

    words = st.integers(0, 40) | st.sampled_from(WORDS) | st.text(min_size=1, max_size=5)
    pairs = st.lists(st.tuples(words, QUERY_VALUES), max_size=4)
    await _nonsense(server, st.tuples(st.sampled_from(GETS), pairs), read, 200)


async def test_no_path_and_no_header_is_too_much(serve: Serve) -> None:
    server, admin = await _callers(serve)
    names = st.sampled_from([
        "Accept", "Authorization", "X-API-Key", "If-None-Match", "Cache-Control", "Origin",
        "X-Request-ID", "X-Forwarded-For", "Access-Control-Request-Method", "Content-Type",
        "Accept-Encoding",
    ])  # fmt: skip
    values = st.sampled_from([
        "Bearer ", "Bearer a.b.c", "http://[", "null", "W/", '"', "*", "q=x", "gzip",
        "identity;q=0",
    ])  # fmt: skip
    values |= st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))
    methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
    paths = st.sampled_from([_path(row.path) for row in ROWS])
    paths |= st.text(max_size=20).map(lambda text: f"/api/{text}")
    own_refusals = {row.path for row in OWN_REFUSALS}

    async def call(example: tuple[str, str, dict[str, str]]) -> Answer:
        method, path, headers = example
        answer = await ask(server, method, path, {**admin, **headers})
        # A HEAD's refusal has no body, to which its type would have to fit.
        other = method == "HEAD" or path in own_refusals
        return answer._replace(status=min(answer.status, 399)) if other else answer

    headers = st.dictionaries(names, values, max_size=3)
    await _nonsense(server, st.tuples(methods, paths, headers), call, 120)


def _dumps(value: Any) -> bytes:
    return json.dumps(value).encode()
