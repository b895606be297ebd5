"""Nothing a reader sends grows without a bound, in memory or in Redis."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from alphapulse_api.cache import base
from alphapulse_api.config import CacheConfig, RateLimitConfig
from alphapulse_api.http import query
from alphapulse_api.http.pipeline import fast_path
from tests import view
from tests.asking import POINT, ask
from tests.conftest import Serve, Server

PREFIX = "{alphapulse}:"


async def test_unknown_metric_types_leave_nothing_for_ever_in_redis(
    serve: Serve,
    redis_url: str,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "SLOTS", 4)
    server = await serve(
        cache=CacheConfig(type="redis", redis_url=redis_url),
        rate_limit=RateLimitConfig(requests_per_minute=10_000),
    )
    caller = await server.key()
    await server.feed.record_metrics(POINT)
    for number in range(60):
        for path in (f"/api/metrics/type_{number}", f"/api/metrics/risk?name={number}"):
            await ask(server, "GET", path, caller)
    await ask(server, "GET", f"/api/metrics/{'x' * 200}", caller)
    assert redis_client.hlen(f"{PREFIX}versions") <= 4 + 8
    for key in redis_client.scan_iter(f"{PREFIX}*"):
        assert redis_client.ttl(key) > 0, key


async def test_what_was_asked_is_remembered_within_bounds(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "REMEMBERED", 8)
    monkeypatch.setattr(fast_path, "REMEMBERED", 8)
    caller = await server.key()
    seen: list[Any] = []
    for kind, name in ((query.Questions, "ask"), (fast_path.FastPath, "learn")):
        method = getattr(kind, name)

        def watched(self: Any, *args: Any, _method: Any = method) -> Any:
            seen.append(self)
            return _method(self, *args)

        monkeypatch.setattr(kind, name, watched)
    for _ in range(2):
        await ask(server, "GET", "/api/trades", caller)
    (questions,) = {
        id(o): view.questions(o) for o in seen if isinstance(o, query.Questions)
    }.values()
    fast_paths = {id(o): o for o in seen if isinstance(o, fast_path.FastPath)}
    (plans,) = map(view.plans, fast_paths.values())
    for number in range(20):
        for _ in range(3):
            await ask(server, "GET", f"/api/metrics/risk?name={number}", caller)
        assert 1 <= len(questions) <= 8
        assert 1 <= len(plans) <= 8
    questions.clear()
    plans.clear()
    long = "&".join(f"label=k{n}:{'v' * 200}" for n in range(16))
    accept = ",".join(f"x/{n}" for n in range(900))
    for headers, path in (
        ({}, f"/api/metrics/risk?{long}"),
        ({"Accept": f"{accept},*/*"}, "/api/metrics/risk"),
        ({"Accept-Encoding": accept}, "/api/metrics/risk"),
    ):
        for _ in range(3):
            answer = await ask(server, "GET", path, {**caller, **headers})
            assert answer.status == 200
    assert not questions
    assert sum(len(part or "") for plan in plans for part in plan) <= 3 * fast_path.LONGEST_ASKED
