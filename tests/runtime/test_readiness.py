"""/readyz says whether answers can be given, and what is down; the log says why."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.backend import Backend
from alphapulse_api.config import AuthConfig, DatabaseConfig
from alphapulse_api.runtime import monitor
from alphapulse_api.storage.engine import Engine
from tests.asking import ALERT, Answer, ask, problem, until_ready
from tests.conftest import PASSWORD, Serve, Server
from tests.postgres import Postgres
from tests.waiting import until
from tests.workers import SECRET


def engine_of(server: Server) -> Engine:
    return server.backend.engine


async def ready(server: Server) -> Answer:
    return await ask(server, "GET", "/readyz")


async def execute(engine: Engine, sql: str) -> None:
    await engine.write(lambda transaction: transaction.fetch(sql))


async def until_logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    await until(lambda: text in caplog.text)


async def test_a_full_disk_is_reported_until_there_is_room(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caller = await server.key("publish")
    engine = engine_of(server)
    # SQLite's own bound on the file: the same error as a disk without room.
    await engine.write(lambda transaction: transaction.fetch("PRAGMA max_page_count = 1"))
    big = {**ALERT, "message": "x" * 4000}
    refused = 0
    while not refused:
        assert (await ready(server)).status == 200  # which is not what is said a moment later
        answer = await ask(server, "POST", "/api/alerts", caller, json=big)
        refused = answer.status == 503
    assert answer.headers["Retry-After"]
    report = problem(await ready(server), 503)
    assert report["down"] == ["database"]
    assert report["checks"] == {"database": "down"}
    await until_logged(caplog, "disk is full")
    assert (await ask(server, "GET", "/healthz")).status == 200
    assert (await ask(server, "GET", "/api/alerts", caller)).status == 200

    await engine.write(lambda transaction: transaction.fetch("PRAGMA max_page_count = 100000"))
    assert (await ask(server, "POST", "/api/alerts", caller, json=big)).status == 201
    await until_ready(server)
    await until_logged(caplog, "the database is back")
    assert caplog.text.count("the database is away") == 1


async def test_a_missing_database_file_is_reported_without_its_path(server: Server) -> None:
    file = Path(engine_of(server).location)
    aside = file.with_suffix(".aside")
    os.rename(file, aside)
    answer = await ready(server)
    assert problem(answer, 503)["down"] == ["database"]
    assert str(file) not in answer.body.decode()
    form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
    login = problem(await ask(server, "POST", "/token", data=form), 503)
    assert login["error"] == "temporarily_unavailable"
    os.rename(aside, file)
    await until_ready(server)


async def test_the_return_of_the_database_is_logged_though_nobody_asks(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "SAMPLE_SECONDS", 0.05)
    server = await serve()
    file = Path(engine_of(server).location)
    aside = file.with_suffix(".aside")
    os.rename(file, aside)
    await until_logged(caplog, "the database is away, going on without it: The database")
    os.rename(aside, file)
    await until_logged(caplog, "the database is back")


async def test_callers_share_a_look(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, looks = engine_of(server), Counter[str]()
    write = engine.write

    def counted(work: Any) -> Any:
        looks["write"] += 1
        return write(work)

    monkeypatch.setattr(engine, "write", counted)
    answers = await asyncio.gather(*(ready(server) for _ in range(50)))
    answers += [await ready(server) for _ in range(50)]
    assert {answer.status for answer in answers} == {200}
    assert answers[0].json == {"status": "ok", "checks": {"database": "ok"}, "migrating": {}}
    # One, but for a machine that needs more than a second for so few calls, or a sample due.
    assert 1 <= looks["write"] <= 5


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_watch_that_meets_a_fault_nobody_thought_of_goes_on(
    kind: str, serve: Serve, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    sections: dict[str, Any] = {"auth": AuthConfig(jwt_secret=SECRET)}
    if kind == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        sections["database"] = DatabaseConfig(url=await postgres.copied())
    server = await serve(**sections)
    caller = await server.key()
    config = server.backend.config
    async with Backend(config, {}, serve=False) as other:
        (key,) = await other.accounts.list_api_keys()
        await execute(other.engine, "ALTER TABLE auth_version RENAME TO aside")
        await until_logged(caplog, "background task 'updates of users and keys' failed")
        assert "Traceback" in caplog.text
        answer = await ready(server)
        assert problem(answer, 503)["checks"] == {"database": "down", "tasks": "down"}
        assert "auth_version" not in answer.body.decode()
        await execute(other.engine, "ALTER TABLE aside RENAME TO auth_version")
        await other.accounts.revoke_api_key(key.id)

        async def is_refused() -> bool:
            return (await ask(server, "GET", "/api/me", caller)).status == 401

        await until(is_refused)
    await until_ready(server)
    await until_logged(caplog, "background task 'updates of users and keys' is running again")
