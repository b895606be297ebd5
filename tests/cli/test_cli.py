"""The command line as a person and a service manager use it: real processes, real signals."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import re
import signal
import sqlite3
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.asking import Answer
from tests.commands import Here, run, serving
from tests.waiting import SECONDS

PASSWORD = "a password of the tests"
SECRET = "hush-" * 10


async def get(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> Answer:
    async with session.get(url, headers=headers) as response:
        return Answer(response.status, response.headers, await response.read())


async def login(session: aiohttp.ClientSession, url: str, password: str) -> dict[str, str] | None:
    form = {"grant_type": "password", "username": "admin", "password": password}
    async with session.post(f"{url}/token", data=form) as response:
        if response.status != 200:
            return None
        return {"Authorization": f"Bearer {(await response.json())['access_token']}"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_ends_well(tmp_path: Path, number: int) -> None:
    async with (
        serving(tmp_path, AP_ADMIN_PASSWORD=PASSWORD) as server,
        aiohttp.ClientSession() as session,
    ):
        admin = await login(session, server.url, PASSWORD)
        assert admin is not None
        ws = await session.ws_connect(f"{server.url}/ws", headers=admin)
        assert (await ws.receive_json())["type"] == "welcome"
        assert (await ws.receive_json())["type"] == "authenticated"
        point = {"metric_type": "risk", "name": "var", "value": 1}
        async with session.post(f"{server.url}/api/metrics", json=point, headers=admin) as written:
            assert written.status == 201
        ending = asyncio.create_task(server.stop(number))
        message = await ws.receive(timeout=SECONDS)
        assert (message.type, message.data, message.extra) == (
            aiohttp.WSMsgType.CLOSE, 1001, "shutdown",
        )  # fmt: skip
        assert await ending == 0
    assert "Traceback" not in server.said
    assert PASSWORD not in server.said
    stored = sqlite3.connect(tmp_path / "alphapulse.db")
    assert stored.execute("SELECT count(*) FROM metric_points").fetchone() == (1,)
    hashes = stored.execute("SELECT password_hash FROM users").fetchall()
    stored.close()
    # RFC 9106's second choice, as argon2-cffi's default; the tests in this process use less.
    assert [h.startswith("$argon2id$v=19$m=65536,t=3,p=4$") for (h,) in hashes] == [True]


async def test_the_first_start_says_the_made_password_once_and_logs_none(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump({"dashboard_api": {
        "port": 0, "logging": {"level": "debug", "format": "json"},
        "auth": {"jwt_secret": SECRET},
    }}))  # fmt: skip
    async with aiohttp.ClientSession() as session:
        async with serving(tmp_path, "--config", str(config)) as server:
            (password,) = re.findall(r"user 'admin' with the password (\S+)", server.said)
            admin = await login(session, server.url, password)
            assert admin is not None
            assert await login(session, server.url, "wrong password") is None
            assert (await get(session, f"{server.url}/api/me", admin)).status == 200
            await _send_nonsense(server.url, secret=SECRET * 1200)
            assert await server.stop() == 0
        assert server.said.count(password) == 1
        lines = [line for line in server.said.splitlines() if " " * 8 not in line]
        assert [line[:15] for line in lines if line[0] != "{"] == ["alphapulse_api:"] * 3
        logged = [json.loads(line) for line in lines if line[0] == "{"]
        assert {"POST /token 200", "POST /token 401", "GET /api/me 200"} <= {
            line["message"] for line in logged
        }
        for secret in (password, SECRET, "wrong password", *admin.values()):
            assert secret not in json.dumps(logged)
        async with serving(tmp_path, "serve", "--config", str(config)) as server:
            assert "password" not in server.said
            assert (await get(session, f"{server.url}/api/me", admin)).status == 200


async def _send_nonsense(url: str, secret: str) -> None:
    """A header that is too long for the parser, as a pasted credential may be."""
    reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    writer.write(f"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: {secret}\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] == b"431"
    writer.close()
    await writer.wait_closed()


async def test_accounts_are_managed_beside_a_running_server(tmp_path: Path, here: Here) -> None:
    def command(*args: str) -> Any:
        return asyncio.to_thread(run, tmp_path, *args)

    async with (
        serving(tmp_path, AP_ADMIN_PASSWORD=PASSWORD) as server,
        aiohttp.ClientSession() as session,
    ):
        me = f"{server.url}/api/me"
        made = await asyncio.to_thread(
            here, "api-key", "create", "bot", "--scope", "publish", "--expires", "90d"
        )
        key = {"X-API-Key": made.stdout.strip()}
        assert re.fullmatch(r"apk_\w+_\w+", key["X-API-Key"])
        known = json.loads((await get(session, me, key)).body)
        assert known["permissions"] == ["publish"]
        assert known["expires_at"]
        admin = await login(session, server.url, PASSWORD)
        assert admin is not None

        key_id = key["X-API-Key"].split("_")[1]
        assert (await command("api-key", "revoke", key_id)).returncode == 0
        ann = ("user", "add", "ann", "--role", "operator", "--password-stdin")
        added = await asyncio.to_thread(here, *ann, stdin="ann's password\n")
        assert added.returncode == 0, added.stderr
        assert (await command("user", "disable", "admin")).returncode == 0
        async with asyncio.timeout(SECONDS):
            for caller in (key, admin):
                while (await get(session, me, caller)).status != 401:
                    pass
        listed = (await asyncio.to_thread(here, "user", "list")).stdout
        assert re.search(r"^admin\tadmin\tdisabled\t", listed, re.M)
        assert re.search(r"^ann\toperator\tactive\t", listed, re.M)
        keys = (await asyncio.to_thread(here, "api-key", "list")).stdout
        assert re.match(rf"{key_id}\tbot\trevoked\t", keys)
        assert key["X-API-Key"] not in keys
        lines = (await asyncio.to_thread(here, "audit", "--limit", "4")).stdout.splitlines()
        deeds = [json.loads(line) for line in lines]
        assert [(deed["action"], deed["target_id"], deed["after"]) for deed in deeds[:2]] == [
            ("user.update", "admin", {"disabled": True}),
            ("user.create", "ann", {"role": "operator", "disabled": False, "books": None}),
        ]
        user = pwd.getpwuid(os.getuid()).pw_name
        assert {
            (d["actor"], d["auth"], d["address"]) for d in deeds if d["auth"] != "password"
        } == {(user, "command_line", None)}
        found = (await asyncio.to_thread(here, "audit", "--action", "api_key.create")).stdout
        assert json.loads(found)["target_id"] == key_id


def test_the_documents_are_printed(tmp_path: Path, here: Here) -> None:
    openapi = json.loads(here("openapi").stdout)
    assert openapi["openapi"] == "3.0.3"
    assert "/api/trades" in openapi["paths"]
    asyncapi = json.loads(here("asyncapi").stdout)
    assert asyncapi["asyncapi"] == "3.0.0"
    assert list(tmp_path.iterdir()) == []
