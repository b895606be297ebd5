"""What is in a signed token: any JSON in any claim, and clocks that differ."""

from __future__ import annotations

import json
import time
from typing import Any, Final

import pytest

from alphapulse_api.config import AuthConfig
from tests.asking import Answer, ask, problem
from tests.conftest import Serve, Server
from tests.forging import SECRET, bearer, claims, signed
from tests.socket_client import connect

CLAIMS: Final = ("iss", "aud", "sub", "iat", "exp", "nbf", "jti", "gen", "fam", "unheard_of")
# Every kind of JSON value, and what breaks those who convert without looking.
VALUES: Final = (
    "null", "true", "false", "0", "-0", "1", "-1", "1.0", "1.5", "-1.5", "1e-400",
    "1e400", "-1e400", "NaN", "Infinity", "-Infinity",
    "1" + "0" * 300, "-1" + "0" * 300, "9" * 5000, str(2**31), str(2**63), str(2**64),
    "253402300799", "253402300800", "255000000000000",  # the end of year 9999, and year 8 million
    '""', '"1"', '"9999999999"', '"alphapulse_api"', '"admin"', '"Jo\\u0308rg"', '"\\u0000"',
    '"\\ud800"', '"' + "x" * 2000 + '"', "[]", "[[]]", "[1]", '["alphapulse_api"]',
    '["alphapulse_api", 1]', "{}", '{"sub": "admin"}', "[" * 100 + "]" * 100,
)  # fmt: skip
# Valid claims with an odd value in one of them that makes no difference.
HARMLESS: Final = {
    *(("unheard_of", value) for value in VALUES if len(value) < 4000),  # Python's own limit
    ("iss", '"alphapulse_api"'), ("aud", '"alphapulse_api"'), ("aud", '["alphapulse_api"]'),
    ("sub", '"admin"'), ("gen", "1"),
    *(("jti", f'"{text}"') for text in ("1", "9999999999", "alphapulse_api", "admin")),
    *(("fam", f'"{text}"') for text in ("1", "9999999999", "alphapulse_api", "admin")),
    *(("iat", text) for text in ("0", "-0", "1", "1.0", "1.5", "1e-400", str(2**31))),
    *(("nbf", text) for text in ("0", "-0", "1", "1.0", "1.5", "1e-400")),
    ("exp", str(2**31)),
}  # fmt: skip


def with_claim(name: str, value: str) -> str:
    """A signed token whose claim is that JSON text."""
    rest = json.dumps({**claims(), name: "@"})
    return signed(rest.replace('"@"', value))


@pytest.fixture
async def forged(serve: Serve) -> Server:
    """A server whose secret the tests know."""
    return await serve(auth=AuthConfig(jwt_secret=SECRET))


async def over_socket(server: Server, token: str) -> dict[str, Any]:
    async with connect(server) as client:
        return await client.ask(type="auth", id=1, token=token)


@pytest.mark.parametrize("name", CLAIMS)
async def test_any_value_of_a_claim_lets_in_or_is_refused(forged: Server, name: str) -> None:
    for value in VALUES:
        token = with_claim(name, value)
        answer = await ask(forged, "GET", "/api/me", bearer(token))
        message = await over_socket(forged, token)
        if (name, value) in HARMLESS:
            assert (answer.status, message["type"]) == (200, "authenticated"), value[:80]
        else:
            problem(answer, 401)
            assert message["code"] in ("auth_failed", "token_expired"), value[:80]
        # Whatever it is, it can be handed in for revocation, and the server goes on.
        revoked = await ask(forged, "POST", "/token/revoke", data={"token": token})
        assert revoked.status == 200, value[:80]


@pytest.mark.parametrize(
    "payload", ["", "null", "1", '"text"', "[]", "{", "[" * 5000, '{"iss": ' * 600]
)
async def test_a_signed_token_that_is_no_object_is_refused(forged: Server, payload: str) -> None:
    token = signed(payload)
    problem(await ask(forged, "GET", "/api/me", bearer(token)), 401)
    assert (await over_socket(forged, token))["code"] == "auth_failed"


@pytest.mark.parametrize(
    "header",
    [
        {"typ": None}, {"typ": 1}, {"typ": ["at+jwt"]}, {"typ": "JWT"}, {"typ": "logout+jwt"},
        {"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"kid": 1}, {"kid": {}}, {"alg": None},
        {"alg": 1}, {"alg": ["HS256"]}, {"alg": "hs256"},
    ],
)  # fmt: skip
async def test_a_token_of_another_kind_is_refused(forged: Server, header: dict[str, Any]) -> None:
    problem(await ask(forged, "GET", "/api/me", bearer(signed(**header))), 401)


async def test_a_media_type_is_the_same_in_any_spelling(forged: Server) -> None:
    for typ in ("at+jwt", "AT+JWT", "application/at+jwt"):
        assert (await ask(forged, "GET", "/api/me", bearer(signed(typ=typ)))).status == 200


def at(**offsets: float) -> str:
    """A token whose times are that far from now."""
    return signed(claims(**{name: time.time() + offset for name, offset in offsets.items()}))


async def both(server: Server, token: str) -> tuple[int, str]:
    """How HTTP and the socket answer a token."""
    answer = await ask(server, "GET", "/api/me", bearer(token))
    message = await over_socket(server, token)
    return answer.status, message.get("code", message["type"])


async def test_a_clock_that_is_off_by_less_than_the_leeway_does_no_harm(forged: Server) -> None:
    for offsets in ({"iat": 2}, {"iat": 25, "nbf": 25}, {"exp": -25}, {"iat": -650, "exp": -5}):
        assert await both(forged, at(**offsets)) == (200, "authenticated"), offsets
    assert await both(forged, at(exp=-35)) == (401, "token_expired")
    assert await both(forged, at(nbf=35)) == (401, "auth_failed")


async def test_a_token_made_in_the_future_is_not_refused_for_that(forged: Server) -> None:
    for ahead in (31, 3600, 86_400 * 365):
        assert await both(forged, at(iat=ahead)) == (200, "authenticated")


async def test_the_leeway_can_be_set(serve: Serve) -> None:
    exact = await serve(auth=AuthConfig(jwt_secret=SECRET, leeway=0))
    assert await both(exact, at(exp=-1)) == (401, "token_expired")
    assert await both(exact, at(nbf=5)) == (401, "auth_failed")
    assert await both(exact, at(iat=5)) == (200, "authenticated")


async def test_a_refusal_for_a_clock_names_the_clock(forged: Server) -> None:
    for offsets in ({"exp": -100}, {"nbf": 100}):
        token = at(**offsets)
        detail = problem(await ask(forged, "GET", "/api/me", bearer(token)), 401)["detail"]
        assert "this server's clock says 20" in detail
        assert "clock" in (await over_socket(forged, token))["message"]


async def test_a_socket_ends_with_the_leeway_of_a_token_that_had_expired(serve: Serve) -> None:
    server = await serve(auth=AuthConfig(jwt_secret=SECRET, leeway=2))
    async with connect(server) as client:
        answer = await client.ask(type="auth", token=at(exp=-1))
        assert answer["type"] == "authenticated"
        code, reason, _ = await client.until_closed()
        assert (code, reason) == (1008, "token_expired")


async def test_a_revoked_token_is_not_forgotten_while_the_leeway_keeps_it(serve: Serve) -> None:
    server = await serve(auth=AuthConfig(jwt_secret=SECRET, leeway=300))
    token = at(exp=-1)
    assert (await ask(server, "GET", "/api/me", bearer(token))).status == 200
    assert (await ask(server, "POST", "/token/revoke", data={"token": token})).status == 200
    answer: Answer = await ask(server, "GET", "/api/me", bearer(token))
    assert "revoked" in problem(answer, 401)["detail"]
    # Another revocation sweeps out what is past; this one is not.
    assert (await ask(server, "POST", "/token/revoke", data={"token": at()})).status == 200
    await server.dashboard.accounts.set_user("ann", "viewer", "a password of hers")
    problem(await ask(server, "GET", "/api/me", bearer(token)), 401)
