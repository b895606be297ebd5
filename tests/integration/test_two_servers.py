"""Two servers on one database and one Redis are one service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from alphapulse_api.auth.throttles import SECRETS
from alphapulse_api.config import CacheConfig, EventsConfig, RateLimitConfig, WebSocketConfig
from alphapulse_api.runtime import redis as redis_link
from tests.asking import ALERT, POINT, PORTFOLIO, SAMPLE, SIGNAL, TRADE, Answer, ask, problem
from tests.conftest import PASSWORD, Serve, Server
from tests.socket_client import connect
from tests.throttling import forgive_nothing
from tests.waiting import until

Pair = Callable[..., Awaitable[tuple[Server, Server]]]
SECONDS = 5.0  # in which a revocation takes hold everywhere


@pytest.fixture
def pair(
    serve: Serve,
    redis_url: str,
    shared_store: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Pair:
    """Start two, for which a slow Redis is not one that is away."""
    monkeypatch.setattr(redis_link, "CALL_SECONDS", 60.0)

    async def start(**sections: Any) -> tuple[Server, Server]:
        shared = {
            **shared_store,
            "cache": CacheConfig(type="redis", redis_url=redis_url),
            "events": EventsConfig(type="redis", redis_url=redis_url),
            **sections,
        }
        return await serve(**shared), await serve(**shared)

    return start


async def get(server: Server, path: str, caller: dict[str, str]) -> Answer:
    answer = await ask(server, "GET", path, caller)
    assert answer.status == 200, answer.body
    return answer


async def test_what_one_has_computed_the_other_need_not(pair: Pair) -> None:
    one, two = await pair()
    await one.feed.record_trade(TRADE)
    caller = await one.key()
    computed = await get(one, "/api/trades", caller)
    found = await get(two, "/api/trades", caller)
    assert (computed.headers["X-Cache"], found.headers["X-Cache"]) == ("MISS", "HIT")
    assert computed.body == found.body
    for name in ("ETag", "Content-Type", "Cache-Control", "Vary", "X-Stream-Cursor"):
        assert computed.headers[name] == found.headers[name]


@pytest.mark.parametrize(
    ("path", "write"),
    [
        ("/api/trades", lambda feed: feed.record_trade(TRADE)),
        ("/api/alerts", lambda feed: feed.raise_alert(ALERT)),
        ("/api/metrics", lambda feed: feed.record_metrics(POINT)),
        ("/api/metrics/risk", lambda feed: feed.record_metrics([POINT])),
        ("/api/agents", lambda feed: feed.record_signal("x1", SIGNAL)),
        ("/api/system?component=feed", lambda feed: feed.report_system(SAMPLE)),
        ("/api/portfolio", lambda feed: feed.update_portfolio(PORTFOLIO)),
    ],
)
async def test_what_one_writes_the_next_read_of_the_other_shows(
    pair: Pair, path: str, write: Callable[[Any], Awaitable[Any]]
) -> None:
    one, two = await pair()
    caller = await one.key()
    for writer, reader in ((one, two), (two, one)):
        before = await ask(reader, "GET", path, caller)
        await write(writer.feed)
        assert (await get(reader, path, caller)).body != before.body


async def test_an_answer_and_what_follows_its_cursor_are_everything(pair: Pair) -> None:
    """Also where another process computed the answer, and published newer events meanwhile."""
    one, two = await pair()
    caller = await one.key()
    written: list[str] = []
    answers: list[Answer] = []

    async def write(server: Server, number: int) -> None:
        for n in range(40):
            trade = await server.feed.record_trade({**TRADE, "id": f"{number}-{n}"})
            written.append(trade["id"])

    async def read(server: Server) -> None:
        while len(written) < 80:
            answers.append(await get(server, "/api/trades?limit=1000", caller))

    await asyncio.gather(write(one, 1), write(two, 2), read(one), read(two), read(two))
    assert {"HIT", "MISS"} <= {answer.headers["X-Cache"] for answer in answers}
    async with connect(two, caller) as client:
        for answer in answers[:: len(answers) // 15 + 1]:
            since = {"trades": answer.headers["X-Stream-Cursor"]}
            ack = await client.ask(type="subscribe", channels=["trades"], since=since)
            assert ack["channels"]["trades"]["resumed"] is True
            replayed = await client.receive_many(ack["channels"]["trades"]["replayed"], "trade")
            shown = {trade["id"] for trade in answer.json}
            assert shown | {message["data"]["id"] for message in replayed} == set(written)


async def test_an_event_published_during_a_cache_lookup_follows_its_cursor(
    pair: Pair,
) -> None:
    one, two = await pair()
    caller = await one.key()
    await get(two, "/api/trades", caller)
    cache, events = two.backend.cache, two.backend.events
    look = cache.look

    async def overtaken(resource: str, key: Any) -> Any:
        found, before = await look(resource, key), events.cursor("trades")
        await one.feed.record_trade(TRADE)
        await until(lambda: events.cursor("trades") != before)
        return found

    cache.look = overtaken  # type: ignore[method-assign]
    answer = await get(two, "/api/trades", caller)
    assert (answer.headers["X-Cache"], answer.json) == ("HIT", [])
    async with connect(two, caller) as client:
        since = {"trades": answer.headers["X-Stream-Cursor"]}
        ack = await client.ask(type="subscribe", channels=["trades"], since=since)
        assert ack["channels"]["trades"]["replayed"] == 1


async def test_a_key_revoked_at_one_is_refused_by_the_other_and_its_socket_closed(
    pair: Pair,
) -> None:
    one, two = await pair()
    stored, key = await one.dashboard.accounts.create_api_key("bot", {"view_trades"})
    caller = {"X-API-Key": key}
    await get(two, "/api/trades", caller)
    async with connect(two, caller) as client:
        asked = asyncio.get_running_loop().time()
        await one.dashboard.accounts.revoke_api_key(stored.id)
        code, reason, _ = await client.until_closed()
        assert (code, reason) == (1008, "revoked")
        assert asyncio.get_running_loop().time() - asked < SECONDS
    # What is cached is of no help to it.
    problem(await ask(two, "GET", "/api/trades", caller), 401)


async def test_a_disabled_user_is_out_everywhere(pair: Pair) -> None:
    one, two = await pair()
    caller = await one.login("viewer", "ann")
    async with connect(two, caller) as client:
        await one.dashboard.accounts.disable_user("ann")
        async with asyncio.timeout(SECONDS):
            assert (await client.until_closed())[:2] == (1008, "revoked")
    problem(await ask(two, "GET", "/api/me", caller), 401)


async def test_a_callers_quota_is_one_over_both(pair: Pair) -> None:
    one, two = await pair(rate_limit=RateLimitConfig(requests_per_minute=120))
    caller = await one.key()
    loop = asyncio.get_running_loop()
    began = loop.time()
    answers = await asyncio.gather(
        *(ask((one, two)[n % 2], "GET", "/api/me", caller) for n in range(160))
    )
    passed = sum(answer.status == 200 for answer in answers)
    # One more every half second is let through.
    assert 120 <= passed <= 120 + 2 * (loop.time() - began) + 1
    for server in (one, two):
        while (refused := await ask(server, "GET", "/api/me", caller)).status == 200:
            pass
        assert problem(refused, 429)["detail"].startswith("At most 120 requests in 60 s; try")
        assert refused.headers["Retry-After"] == "1"
        assert refused.headers["RateLimit-Policy"] == '"default";q=120;w=60'
        assert refused.headers["RateLimit"] == '"default";r=0;t=60'
    other = await one.key(name="other")
    assert (await get(two, "/api/me", other)).headers["RateLimit"] == '"default";r=119;t=1'


async def test_failed_logins_are_counted_together(pair: Pair) -> None:
    one, two = await pair()
    form = {"grant_type": "password", "username": "admin", "password": "wrong"}
    right = {**form, "password": PASSWORD}
    for n in range(10):
        assert (await ask((one, two)[n % 2], "POST", "/token", data=right)).status == 200
        problem(await ask((one, two)[n % 2], "POST", "/token", data=form), 401)
    for server in (one, two):
        for data in (form, right):
            refused = await ask(server, "POST", "/token", data=data)
            assert problem(refused, 429)["error"] == "temporarily_unavailable"
            assert 1 <= int(refused.headers["Retry-After"]) <= 6
    # Counted by the user as well: another one has not guessed.
    await one.login("viewer", "ann")
    form = {"grant_type": "password", "username": "ann", "password": PASSWORD}
    assert (await ask(two, "POST", "/token", data=form)).status == 200


async def test_sockets_opened_are_counted_together(pair: Pair) -> None:
    one, two = await pair(websocket=WebSocketConfig(connects_per_minute=2))
    for server in (one, two):
        async with connect(server):
            pass
    for server in (one, two):
        refused = await ask(server, "GET", "/ws")
        assert "At most 2 sockets a minute" in problem(refused, 429)["detail"]
        assert 1 <= int(refused.headers["Retry-After"]) <= 30


async def test_a_login_that_is_revoked_at_one_ends_at_the_other(pair: Pair) -> None:
    one, two = await pair()
    form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
    tokens = (await ask(one, "POST", "/token", data=form)).json
    caller = {"Authorization": f"Bearer {tokens['access_token']}"}
    async with connect(two, caller) as client:
        revoked = await ask(one, "POST", "/token/revoke", data={"token": tokens["refresh_token"]})
        assert revoked.status == 200
        assert (await client.until_closed())[:2] == (1008, "revoked")
    problem(await ask(two, "GET", "/api/me", caller), 401)


async def test_a_stolen_refresh_token_ends_the_login_at_both(pair: Pair) -> None:
    one, two = await pair()
    form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
    first = (await ask(one, "POST", "/token", data=form)).json
    used = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = (await ask(two, "POST", "/token", data=used)).json
    form = {"grant_type": "refresh_token", "refresh_token": second["refresh_token"]}
    third = (await ask(one, "POST", "/token", data=form)).json
    caller = {"Authorization": f"Bearer {third['access_token']}"}
    async with connect(two, caller) as client:
        problem(await ask(one, "POST", "/token", data=used), 401)
        assert (await client.until_closed())[:2] == (1008, "revoked")
    for server in (one, two):
        problem(await ask(server, "GET", "/api/me", caller), 401)


async def test_made_up_tokens_are_counted_together(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgive_nothing(monkeypatch)
    one, two = await pair()
    statuses = [
        (await ask((one, two)[n % 2], "POST", "/token/revoke", data={"token": f"t{n}"})).status
        for n in range(SECRETS.guesses + 2)
    ]
    assert statuses == [200] * SECRETS.guesses + [429] * 2
