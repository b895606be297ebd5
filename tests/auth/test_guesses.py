"""Strangers who make up tokens and keys: what that may cost the others, and how often."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from alphapulse_api import Config
from alphapulse_api.auth import api_keys
from alphapulse_api.auth.api_keys import make_key
from alphapulse_api.auth.throttles import SECRETS
from alphapulse_api.config import AuthConfig, DatabaseConfig
from alphapulse_api.storage.sqlite import engine as sqlite_engine
from tests.asking import Answer, ask, problem
from tests.conftest import PASSWORD, Serve, Server
from tests.forging import SECRET, bearer
from tests.socket_client import connect
from tests.throttling import forgive_nothing
from tests.waiting import SECONDS

PROXIED: Any = {"trusted_proxies": ("127.0.0.1",)}


def through(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def made_up_refresh_token(server: Server, headers: dict[str, str]) -> Answer:
    form = {"grant_type": "refresh_token", "refresh_token": secrets.token_urlsafe(32)}
    return await ask(server, "POST", "/token", headers, data=form)


async def made_up_revocation(server: Server, headers: dict[str, str]) -> Answer:
    form = {"token": secrets.token_urlsafe(32)}
    return await ask(server, "POST", "/token/revoke", headers, data=form)


async def made_up_key(server: Server, headers: dict[str, str]) -> Answer:
    return await ask(server, "GET", "/api/me", {**headers, "X-API-Key": make_key()[0]})


async def made_up_key_at_the_handshake(server: Server, headers: dict[str, str]) -> Answer:
    return await ask(server, "GET", "/ws", {**headers, "X-API-Key": make_key()[0]})


Guess = Callable[[Server, dict[str, str]], Awaitable[Answer]]
GUESSES: dict[Guess, int] = {
    made_up_refresh_token: 401,
    made_up_revocation: 200,  # RFC 7009, section 2.2
    made_up_key: 401,
    made_up_key_at_the_handshake: 401,
}


async def flood(server: Server) -> None:
    """Use up what our address may guess."""
    guesses = (made_up_key(server, {}) for _ in range(SECRETS.guesses + 1))
    statuses = [answer.status for answer in await asyncio.gather(*guesses)]
    assert sorted(statuses) == [401] * SECRETS.guesses + [429]


@pytest.fixture(autouse=True)
def _long_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are the same, but nothing is forgiven while a test runs."""
    forgive_nothing(monkeypatch)


@contextmanager
def busy_writer(config: Config) -> Iterator[None]:
    """Another process writes to the file all the while: a write of the server's would wait."""
    connection = sqlite3.connect(config.database.url.removeprefix("sqlite:///"))
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.close()


@pytest.mark.parametrize("guess", GUESSES)
async def test_what_a_stranger_makes_up_never_waits_for_the_writer(
    server: Server, config: Config, monkeypatch: pytest.MonkeyPatch, guess: Guess
) -> None:
    # Whoever waits for the writer hangs.
    monkeypatch.setattr(sqlite_engine, "BUSY_SECONDS", 600.0)
    with busy_writer(config):
        async with asyncio.timeout(SECONDS):
            assert (await guess(server, {})).status == GUESSES[guess]


@pytest.mark.parametrize("guess", GUESSES)
async def test_a_flood_from_one_address_is_throttled_and_others_are_not(
    serve: Serve, guess: Guess
) -> None:
    server = await serve(**PROXIED)
    # One subscriber's addresses; the port is another each time.
    sources = [through(f"[2001:db8::{n:x}]:{40_000 + n}") for n in range(SECRETS.guesses)]
    answers = await asyncio.gather(*(guess(server, source) for source in sources))
    assert {answer.status for answer in answers} == {GUESSES[guess]}
    refused = await guess(server, through("2001:db8::ffff"))
    assert "Too many invalid tokens or keys" in problem(refused, 429)["detail"]
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert (await guess(server, through("2001:db8:0:1::1"))).status == GUESSES[guess]
    assert (await guess(server, through("192.0.2.1"))).status == GUESSES[guess]


async def test_a_flood_does_not_keep_out_who_has_a_key_or_a_password_behind_the_same_address(
    serve: Serve,
) -> None:
    server = await serve()
    key, admin = await server.key(), await server.login()
    await flood(server)
    for caller in (key, admin):
        assert (await ask(server, "GET", "/api/me", caller)).status == 200
        async with connect(server, caller) as client:
            assert (await client.ask(type="ping"))["type"] == "pong"
    async with connect(server) as client:
        assert (await client.ask(type="auth", api_key=key["X-API-Key"]))["type"] == "authenticated"
    form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
    assert (await ask(server, "POST", "/token", data=form)).status == 200


async def test_a_flood_does_not_keep_others_behind_the_address_from_their_logins(
    server: Server,
) -> None:
    form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
    pair, other = [(await ask(server, "POST", "/token", data=form)).json for _ in range(2)]
    for guess in (made_up_refresh_token, made_up_revocation, made_up_key):
        answers = await asyncio.gather(*(guess(server, {}) for _ in range(SECRETS.guesses + 1)))
        assert 429 in {answer.status for answer in answers}
    form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
    pair = (await ask(server, "POST", "/token", data=form)).json
    caller = bearer(pair["access_token"])
    assert (await ask(server, "GET", "/api/me", caller)).status == 200
    for token in (pair["refresh_token"], other["access_token"]):
        answer = await ask(server, "POST", "/token/revoke", data={"token": token})
        assert answer.status == 200
    for ended in (pair, other):
        problem(await ask(server, "GET", "/api/me", bearer(ended["access_token"])), 401)


async def test_a_token_that_has_ended_is_not_asked_about_for_ever(server: Server) -> None:
    form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
    token = (await ask(server, "POST", "/token", data=form)).json["refresh_token"]
    await ask(server, "POST", "/token/revoke", data={"token": token})
    form = {"grant_type": "refresh_token", "refresh_token": token}
    statuses = [
        (await ask(server, "POST", "/token", data=form)).status for _ in range(SECRETS.guesses + 1)
    ]
    assert statuses == [401] * SECRETS.guesses + [429]


async def test_a_valid_refresh_token_is_never_counted(server: Server) -> None:
    form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
    pair = (await ask(server, "POST", "/token", data=form)).json
    for _ in range(SECRETS.guesses + 5):
        form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
        answer = await ask(server, "POST", "/token", data=form)
        assert answer.status == 200
        pair = answer.json


async def test_a_socket_that_guesses_keys_gets_a_retry_after(server: Server) -> None:
    await flood(server)
    good = (await server.key())["X-API-Key"]
    async with connect(server) as client:
        refused = await client.ask(type="auth", id=1, api_key=make_key()[0])
        assert (refused["code"], refused["id"]) == ("rate_limited", 1)
        assert (await client.ask(type="auth", api_key=good))["type"] == "authenticated"


async def test_any_number_of_unknown_keys_costs_a_few_queries(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve(**PROXIED)
    engine = server.backend.engine
    asked, fetch = 0, engine.fetch

    async def counted(sql: str, *args: Any) -> Any:
        nonlocal asked
        asked += "auth_version" in sql
        return await fetch(sql, *args)

    monkeypatch.setattr(engine, "fetch", counted)
    loop = asyncio.get_running_loop()
    began = loop.time()
    answers = await asyncio.gather(
        *(made_up_key(server, through(f"192.0.2.{n}")) for n in range(200))
    )
    assert {answer.status for answer in answers} == {401}
    # One look each 100 ms, and that of the watch on other processes each second.
    assert asked <= 2 + 11 * (loop.time() - began)


async def test_a_key_made_by_another_process_is_known_at_once(
    serve: Serve, postgres_url: str
) -> None:
    shared: Any = {
        "database": DatabaseConfig(url=postgres_url),
        "auth": AuthConfig(jwt_secret=SECRET),
    }
    server, other = await serve(**shared), await serve(**shared)
    for n in range(3):
        _, key = await other.dashboard.accounts.create_api_key(f"k{n}")
        assert (await ask(server, "GET", "/api/me", {"X-API-Key": key})).status == 200


async def test_an_unknown_key_and_a_wrong_secret_cost_the_same_work(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, _ = await server.dashboard.accounts.create_api_key("bot")
    engine, asked = server.backend.engine, []
    fetch = engine.fetch

    async def noted(sql: str, *args: Any) -> Any:
        asked.append(sql)
        return await fetch(sql, *args)

    monkeypatch.setattr(engine, "fetch", noted)
    work = []
    for key_id in (known.id, make_key()[1].id):
        _key_of(monkeypatch, key_id)
        asked.clear()
        problem(await made_up_key(server, {}), 401)
        work.append([sql for sql in asked if "auth_version" in sql])
    assert len(work[0]) >= 1
    assert work[0] == work[1]


def _key_of(monkeypatch: pytest.MonkeyPatch, key_id: str) -> None:
    """Let the keys that are made next have that id."""
    random = api_keys.random_text
    monkeypatch.setattr(
        api_keys, "random_text", lambda length: key_id if length == len(key_id) else random(length)
    )
