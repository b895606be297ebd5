"""Every way to shut somebody out, by a call or the command line, in this process or another one.

It ends what they have on HTTP and on the socket within 5 s, and nobody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from alphapulse_api.auth import authenticator
from alphapulse_api.config import AuthConfig, DatabaseConfig
from tests.asking import ask, problem
from tests.commands import Here
from tests.conftest import PASSWORD, Serve, Server
from tests.forging import SECRET, bearer
from tests.postgres import Postgres
from tests.socket_client import connect
from tests.waiting import until

SECONDS = 5.0


class Stage(NamedTuple):
    """Who serves, who shuts out, and what there is to be shut out."""

    server: Server
    elsewhere: Server
    command: Callable[..., Awaitable[str]]
    pair: dict[str, Any]
    key: str


@pytest.fixture(params=["one process", "two processes on PostgreSQL"])
async def stage(
    serve: Serve,
    here: Here,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Stage:
    monkeypatch.setenv("AP_ADMIN_PASSWORD", PASSWORD)
    monkeypatch.setattr(authenticator, "POLL_SECONDS", 0.05)
    sections: dict[str, Any] = {"auth": AuthConfig(jwt_secret=SECRET)}
    url = f"sqlite:///{tmp_path}/test.db"
    if request.param == "one process":
        server = elsewhere = await serve(**sections)
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        url = await postgres.copied()
        sections["database"] = DatabaseConfig(url=url)
        server, elsewhere = await serve(**sections), await serve(**sections)
    config = tmp_path / "c.yaml"
    config.write_text(
        f"dashboard_api: {{auth: {{jwt_secret: '{SECRET}'}}, database: {{url: '{url}'}}}}"
    )

    async def command(*args: str, stdin: str = "") -> str:
        result = await asyncio.to_thread(here, *args, "--config", str(config), stdin=stdin)
        assert (result.returncode, result.stderr) == (0, ""), result
        return str(result.stdout)

    await server.login("viewer", "ann")
    form = {"grant_type": "password", "username": "ann", "password": PASSWORD}
    pair = (await ask(server, "POST", "/token", data=form)).json
    _, key = await server.dashboard.accounts.create_api_key("bot")
    return Stage(server, elsewhere, command, pair, key)


async def new_password(stage: Stage) -> Any:
    await stage.elsewhere.dashboard.accounts.set_password("ann", "another password")


async def new_password_by_command(stage: Stage) -> Any:
    await stage.command("user", "passwd", "ANN", "--password-stdin", stdin="another password\n")


async def another_role(stage: Stage) -> Any:
    await stage.elsewhere.dashboard.accounts.set_user("ann", "operator", PASSWORD)


async def disabled(stage: Stage) -> Any:
    await stage.elsewhere.dashboard.accounts.disable_user("ann")


async def disabled_by_command(stage: Stage) -> Any:
    await stage.command("user", "disable", "Ann")


async def limited_to_books(stage: Stage) -> Any:
    await stage.elsewhere.dashboard.accounts.set_books("ann", ["main"])


async def limited_to_books_by_command(stage: Stage) -> Any:
    await stage.command("user", "books", "ann", "--book", "main")


async def revoked_access_token(stage: Stage) -> Any:
    form = {"token": stage.pair["access_token"]}
    assert (await ask(stage.elsewhere, "POST", "/token/revoke", data=form)).status == 200


async def revoked_refresh_token(stage: Stage) -> Any:
    form = {"token": stage.pair["refresh_token"]}
    assert (await ask(stage.elsewhere, "POST", "/token/revoke", data=form)).status == 200


async def replayed_refresh_token(stage: Stage) -> Any:
    first = {"grant_type": "refresh_token", "refresh_token": stage.pair["refresh_token"]}
    second = (await ask(stage.elsewhere, "POST", "/token", data=first)).json["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": second}
    assert (await ask(stage.server, "POST", "/token", data=form)).status == 200
    problem(await ask(stage.elsewhere, "POST", "/token", data=first), 401)


async def revoked_key(stage: Stage) -> Any:
    await stage.elsewhere.dashboard.accounts.revoke_api_key(stage.key.split("_")[1])


async def revoked_key_by_command(stage: Stage) -> Any:
    await stage.command("api-key", "revoke", stage.key.split("_")[1])


Way = Callable[[Stage], Awaitable[Any]]
OF_USERS = [
    new_password, new_password_by_command, another_role, disabled, disabled_by_command,
    limited_to_books, limited_to_books_by_command, revoked_access_token, revoked_refresh_token,
    replayed_refresh_token,
]  # fmt: skip
OF_KEYS = [revoked_key, revoked_key_by_command]


@pytest.mark.parametrize("way", OF_USERS + OF_KEYS)
async def test_whoever_is_shut_out_is_out_everywhere(stage: Stage, way: Way) -> None:
    server = stage.server
    token, key = bearer(stage.pair["access_token"]), {"X-API-Key": stage.key}
    caller, other = (key, token) if way in OF_KEYS else (token, key)
    path = "/api/trades"
    for _ in range(2):  # the second answer comes by the fast path
        for headers in (caller, other):
            assert (await ask(server, "GET", path, headers)).status == 200
    async with connect(server, caller) as client, connect(server, other) as unharmed:
        await way(stage)
        async with asyncio.timeout(SECONDS):
            assert (await client.until_closed())[:2] == (1008, "revoked")
        for process in (server, stage.elsewhere):

            async def is_out(process: Server = process) -> bool:
                return (await ask(process, "GET", path, caller)).status != 200

            async with asyncio.timeout(SECONDS):
                await until(is_out)
            for where in (path, "/api/me"):
                problem(await ask(process, "GET", where, caller), 401)
                assert (await ask(process, "GET", where, other)).status == 200
        assert (await unharmed.ask(type="ping"))["type"] == "pong"


@pytest.mark.parametrize("way", [new_password, disabled, another_role, limited_to_books])
async def test_whoever_is_shut_out_cannot_renew(stage: Stage, way: Way) -> None:
    await way(stage)
    form = {"grant_type": "refresh_token", "refresh_token": stage.pair["refresh_token"]}
    for process in (stage.server, stage.elsewhere):
        problem(await ask(process, "POST", "/token", data=form), 401)
