"""User names and passwords in other spellings and cases, from the login to the migration."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from alphapulse_api.auth import passwords
from alphapulse_api.auth.grants import AccountError
from alphapulse_api.domain.errors import StartupError
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.tables.directory import AccountDataAccessor
from alphapulse_api.storage.tables.user_names import fill_name_keys
from tests.asking import ALERT, ask, problem
from tests.conftest import PASSWORD, Server
from tests.engines import Fresh, opened
from tests.forging import bearer
from tests.logins import WRONG, login, me, refused
from tests.socket_client import connect
from tests.throttling import forgive_nothing

COMPOSED, DECOMPOSED = "Jörg", "Jo\u0308rg"


async def test_every_spelling_of_a_name_is_one_user(either: Server) -> None:
    accounts = either.dashboard.accounts
    await accounts.set_user(DECOMPOSED, "viewer", PASSWORD)
    tokens = []
    for spelling in (COMPOSED, DECOMPOSED, "JÖRG", "jörg"):
        pair = (await login(either, spelling)).json
        tokens.append(pair["access_token"])
        who = (await ask(either, "GET", "/api/me", bearer(pair["access_token"]))).json
        assert who["username"] == COMPOSED
        async with either.session.ws_connect(f"{either.url}/ws") as ws:
            await ws.receive_json()
            await ws.send_json({"type": "auth", "token": pair["access_token"]})
            assert (await ws.receive_json())["username"] == COMPOSED
    async with connect(either, bearer(tokens[0])) as client:
        await accounts.set_password("JO\u0308RG", "another password")
        assert (await client.until_closed())[:2] == (1008, "revoked")
    for token in tokens:
        assert await me(either, token) == 401
    assert (await login(either, COMPOSED, "another password")).status == 200
    await accounts.set_user("JÖRG", "operator", PASSWORD)
    assert [(u.username, u.role) for u in await accounts.list_users()] == [
        (COMPOSED, "operator"), ("admin", "admin"),
    ]  # fmt: skip
    await accounts.disable_user("jo\u0308rg")
    refused(await login(either, COMPOSED), 401, "invalid_grant")


async def test_another_case_is_no_way_around_the_throttle(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgive_nothing(monkeypatch)
    for n in range(10):
        spelling = ("admin", "Admin", "ADMIN", "\uff41dmin")[n % 4]
        refused(await login(server, spelling, WRONG), 401, "invalid_grant")
    refused(await login(server, "aDMIN", WRONG), 429, "temporarily_unavailable")


@pytest.mark.parametrize("name", ["\x00", "a\x00b", "x" * 15_000, "🙂", "\u202e", "a b", "%", "'"])
async def test_any_text_may_be_tried_as_a_name(either: Server, name: str) -> None:
    refused(await login(either, name, PASSWORD), 401, "invalid_grant")


async def test_one_who_acknowledges_in_another_case_does_it_in_their_own_name(
    server: Server,
) -> None:
    await server.feed.raise_alert({**ALERT, "id": "a1"})
    caller = await server.login("operator", COMPOSED)
    path = "/api/alerts/a1/acknowledge"
    problem(await ask(server, "POST", path, caller, json={"user": "ann"}), 403)
    answer = await ask(server, "POST", path, caller, json={"user": "JO\u0308RG"})
    assert (answer.status, answer.json["acknowledged_by"]) == (200, COMPOSED)


async def test_a_password_may_be_typed_on_any_keyboard(server: Server) -> None:
    accounts = server.dashboard.accounts
    await accounts.set_user("ann", "viewer", "Pa\u0308sse\u00a0partout")
    for typed in ("Pässe partout", "Pa\u0308sse partout", "Pässe\u00a0partout"):
        assert (await login(server, "ann", typed)).status == 200
    for typed in ("Passe partout", "pässe partout", "Pässepartout"):
        refused(await login(server, "ann", typed), 401, "invalid_grant")
    for bad in ("12345\u03087", "seven\x00seven", "seven\nseven", "\ud800seven7"):
        with pytest.raises(AccountError):
            await accounts.set_password("ann", bad)


async def test_a_hash_of_before_is_taken_and_made_anew(server: Server) -> None:
    typed = "Pa\u0308sse partout"  # and hashed as it was typed
    accounts = server.dashboard.accounts
    await accounts.set_user("ann", "viewer", PASSWORD)
    engine = server.backend.engine
    old = passwords.hasher.hash(typed)

    async def as_before(transaction: Transaction) -> None:
        await transaction.execute("UPDATE users SET password_hash = $1 WHERE username = 'ann'", old)

    await engine.write(as_before)
    refused(await login(server, "ann", "Pässe partout"), 401, "invalid_grant")
    token = (await login(server, "ann", typed)).json["access_token"]
    assert await me(server, token) == 200
    # Now in the one form, and what was given out has not ended.
    assert (await login(server, "ann", "Pässe partout")).status == 200
    assert (await login(server, "ann", typed)).status == 200
    assert await me(server, token) == 200


Put = Callable[[str, bool], Awaitable[None]]


async def _as_before(engine: Engine, *users: tuple[str, bool]) -> None:
    """Let the table be as the release before made it, with these users and whether disabled."""

    async def work(transaction: Transaction) -> None:
        await transaction.fetch("DROP INDEX users_by_name_key")
        for n, (username, disabled) in enumerate(users):
            await transaction.execute(
                "INSERT INTO users (username, role, password_hash, disabled, generation, "
                "created_at) VALUES ($1, 'viewer', 'hash', $2, 1, $3)",
                username,
                int(disabled),
                n,
            )

    await engine.write(work)


async def test_the_migration_finds_users_by_every_spelling(fresh: Fresh) -> None:
    async with fresh() as engine:
        users = (COMPOSED, False), ("Ann", False), ("ann🙂 of before", False), ("BOB", True)
        await _as_before(engine, *users)
        await engine.write(fill_name_keys)
        accounts = AccountDataAccessor(engine)
        for spelling, username in (
            (DECOMPOSED, COMPOSED), ("ANN", "Ann"), ("ANN🙂 OF BEFORE", "ann🙂 of before"),
            ("bob", "BOB"),
        ):  # fmt: skip
            found = await accounts.find_user(spelling)
            assert found is not None
            assert found.username == username


async def test_a_migration_that_finds_two_users_of_one_name_says_so_and_changes_nothing(
    fresh: Fresh,
) -> None:
    async with fresh() as engine:
        clashing = (COMPOSED, False), (DECOMPOSED, False), ("ann", False), ("ANN", True)
        await _as_before(engine, *clashing)
        with pytest.raises(StartupError, match="Nothing was changed") as refusal:
            await engine.write(fill_name_keys)
        assert r"('J\xf6rg')" in str(refusal.value)
        assert r"('Jo\u0308rg')" in str(refusal.value)
        assert "'ann'" not in str(refusal.value).lower()  # one of those is disabled
        accounts = AccountDataAccessor(engine)
        assert {user.name_key for user in await accounts.list_users()} == {None}

        # As it says: disabling one of them helps, and that one cannot log in.
        async def disable(transaction: Transaction) -> None:
            await transaction.execute(
                "UPDATE users SET disabled = $2 WHERE username = $1", DECOMPOSED, 1
            )

        await engine.write(disable)
        await engine.write(fill_name_keys)
        found = {user.username: user.name_key for user in await accounts.list_users()}
        assert found == {COMPOSED: "jörg", DECOMPOSED: None, "ann": "ann", "ANN": None}


async def test_a_file_with_two_users_of_one_name_is_not_opened_and_stays_as_it_is(
    tmp_path: Path,
) -> None:
    path = tmp_path / "old.db"
    async with opened(path) as engine:
        await _as_before(engine, (COMPOSED, False), (DECOMPOSED, False))
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE users DROP COLUMN name_key")
        connection.execute("PRAGMA user_version = 8")
    before = _dump(path)
    for _ in range(2):
        with pytest.raises(StartupError, match="these are the same"):
            async with opened(path):
                pass
        assert _dump(path) == before


def _dump(path: Path) -> tuple[int, list[str]]:
    connection = sqlite3.connect(path)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return version, list(connection.iterdump())
    finally:
        connection.close()
