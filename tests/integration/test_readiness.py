"""/readyz says whether answers can be given, and what is down."""

from __future__ import annotations

import os
from pathlib import Path

from tests.asking import ALERT, ask, problem
from tests.conftest import PASSWORD, Server


async def test_a_full_disk_is_told_until_there_is_room(server: Server) -> None:
    caller = await server.key("publish")
    engine = server.dashboard._backend.engine
    # SQLite's own bound on the file: the same error as a disk without room.
    await engine.write(lambda transaction: transaction.fetch("PRAGMA max_page_count = 1"))
    big = {**ALERT, "message": "x" * 4000}
    refused = 0
    while not refused:
        answer = await ask(server, "POST", "/api/alerts", caller, json=big)
        refused = answer.status == 503
    assert answer.headers["Retry-After"]
    told = problem(await ask(server, "GET", "/readyz"), 503)
    assert told["down"] == ["database"]
    assert "disk is full" in told["checks"]["database"]
    assert (await ask(server, "GET", "/healthz")).status == 200
    assert (await ask(server, "GET", "/api/alerts", caller)).status == 200

    await engine.write(lambda transaction: transaction.fetch("PRAGMA max_page_count = 100000"))
    assert (await ask(server, "POST", "/api/alerts", caller, json=big)).status == 201
    assert (await ask(server, "GET", "/readyz")).status == 200


async def test_a_database_file_taken_away_is_told_without_its_path(server: Server) -> None:
    file = Path(server.dashboard._backend.engine.location)
    aside = file.with_suffix(".aside")
    os.rename(file, aside)
    answer = await ask(server, "GET", "/readyz")
    assert problem(answer, 503)["down"] == ["database"]
    assert str(file) not in answer.body.decode()
    form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
    login = problem(await ask(server, "POST", "/token", data=form), 503)
    assert login["error"] == "temporarily_unavailable"
    os.rename(aside, file)
    assert (await ask(server, "GET", "/readyz")).status == 200
