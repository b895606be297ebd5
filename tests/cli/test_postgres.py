"""The command line and the server on PostgreSQL, as a person has them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from alphapulse_api.config import AuthConfig, DatabaseConfig
from tests.asking import ask
from tests.commands import Here
from tests.conftest import PASSWORD, Serve
from tests.postgres import Postgres

SECRET = "hush-" * 10


async def test_the_commands_work_on_it(tmp_path: Path, here: Here, postgres: Postgres) -> None:
    url = await postgres.emptied()
    path = tmp_path / "c.yaml"
    path.write_text(f"""
dashboard_api:
  auth: {{jwt_secret: {SECRET}}}
  database: {{url: "{url}"}}
""")
    config = ("--config", str(path))

    async def run(*args: str, stdin: str = "") -> str:
        # In a thread, where the command can run a loop of its own.
        result = await asyncio.to_thread(here, *args, stdin=stdin)
        assert (result.returncode, result.stderr) == (0, ""), result
        assert SECRET not in result.stdout
        return str(result.stdout)

    assert "is up to date" in await run("migrate", *config)
    assert "postgresql://" in await run("config", "check", str(path))
    await run("user", "add", "ann", "--password-stdin", *config, stdin=f"{PASSWORD}\n")
    await run("user", "disable", "ann", *config)
    assert "ann\tviewer\tdisabled" in await run("user", "list", *config)
    assert (await run("api-key", "create", "bot", *config)).startswith("apk_")
    key = (await run("api-key", "list", *config)).split("\t")[0]
    await run("api-key", "revoke", key, *config)
    assert "revoked" in await run("api-key", "list", *config)
    assert sorted(os.listdir(tmp_path)) == ["c.yaml"]  # no secret is kept beside it


async def test_a_server_on_it_answers(serve: Serve, postgres: Postgres) -> None:
    database = DatabaseConfig(url=await postgres.emptied())
    server = await serve(database=database, auth=AuthConfig(jwt_secret=SECRET))
    admin, bot = await server.login(), await server.key("publish")
    trade = {"id": "t1", "symbol": "BTC", "side": "buy", "quantity": "0.10", "price": 2}
    for price, status in ((2, 201), (2, 200), (3, 409)):
        answer = await ask(server, "POST", "/api/trades", bot, json={**trade, "price": price})
        assert answer.status == status
    (shown,) = await server.json("/api/trades", admin)
    assert (shown["quantity"], shown["value"]) == ("0.10", "0.20")
    await server.feed.record_metrics({"metric_type": "risk", "name": "var", "value": 1.5})
    (point,) = await server.json("/api/metrics/risk/latest", admin)
    assert point["value"] == 1.5
    assert (await server.json("/readyz", {}))["status"] == "ok"
    # A NUL is no text of any store.
    assert (await ask(server, "GET", "/api/trades?symbol=%00", admin)).status == 422
