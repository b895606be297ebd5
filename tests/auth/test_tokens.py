"""POST /token and /token/revoke as an OAuth client uses and abuses them (RFC 6749, 7009, 9700)."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from alphapulse_api import Config, ConfigError, Dashboard
from alphapulse_api.auth.tokens import Tokens, secret_beside
from alphapulse_api.config import AuthConfig
from tests.asking import ask, problem
from tests.conftest import PASSWORD, Server
from tests.forging import bearer
from tests.logins import login, me, refresh, refused, token
from tests.socket_client import connect


async def test_a_password_gives_tokens(server: Server) -> None:
    answer = await login(server)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
    content = answer.json
    assert set(content) == {"access_token", "token_type", "expires_in", "refresh_token", "role"}
    assert (content["token_type"], content["expires_in"], content["role"]) == (
        "Bearer", 3600, "admin",
    )  # fmt: skip
    assert jwt.get_unverified_header(content["access_token"])["alg"] == "HS256"
    claims = jwt.decode(content["access_token"], options={"verify_signature": False})
    assert {"iss", "aud", "sub", "iat", "exp", "jti"} <= set(claims)
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("admin", 3600)
    assert await me(server, content["access_token"]) == 200


async def test_a_stolen_refresh_token_ends_the_access_tokens_and_sockets_of_its_login(
    server: Server,
) -> None:
    first, other = (await login(server)).json, (await login(server)).json
    second = (await refresh(server, first["refresh_token"])).json
    third = (await refresh(server, second["refresh_token"])).json
    async with connect(server, bearer(third["access_token"])) as client:
        refused(await refresh(server, first["refresh_token"]), 401, "invalid_grant")
        assert (await client.until_closed())[:2] == (1008, "revoked")
    for pair in (first, second, third):
        assert await me(server, pair["access_token"]) == 401
    assert await me(server, other["access_token"]) == 200
    assert (await refresh(server, other["refresh_token"])).status == 200


async def test_revoking_a_refresh_token_ends_all_of_its_login(server: Server) -> None:
    pair, other = (await login(server)).json, (await login(server)).json
    successor = (await refresh(server, pair["refresh_token"])).json
    async with connect(server, bearer(pair["access_token"])) as client:
        for text in (successor["refresh_token"], pair["refresh_token"], "nothing of ours"):
            answer = await ask(server, "POST", "/token/revoke", data={"token": text})
            assert (answer.status, answer.json) == (200, {})
            assert answer.headers["Cache-Control"] == "no-store"
        assert (await client.until_closed())[:2] == (1008, "revoked")
    refused(await refresh(server, successor["refresh_token"]), 401, "invalid_grant")
    for ended in (pair, successor):
        assert await me(server, ended["access_token"]) == 401
    assert await me(server, other["access_token"]) == 200


async def test_revoking_an_access_token_ends_it_alone(server: Server) -> None:
    pair = (await login(server)).json
    successor = (await refresh(server, pair["refresh_token"])).json
    for _ in range(2):
        form = {"token": successor["access_token"]}
        assert (await ask(server, "POST", "/token/revoke", data=form)).status == 200
    assert await me(server, successor["access_token"]) == 401
    assert await me(server, pair["access_token"]) == 200
    assert (await refresh(server, successor["refresh_token"])).status == 200


async def test_a_new_password_ends_every_token(server: Server) -> None:
    pair = (await login(server)).json
    await server.dashboard.accounts.set_password("admin", "another password")
    assert await me(server, pair["access_token"]) == 401
    refused(await refresh(server, pair["refresh_token"]), 401, "invalid_grant")
    refused(await login(server), 401, "invalid_grant")
    assert (await login(server, password="another password")).status == 200


async def test_a_disabled_user_has_no_tokens(server: Server) -> None:
    pair = (await login(server)).json
    await server.dashboard.accounts.disable_user("admin")
    assert await me(server, pair["access_token"]) == 401
    refused(await refresh(server, pair["refresh_token"]), 401, "invalid_grant")
    refused(await login(server), 401, "invalid_grant")


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"grant_type": "password"}, 400, "invalid_request"),
        ({"grant_type": "password", "username": "admin"}, 400, "invalid_request"),
        ({"grant_type": "password", "username": "admin", "password": ""}, 400, "invalid_request"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 401, "invalid_grant"),
        ("grant_type=password&grant_type=password", 400, "invalid_request"),
        ("grant_type=%ff", 400, "invalid_request"),
        (b"grant_type=\xff", 400, "invalid_request"),
        ("&".join(f"a{n}=1" for n in range(100)), 400, "invalid_request"),
        ("grant_type=" + "x" * 20_000, 413, "invalid_request"),
    ],
)
async def test_bad_forms_are_refused_in_the_words_of_the_rfc(
    server: Server, form: Any, status: int, error: str
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(await ask(server, "POST", "/token", data=form, headers=headers), status, error)


async def test_a_json_body_is_not_a_form(server: Server) -> None:
    answer = await ask(server, "POST", "/token", json={"grant_type": "password"})
    refused(answer, 415, "invalid_request")
    refused(await ask(server, "POST", "/token/revoke", data=b""), 415, "invalid_request")


async def test_what_swagger_ui_sends_besides_is_ignored(server: Server) -> None:
    answer = await token(
        server,
        {"Authorization": "Basic Og==", "X-Requested-With": "XMLHttpRequest"},
        grant_type="password",
        username="admin",
        password=PASSWORD,
        scope="",
        client_id="",
        client_secret="",
    )
    assert answer.status == 200


@pytest.fixture
def secret_file(config: Config) -> Path:
    return Path(config.database.url.removeprefix("sqlite:///") + ".jwt-secret")


def _kept(path: Path) -> tuple[str, int, list[str]]:
    """What is in it, its mode, and all that lies beside it with such a name."""
    beside = [file.name for file in path.parent.iterdir() if "secret" in file.name]
    return path.read_text(), stat.S_IMODE(path.stat().st_mode), beside


async def test_the_made_secret_is_private_and_outlives_the_process(
    config: Config, secret_file: Path
) -> None:
    async with Dashboard(config) as dashboard:
        made, mode, beside = _kept(secret_file)
        assert len(made.encode()) >= 32
        assert (mode, beside) == (0o600, [secret_file.name])
        pair = await dashboard.accounts.login("admin", PASSWORD)
        assert pair is not None
    async with Dashboard(config) as dashboard:
        assert _kept(secret_file) == (made, mode, beside)
        async with aiohttp.ClientSession() as session:
            server = Server(dashboard, session)
            assert await me(server, pair.access_token) == 200
            assert (await refresh(server, pair.refresh_token)).status == 200


def test_processes_that_start_at_once_share_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        secrets = set(pool.map(secret_beside, [f"{tmp_path}/new.db"] * 64))
    assert len(secrets) == 1
    assert len(secrets.pop()) >= 32


@pytest.mark.parametrize("secret", ["", "x" * 31])
async def test_short_secrets_are_refused(config: Config, secret: str) -> None:
    with pytest.raises(ConfigError, match=r"auth\.jwt_secret"):
        Dashboard(replace(config, auth=AuthConfig(jwt_secret=secret)))
    with pytest.raises(ConfigError, match="32 bytes"):
        Tokens(secret, 60)


def test_a_short_secret_file_is_refused(config: Config, secret_file: Path) -> None:
    secret_file.write_text("short")
    with pytest.raises(ConfigError, match="32 bytes"), Dashboard.in_thread(config):
        pass


@pytest.mark.parametrize("path", ["/token", "/token/revoke"])
async def test_every_error_of_the_token_paths_has_the_error_of_rfc_6749(
    server: Server, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
    said = []
    for query in ("username=admin&password=x", "token=x", "="):
        for body in (form, b""):
            answer = await ask(server, "POST", f"{path}?{query}", data=body)
            assert "in the body" in problem(answer, 400)["detail"]
            said.append(answer)
    answer = await ask(server, "POST", path, json=form)
    problem(answer, 415)
    said.append(answer)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    problem(answer := await ask(server, "POST", path, data=b"a" * 20_000, headers=headers), 413)
    said.append(answer)
    for answer in said:
        assert answer.json["error"] == "invalid_request"
        assert answer.json["error_description"] == answer.json["detail"]

    async def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(server.dashboard.accounts, "refresh", broken)
    monkeypatch.setattr(server.dashboard.accounts, "revoke", broken)
    answer = await ask(server, "POST", path, data=form)
    assert (problem(answer, 500)["error"]) == "server_error"


@pytest.mark.parametrize("path", ["/token", "/token/revoke"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_wrong_method_is_an_oauth_error_too(server: Server, path: str, method: str) -> None:
    answer = problem(await ask(server, method, path), 405)
    assert answer["error"] == "invalid_request"
    for other in ("/api/trades", "/api/trades/token", "/nowhere/token"):
        assert "error" not in (await ask(server, "DELETE", other)).json
