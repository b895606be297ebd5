"""POST /token with passwords: how often somebody may be wrong, and whom that keeps out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from alphapulse_api.auth import passwords
from alphapulse_api.auth.throttles import ADDRESSES, EVERYBODY, PAIRS
from tests.asking import Answer
from tests.conftest import PASSWORD, Serve, Server
from tests.logins import WRONG, login, me, refused, token
from tests.throttling import forgive_nothing


@pytest.fixture(autouse=True)
def _forgive_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    forgive_nothing(monkeypatch)


PROXIED: Any = {"trusted_proxies": ("127.0.0.1",)}


def through(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def try_password(
    server: Server, address: str, username: str = "admin", password: str = WRONG
) -> Answer:
    form = {"grant_type": "password", "username": username, "password": password}
    return await token(server, through(address), **form)


async def test_nobody_elsewhere_can_lock_a_user_out(serve: Serve) -> None:
    server = await serve(**PROXIED)
    for n in range(3):
        for _ in range(10):
            refused(await try_password(server, f"192.0.2.{n}"), 401, "invalid_grant")
        refused(await try_password(server, f"192.0.2.{n}"), 429, "temporarily_unavailable")
    assert (await try_password(server, "198.51.100.1", password=PASSWORD)).status == 200
    # Whoever shares the address with the one who guesses has to wait.
    answer = await try_password(server, "192.0.2.0", password=PASSWORD)
    refused(answer, 429, "temporarily_unavailable")
    assert 1 <= int(answer.headers["Retry-After"]) <= 360
    ann = await server.login("viewer", "ann")
    assert await me(server, ann["Authorization"].removeprefix("Bearer ")) == 200
    assert (await try_password(server, "192.0.2.0", "ann", PASSWORD)).status == 200


async def test_successes_are_not_counted(serve: Serve) -> None:
    server = await serve(**PROXIED)
    for _ in range(PAIRS.guesses):
        assert (await try_password(server, "192.0.2.1", password=PASSWORD)).status == 200
        refused(await try_password(server, "192.0.2.1"), 401, "invalid_grant")
    refused(await try_password(server, "192.0.2.1"), 429, "temporarily_unavailable")


async def test_guesses_sent_at_once_are_all_counted(serve: Serve) -> None:
    server = await serve(**PROXIED)
    answers = await asyncio.gather(*(try_password(server, "192.0.2.1") for _ in range(30)))
    assert sorted(answer.status for answer in answers) == [401] * 10 + [429] * 20


async def test_an_unknown_user_is_answered_and_throttled_as_a_known_one(serve: Serve) -> None:
    server = await serve(**PROXIED)
    answered = []
    for username in ("admin", "nobody"):
        answers = [await try_password(server, "192.0.2.1", username) for _ in range(11)]
        assert [answer.status for answer in answers] == [401] * 10 + [429]
        answered.append([{**answer.json, "request_id": ""} for answer in answers])
    assert answered[0] == answered[1]


async def test_one_password_is_not_tried_on_every_user(serve: Serve) -> None:
    server = await serve(**PROXIED)
    for n in range(ADDRESSES.guesses):
        refused(await try_password(server, "192.0.2.1", f"u{n}"), 401, "invalid_grant")
    refused(await try_password(server, "192.0.2.1", "one more"), 429, "temporarily_unavailable")
    assert (await try_password(server, "192.0.2.2", password=PASSWORD)).status == 200


async def test_a_flood_from_everywhere_is_braked_and_does_not_keep_out_who_has_been_there(
    serve: Serve,
) -> None:
    server = await serve(**PROXIED)
    home = "2001:db8:1:2::1"
    assert (await try_password(server, home, password=PASSWORD)).status == 200
    flood = (try_password(server, f"192.0.2.{n}") for n in range(EVERYBODY.guesses + 20))
    statuses = [answer.status for answer in await asyncio.gather(*flood)]
    assert sorted(statuses) == [401] * EVERYBODY.guesses + [429] * 20
    refused(
        await try_password(server, "198.51.100.1", password=PASSWORD),
        429,
        "temporarily_unavailable",
    )
    # Another address of the same subscriber. Being known there is no licence to guess.
    assert (await try_password(server, "2001:db8:1:2::2", password=PASSWORD)).status == 200
    refused(await try_password(server, home, "ann"), 429, "temporarily_unavailable")
    for _ in range(PAIRS.guesses):
        refused(await try_password(server, home), 401, "invalid_grant")
    refused(await try_password(server, home, password=PASSWORD), 429, "temporarily_unavailable")


async def test_the_first_unknown_user_costs_one_verification(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[str] = []

    class Noting(PasswordHasher):
        def hash(self, *args: Any, **kwargs: Any) -> str:
            work.append("hash")
            return super().hash(*args, **kwargs)

        def verify(self, *args: Any, **kwargs: Any) -> Any:
            work.append("verify")
            return super().verify(*args, **kwargs)

    monkeypatch.setattr(passwords, "hasher", Noting(1, 8, 1))
    for username in ("nobody", "nobody else", "admin"):
        work.clear()
        refused(await login(server, username, WRONG), 401, "invalid_grant")
        assert work == ["verify"]


def test_a_made_up_hash_takes_as_long_as_a_real_one() -> None:
    made_up, real = passwords.hash_of_nobody(), passwords.hasher.hash("a password of somebody")
    assert extract_parameters(made_up) == extract_parameters(real)
    assert len(made_up) == len(real)
    with pytest.raises(VerifyMismatchError):
        passwords.hasher.verify(made_up, "a password of somebody")


async def test_an_address_that_the_client_wrote_itself_does_not_escape(serve: Serve) -> None:
    server = await serve(**PROXIED)
    for n in range(11):
        # The proxy appends what it saw; one of them on a line of its own.
        forged = [("X-Forwarded-For", f"198.51.100.{n}"), ("X-Forwarded-For", "192.0.2.7")]
        async with server.session.post(
            f"{server.url}/token",
            headers=forged,
            data={"grant_type": "password", "username": "admin", "password": WRONG},
        ) as response:
            assert response.status == (401 if n < 10 else 429)


@pytest.mark.parametrize(
    "spelling",
    [
        "203.0.113.8:{port}",
        "::ffff:203.0.113.8",
        "2001:db8::{n}",
        "[2001:DB8:0::{n}]:{port}",
        "203.0.113.8, 127.0.0.1:{port}",
        "203.0.113.8, ::ffff:127.0.0.1",
        "made-up-{n}",
    ],
)
async def test_another_spelling_of_an_address_does_not_escape(serve: Serve, spelling: str) -> None:
    server = await serve(trusted_proxies=("::ffff:127.0.0.1",))
    for n in range(11):
        answer = await try_password(server, spelling.format(n=n, port=40_000 + n))
        assert answer.status == (401 if n < 10 else 429)
