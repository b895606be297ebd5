"""Credentials of a request: where they are sent, once, and which ones are refused."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt

from alphapulse_api.config import AuthConfig
from alphapulse_api.http.route_table import ROWS
from tests.asking import Answer, ask, problem
from tests.conftest import PASSWORD, Serve, Server
from tests.forging import SECRET
from tests.http.test_access import (
    CLOSED,
    SOCKET,
    concrete,
    populate,
    refused,
)

OTHER_PROTOCOLS = {row.path for row in ROWS if row.protocol or row.webhook}


async def test_no_route_takes_bad_credentials(serve: Serve) -> None:
    server = await serve(auth=AuthConfig(jwt_secret=SECRET))
    await populate(server)
    bad = await bad_credentials(server)
    for method, path in (*CLOSED, SOCKET):
        for name, headers in bad.items():
            if path == "/ws" and not headers:
                continue  # a socket may say who it is later
            if path in OTHER_PROTOCOLS and name == "a key as a token":
                continue  # clients of those protocols send it so
            answer = await ask(server, method, concrete(path), headers)
            assert answer.status == 401, (method, path, name)
            refused(answer, path, 401)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer "), name
            assert ("invalid_token" in answer.headers["WWW-Authenticate"]) == bool(headers)


async def bad_credentials(server: Server) -> dict[str, dict[str, str]]:
    accounts = server.dashboard.accounts
    admin = await server.login("admin")
    good = admin["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(good, options={"verify_signature": False})

    def signed(algorithm: str = "HS256", secret: str = SECRET, **changes: Any) -> dict[str, str]:
        changed = {**claims, **changes}
        kept = {name: value for name, value in changed.items() if value is not None}
        header = {"typ": "at+jwt"}
        return {"Authorization": f"Bearer {jwt.encode(kept, secret, algorithm, headers=header)}"}

    # The forger's tools work: only the one thing changed is what the server refuses.
    assert (await ask(server, "GET", "/api/me", signed())).status == 200

    revoked_key, text = await accounts.create_api_key("revoked")
    await accounts.revoke_api_key(revoked_key.id)
    disabled = await server.login("admin", "disabled")
    await accounts.disable_user("disabled")
    demoted = await server.login("admin", "demoted")
    await accounts.set_user("demoted", "viewer", PASSWORD)
    ended = await server.login("admin", "ended")
    form = {"token": ended["Authorization"].removeprefix("Bearer ")}
    assert (await ask(server, "POST", "/token/revoke", data=form)).status == 200
    live_key = (await server.key(name="live"))["X-API-Key"]
    unsigned = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return {
        "nothing": {},
        "expired": signed(exp=int(time.time()) - 31),
        "another secret": signed(secret="another secret that is as long as it must be"),
        "alg none": {"Authorization": f"Bearer {jwt.encode(claims, None, 'none')}"},
        "alg NONE": {"Authorization": f"Bearer eyJhbGciOiJOT05FIn0.{unsigned}."},
        "alg HS512": signed("HS512"),
        "aud": signed(aud="another"),
        "iss": signed(iss="another"),
        **{f"no {name}": signed(**{name: None}) for name in claims if name != "fam"},
        "a sub that is no text": signed(sub=1),
        "a jti that is no text": signed(jti=1),
        "another generation": signed(gen=claims["gen"] + 1),
        "an unknown user": signed(sub="nobody"),
        "not yet": signed(nbf=int(time.time()) + 3600),
        "a signature cut short": {"Authorization": f"Bearer {good[:-1]}"},
        "no scheme": {"Authorization": good},
        "another scheme": {"Authorization": f"Basic {good}"},
        "no token": {"Authorization": "Bearer"},
        "revoked key": {"X-API-Key": text},
        "mistyped key": {"X-API-Key": live_key[:-1] + ("0" if live_key[-1] != "0" else "1")},
        "unknown key": {"X-API-Key": text.replace("apk_", "apk_x")},
        "empty key": {"X-API-Key": ""},
        "a key as a token": {"Authorization": f"Bearer {live_key}"},
        "a token as a key": {"X-API-Key": good},
        "disabled user": disabled,
        "demoted user": demoted,
        "revoked token": ended,
    }


async def test_credentials_are_sent_once(server: Server) -> None:
    key, token = await server.key(), await server.login("viewer")
    path = "/api/trades"
    for caller in (key, token, key, token):  # the second time by the fast path
        assert (await ask(server, "GET", path, caller)).status == 200
    for headers in (
        [*key.items(), *token.items()],
        [*key.items(), ("Authorization", "Bearer nonsense")],
        [*key.items(), *key.items()],
        [*token.items(), *token.items()],
        [*token.items(), ("Authorization", "")],
    ):
        for method, where in (("GET", path), ("GET", "/ws"), ("POST", path)):
            async with server.session.request(
                method, server.url + where, headers=headers
            ) as response:
                answer = Answer(response.status, response.headers, await response.read())
            problem(answer, 400)


async def test_an_empty_token_beside_a_key_does_not_count(server: Server) -> None:
    key, empty = await server.key(), {"Authorization": "Bearer "}
    for caller, status in (({**key, **empty}, 200), ({**key, **empty}, 200), (empty, 401)):
        assert (await ask(server, "GET", "/api/trades", caller)).status == status


async def test_credentials_in_the_url_are_no_credentials(server: Server) -> None:
    key = (await server.key())["X-API-Key"]
    for name in ("api_key", "token", "access_token", "X-API-Key"):
        problem(await ask(server, "GET", "/api/me", params={name: key}), 401)


async def test_keys_can_be_switched_off(serve: Serve) -> None:
    server = await serve(auth=AuthConfig(api_keys_enabled=False))
    problem(await ask(server, "GET", "/api/me", await server.key()), 401)


async def test_the_password_of_a_proxy_does_not_count(server: Server) -> None:
    key, token = await server.key("publish"), await server.login("viewer")
    proxy = ("Authorization", f"Basic {base64.b64encode(b'ann:secret').decode()}")
    ours = base64.b64encode(f"bot:{key['X-API-Key']}".encode()).decode()
    text = {"Content-Type": "text/plain"}
    for status, method, path, headers in (
        (200, "GET", "/api/trades", [*key.items(), proxy]),
        (200, "GET", "/api/trades", [proxy, *token.items()]),
        (401, "GET", "/api/trades", [proxy]),
        (401, "GET", "/api/trades", [("X-API-Key", "apk_x"), proxy]),
        (400, "GET", "/api/trades", [*key.items(), proxy, *token.items()]),
        (204, "POST", "/api/v2/write", [*key.items(), proxy, *text.items()]),
        (204, "POST", "/api/v2/write", [("Authorization", f"Basic {ours}"), *text.items()]),
        (400, "POST", "/api/v2/write", [*key.items(), ("Authorization", f"Basic {ours}")]),
        (401, "POST", "/api/v2/write", [proxy, *text.items()]),
    ):
        body = {"data": "cpu value=1"} if method == "POST" else {}
        async with server.session.request(
            method, server.url + path, headers=headers, **body
        ) as response:
            assert response.status == status, (status, headers, await response.text())
    async with server.session.ws_connect(f"{server.url}/ws", headers=[*key.items(), proxy]) as ws:
        assert (await ws.receive_json())["type"] == "welcome"
        assert (await ws.receive_json())["type"] == "authenticated"
